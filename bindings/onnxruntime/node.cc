#include "bindings/onnxruntime/node.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <numeric>
#include <string_view>
#include <tuple>
#include <utility>

#include "fmt/format.h"

namespace mathnas::onnxruntime {
namespace {

constexpr size_t kIdleLanes = 8;

// What the C interface said, after what it was about.
absl::Status Failed(mathnas_status status, std::string_view what) {
  if (status == MATHNAS_OK) return absl::OkStatus();
  const std::string text = fmt::format("{}: {}", what, mathnas_last_error());
  switch (status) {
    case MATHNAS_INVALID_ARGUMENT:
      return absl::InvalidArgumentError(text);
    case MATHNAS_NOT_FOUND:
      return absl::NotFoundError(text);
    case MATHNAS_UNIMPLEMENTED:
      return absl::UnimplementedError(text);
    case MATHNAS_FAILED_PRECONDITION:
      return absl::FailedPreconditionError(text);
    default:
      return absl::InternalError(text);
  }
}

// JSON, or "@" and the file that it is in.
absl::StatusOr<std::string> InlineOrFile(const std::string& text) {
  if (!text.starts_with('@')) return text;
  std::ifstream file(text.substr(1), std::ios::binary);
  std::string all((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) return absl::NotFoundError(fmt::format("subnet: {}: cannot be read", text.substr(1)));
  return all;
}

std::vector<std::string> Split(std::string_view budget) {
  std::vector<std::string> limits;
  while (!budget.empty()) {
    const size_t end = std::min(budget.find(';'), budget.size());
    const std::string_view limit = budget.substr(0, end);
    if (limit.find_first_not_of(' ') != std::string_view::npos) limits.emplace_back(limit);
    budget.remove_prefix(std::min(end + 1, budget.size()));
  }
  return limits;
}

std::vector<const char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  return pointers;
}

const char* OrNull(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

size_t Elements(const std::vector<int64_t>& shape) {
  return static_cast<size_t>(std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>()));
}

absl::Status CheckNumber(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("attribute {}: {}, expected {} to {}", name, value, least, most));
}

absl::Status CheckAttributes(const Attributes& a) {
  if (a.file.empty()) return absl::InvalidArgumentError("attribute file: expected that of a network or a supernet");
  if (a.layout != "NCHW" && a.layout != "NHWC") {
    return absl::InvalidArgumentError(fmt::format("attribute layout: \"{:.100}\", expected NCHW or NHWC", a.layout));
  }
  for (const auto& [name, value, least, most] : {std::tuple{"threads", a.threads, 1, 4096},
                                                 {"lanes", a.lanes, 1, 1024},
                                                 {"batch", a.batch, 1, 65536},
                                                 {"prepared", a.prepared, 2, 1000000},
                                                 {"image_side", a.image_side, 0, 65536},
                                                 {"wait", a.wait, 0, 1}}) {
    if (auto s = CheckNumber(name, value, least, most); !s.ok()) return s;
  }
  if (!a.table.empty()) return absl::OkStatus();
  for (const auto& [name, value] : {std::pair{"budget", &a.budget},
                                    {"objective", &a.objective},
                                    {"estimator", &a.estimator},
                                    {"blocks", &a.blocks},
                                    {"statistics", &a.statistics},
                                    {"calibration", &a.calibration},
                                    {"follow", &a.follow}}) {
    if (!value->empty()) {
      return absl::InvalidArgumentError(
          fmt::format("attribute {}: of a supernet within a budget, expected the attribute table besides", name));
    }
  }
  return absl::OkStatus();
}

}  // namespace

struct Node::Lane {
  Handle<mathnas_plan, mathnas_plan_destroy> plan;
  Handle<mathnas_context, mathnas_context_destroy> context;
  int64_t count = 0;
  float* input = nullptr;
  float* output = nullptr;
};

Node::Node(const Attributes& attributes) : attributes_(attributes) {}
Node::~Node() = default;

absl::StatusOr<std::unique_ptr<Node>> Node::Open(const Attributes& attributes) {
  if (auto s = CheckAttributes(attributes); !s.ok()) return s;
  std::unique_ptr<Node> node(new Node(attributes));
  auto subnet = InlineOrFile(attributes.subnet);
  if (!subnet.ok()) return subnet.status();
  node->subnet_ = *std::move(subnet);
  mathnas_model_options options;
  mathnas_model_options_init(&options, sizeof(options));
  options.threads = static_cast<int32_t>(attributes.threads);
  int32_t kind = 0;
  auto s = Failed(mathnas_model_open(attributes.file.c_str(), &options, node->model_.out()), "attribute file");
  if (s.ok()) s = Failed(mathnas_model_kind(node->model_.get(), &kind), attributes.file);
  if (!s.ok()) return s;
  if (attributes.table.empty()) {
    if (kind == MATHNAS_SUPERNET && attributes.subnet.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("attributes subnet, table: {} is a supernet, expected which of its networks, or a block table",
                      attributes.file));
    }
    s = node->OpenNetwork();
  } else if (kind != MATHNAS_SUPERNET) {
    s = absl::InvalidArgumentError(fmt::format("attribute table: {} is one network", attributes.file));
  } else {
    s = node->OpenServer();
  }
  if (!s.ok()) return s;
  return node;
}

// ---- One network

absl::Status Node::OpenNetwork() {
  auto lane = TakeLane(1);
  if (!lane.ok()) return lane.status();
  mathnas_tensor input, output;
  mathnas_tensor_init(&input, sizeof(input));
  mathnas_tensor_init(&output, sizeof(output));
  auto s = Failed(mathnas_plan_input((*lane)->plan.get(), &input), attributes_.file);
  if (s.ok()) s = Failed(mathnas_plan_output((*lane)->plan.get(), &output), attributes_.file);
  if (s.ok()) s = Describe(input, output);
  if (s.ok()) GiveLane(*std::move(lane));
  return s;
}

absl::StatusOr<std::unique_ptr<Node::Lane>> Node::TakeLane(int64_t count) {
  {
    const std::lock_guard lock(lanes_mutex_);
    const auto found = std::find_if(lanes_.begin(), lanes_.end(), [&](const auto& l) { return l->count == count; });
    if (found != lanes_.end()) {
      std::unique_ptr<Lane> lane = std::move(*found);
      lanes_.erase(found);
      return lane;
    }
  }
  auto lane = std::make_unique<Lane>();
  lane->count = count;
  mathnas_plan_options options;
  mathnas_plan_options_init(&options, sizeof(options));
  options.batch = count;
  options.subnet = OrNull(subnet_);
  auto s = Failed(mathnas_plan_create(model_.get(), &options, lane->plan.out()), attributes_.file);
  if (s.ok()) {
    s = Failed(mathnas_context_create(lane->plan.get(), nullptr, lane->context.out()), attributes_.file);
  }
  if (s.ok()) {
    s = Failed(mathnas_context_memory(lane->context.get(), &lane->input, &lane->output), attributes_.file);
  }
  if (!s.ok()) return s;
  return lane;
}

void Node::GiveLane(std::unique_ptr<Lane> lane) {
  std::unique_ptr<Lane> oldest;  // goes without the lock
  const std::lock_guard lock(lanes_mutex_);
  lanes_.push_front(std::move(lane));
  if (lanes_.size() <= kIdleLanes) return;
  oldest = std::move(lanes_.back());
  lanes_.pop_back();
}

absl::Status Node::RunNetwork(const float* images, int64_t count, float* output) {
  auto lane = TakeLane(count);
  if (!lane.ok()) return lane.status();
  if (channels_first()) {
    ChannelsLast(images, count, (*lane)->input);
  } else {
    std::copy_n(images, static_cast<size_t>(count) * image_elements(), (*lane)->input);
  }
  const auto s = Failed(mathnas_context_run((*lane)->context.get()), attributes_.file);
  if (s.ok()) std::copy_n((*lane)->output, static_cast<size_t>(count) * row_elements(), output);
  GiveLane(*std::move(lane));
  return s;
}

// ---- A supernet within a budget

absl::Status Node::OpenServer() {
  const Attributes& a = attributes_;
  Handle<mathnas_table, mathnas_table_destroy> table;
  auto s = Failed(mathnas_table_open(a.table.c_str(), table.out()), "attribute table");
  if (!s.ok()) return s;
  mathnas_search_options search;
  mathnas_search_options_init(&search, sizeof(search));
  mathnas_server_options options;
  mathnas_server_options_init(&options, sizeof(options));
  const std::vector<std::string> limits = Split(a.budget);
  const std::vector<const char*> texts = Pointers(limits);
  search.limits = texts.data();
  search.limit_count = static_cast<uint32_t>(texts.size());
  if (!a.objective.empty()) search.objective = a.objective.c_str();
  if (!a.estimator.empty()) search.estimator = a.estimator.c_str();
  options.search = &search;
  options.lanes = static_cast<int32_t>(a.lanes);
  options.batch = a.batch;
  options.prepared = static_cast<int32_t>(a.prepared);
  options.image_side = static_cast<int32_t>(a.image_side);
  options.blocks = OrNull(a.blocks);
  options.statistics_file = OrNull(a.statistics);
  options.calibration_data = OrNull(a.calibration);
  options.follow = OrNull(a.follow);
  s = Failed(mathnas_server_create(model_.get(), table.get(), &options, server_.out()), a.file);
  if (!s.ok()) return s;
  budget_ = a.budget;
  if (!subnet_.empty()) {
    s = Failed(mathnas_server_set_subnet(server_.get(), subnet_.c_str(), nullptr), "attribute subnet");
    if (s.ok()) s = Failed(mathnas_server_wait(server_.get()), "attribute subnet");
    if (!s.ok()) return s;
  }
  mathnas_tensor input, output;
  mathnas_tensor_init(&input, sizeof(input));
  mathnas_tensor_init(&output, sizeof(output));
  s = Failed(mathnas_server_input(server_.get(), &input), a.file);
  if (s.ok()) s = Failed(mathnas_server_output(server_.get(), &output), a.file);
  return s.ok() ? Describe(input, output) : s;
}

absl::Status Node::SetBudget(const std::string& budget) {
  if (server_.get() == nullptr) {
    return absl::InvalidArgumentError("input budget: the node is one network, expected the attribute table");
  }
  const std::lock_guard lock(budget_mutex_);  // who brings the same budget waits for it too
  if (budget == budget_) return absl::OkStatus();
  const std::vector<std::string> limits = Split(budget);
  const std::vector<const char*> texts = Pointers(limits);
  auto s = Failed(mathnas_server_set_limits(server_.get(), texts.data(), static_cast<uint32_t>(texts.size()), nullptr),
                  "budget");
  if (s.ok() && attributes_.wait != 0) s = Failed(mathnas_server_wait(server_.get()), "budget");
  if (s.ok()) budget_ = budget;
  return s;
}

absl::Status Node::RunServer(const float* images, int64_t count, float* output, std::vector<int64_t>& choice) {
  std::vector<float> turned;
  if (channels_first()) {
    turned.resize(static_cast<size_t>(count) * image_elements());
    ChannelsLast(images, count, turned.data());
  }
  mathnas_bindings bindings;
  mathnas_bindings_init(&bindings, sizeof(bindings));
  bindings.rows = count;
  bindings.input = channels_first() ? turned.data() : images;
  bindings.input_bytes = static_cast<uint64_t>(count) * image_elements() * sizeof(float);
  bindings.output = output;
  bindings.output_bytes = static_cast<uint64_t>(count) * row_elements() * sizeof(float);
  mathnas_served served;
  mathnas_served_init(&served, sizeof(served));
  mathnas_subnet subnet;
  mathnas_subnet_init(&subnet, sizeof(subnet));
  auto s = Failed(mathnas_server_run(server_.get(), &bindings, &served), attributes_.file);
  if (s.ok()) s = Failed(mathnas_server_subnet(server_.get(), served.subnet, &subnet), attributes_.file);
  if (s.ok()) choice.assign(subnet.choice, subnet.choice + subnet.choice_count);
  return s;
}

// ---- Both

absl::Status Node::Describe(const mathnas_tensor& input, const mathnas_tensor& output) {
  if (input.rank != 4) {
    return absl::UnimplementedError(
        fmt::format("{}: an input of rank {}, expected images", attributes_.file, input.rank));
  }
  image_.assign(input.shape + 1, input.shape + input.rank);
  row_.assign(output.shape + 1, output.shape + output.rank);
  if (attributes_.layout == "NHWC") return absl::OkStatus();
  pixels_ = image_[0] * image_[1];
  channels_ = image_[2];
  std::rotate(image_.begin(), image_.begin() + 2, image_.end());
  return absl::OkStatus();
}

size_t Node::image_elements() const { return Elements(image_); }
size_t Node::row_elements() const { return Elements(row_); }

void Node::ChannelsLast(const float* from, int64_t count, float* to) const {
  for (int64_t i = 0; i < count; ++i, from += pixels_ * channels_, to += pixels_ * channels_) {
    for (int64_t pixel = 0; pixel < pixels_; ++pixel) {
      for (int64_t c = 0; c < channels_; ++c) to[pixel * channels_ + c] = from[c * pixels_ + pixel];
    }
  }
}

absl::Status Node::Run(const float* images, int64_t count, float* output, std::vector<int64_t>& choice) {
  choice.clear();
  if (count == 0) return absl::OkStatus();
  return server_.get() == nullptr ? RunNetwork(images, count, output) : RunServer(images, count, output, choice);
}

}  // namespace mathnas::onnxruntime
