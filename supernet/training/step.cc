#include "supernet/training/step.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <numeric>

#include "fmt/format.h"
#include "kernels/differentiate.h"
#include "kernels/fuse.h"
#include "kernels/status.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::TensorView;
using Clock = std::chrono::steady_clock;

// A supernet rarely draws the same network soon again; one network has as many as its batches have shapes.
constexpr size_t kPlansKept = 64;
constexpr std::string_view kLossScale = "loss_scale";  // an input of graphs in float16

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

// Whether no element before row[label] reaches it and none behind is larger. Most rows of a vocabulary are decided
// within a piece; no index is carried along, so that a piece is a loop over vectors.
template <typename T>
bool IsFirstLargest(std::span<const T> row, int64_t label) {
  if (label < 0 || label >= static_cast<int64_t>(row.size())) return false;
  constexpr size_t kPiece = 1024;
  const auto at = static_cast<size_t>(label);
  const T value = row[at];
  for (size_t begin = 0; begin < row.size(); begin += kPiece) {
    const size_t end = std::min(begin + kPiece, row.size()), middle = std::clamp(at, begin, end);
    bool beaten = false;
    for (size_t i = begin; i < middle; ++i) beaten |= !(row[i] < value);
    for (size_t i = middle; i < end; ++i) beaten |= !(row[i] <= value);
    if (beaten) return false;
  }
  return true;
}

template <typename T>
void CountCorrect(std::span<const T> logits, std::span<const int64_t> labels, int32_t ignored, BatchResult& result) {
  const size_t classes = labels.empty() ? 0 : logits.size() / labels.size();
  for (size_t n = 0; n < labels.size(); ++n) {
    if (ignored >= 0 && labels[n] == ignored) continue;
    result.correct += IsFirstLargest(logits.subspan(n * classes, classes), labels[n]);
    ++result.rows;
  }
}

double ClippingFactor(double clip_norm, double norm) { return std::min(1.0, clip_norm / (norm + 1e-6)); }

bool HasLabels(Loss loss) { return loss == Loss::kLabels || loss == Loss::kLabelsAndSoftTargets; }

absl::Status CopyInto(const kernels::Context& context, std::string_view name, const TensorView& source) {
  auto target = context.Input(name);
  if (!target.ok()) return target.status();
  if (target->desc != source.desc) {
    return absl::InvalidArgumentError(fmt::format("{}: {} {}, expected {} {}", name, Name(source.desc.dtype),
                                                  kernels::ToString(source.desc.shape), Name(target->desc.dtype),
                                                  kernels::ToString(target->desc.shape)));
  }
  std::memcpy(target->data, source.data, source.desc.bytes());
  return absl::OkStatus();
}

}  // namespace

kernels::Recomputed RecomputedByDefault(const SearchSpace& space) {
  const bool pays = space.name() != "supertransformer";
  return pays ? kernels::Recomputed::kActivations : kernels::Recomputed::kNothing;
}

TrainingStep::TrainingStep(std::shared_ptr<const SearchSpace> space, std::shared_ptr<kernels::Device> device,
                           kernels::TensorMap& weights, StepOptions options)
    : space_(std::move(space)),
      device_(std::move(device)),
      weights_(weights),
      options_(options),
      optimizer_(options.optimizer) {}

absl::StatusOr<NetworkGraph> TrainingStep::Network(const Key& key) const {
  if (key.choice) {
    if (auto s = space_->Check(*key.choice); !s.ok()) return s;
  }
  GraphRequest request = {.mode = Mode::kTraining,
                          .weights = options_.weights,
                          .real = device_->real(),
                          .dropout = options_.dropout,
                          .attention_dropout = options_.attention_dropout,
                          .drop_path = options_.drop_path};
  for (const auto& [name, shape] : key.inputs) {
    if (shape.empty()) return absl::InvalidArgumentError(fmt::format("input \"{}\": a scalar", name));
    if (name == "image") {
      request.batch = shape[0];
      const kernels::Shape own = key.choice ? space_->input_shape(*key.choice) : space_->input_shape();
      if (shape.size() == 4 && shape[1] == shape[2] && shape[1] != own[0]) request.image_size = shape[1];
    } else if (name == "source") {
      request.batch = shape[0];
      request.source_length = shape.back();
    } else if (name == "previous") {
      request.target_length = shape.back();
    }
  }
  NetworkGraph network = key.choice ? space_->Network(*key.choice, request) : space_->Supernet(request);
  if (!network.graph.status().ok()) return network.graph.status();
  return network;
}

absl::StatusOr<kernels::Value> TrainingStep::AddLoss(const Key& key, NetworkGraph& network) const {
  kernels::Graph& g = network.graph;
  const kernels::Shape logits = g.desc(network.logits).shape;
  kernels::Value loss;
  if (HasLabels(key.loss)) {
    const kernels::Value labels = g.Integers("labels", {logits.begin(), logits.end() - 1});
    loss = g.Apply(kernels::SoftmaxCrossEntropy{options_.label_smoothing, options_.ignored_label, options_.sum},
                   {network.logits, labels})[0];
  }
  if (key.loss != Loss::kLabels) {
    kernels::Value targets;
    if (key.loss == Loss::kAdaptive) {
      targets = g.Apply(kernels::AdaptiveTargets{}, {network.logits, g.Input("teacher_logits", logits)})[0];
    } else {
      targets = g.Input("soft_targets", logits);
    }
    const kernels::Value distilled = g.Apply(kernels::SoftTargetCrossEntropy{}, {network.logits, targets})[0];
    loss = loss.valid() ? g.Apply(kernels::Add{}, {loss, distilled})[0] : distilled;
  }
  for (kernels::Value leaf : g.Leaves(kernels::ValueKind::kInput)) {
    const std::string& name = g.info(leaf).name;
    if (std::ranges::any_of(key.inputs, [&](const auto& input) { return input.first == name; })) continue;
    return absl::InvalidArgumentError(
        fmt::format("input \"{}\": missing, expected {}", name, kernels::ToString(g.desc(leaf).shape)));
  }
  if (!g.status().ok()) return g.status();
  return loss;
}

absl::StatusOr<TrainingStep::Prepared*> TrainingStep::Prepare(const Key& key) {
  for (auto it = plans_.begin(); it != plans_.end(); ++it) {
    if (it->first != key) continue;
    plans_.splice(plans_.begin(), plans_, it);
    ++plan_stats_.hits;
    return &plans_.front().second;
  }
  ++plan_stats_.misses;
  auto network = Network(key);
  if (!network.ok()) return network.status();
  const auto loss = AddLoss(key, *network);
  if (!loss.ok()) return loss.status();
  const std::array<kernels::Value, 2> kept = {*loss, network->logits};
  kernels::FusedGraph fused = kernels::FuseForTraining(network->graph, kept);
  if (auto s = kernels::Check(*device_, options_.precision); !s.ok()) return s;
  fused = kernels::LowerForTraining(std::move(fused), kept, options_.precision);
  kernels::Graph& g = fused.graph;
  const size_t forward = g.nodes().size();
  const kernels::Value scale = scales_loss() ? g.Input(kLossScale, {}) : kernels::Value{};
  const auto gradients = kernels::Differentiate(g, fused[*loss], scale);
  kernels::AccumulateGradients(g, gradients);

  Prepared prepared;
  for (const kernels::ParameterGradient& p : gradients) {
    prepared.parameters.push_back(g.info(g.LeafOf(p.parameter)).name);
  }
  kernels::Value loss_value = fused[*loss], logits = fused[network->logits];
  const kernels::Recomputed recompute = options_.recompute.value_or(RecomputedByDefault(*space_));
  if (recompute != kernels::Recomputed::kNothing) {
    kernels::FusedGraph again = kernels::Recompute(g, forward, {loss_value, logits}, recompute);
    loss_value = again[loss_value];
    logits = again[logits];
    g = std::move(again.graph);
  }
  auto plan = kernels::Plan::Create(g, {{"loss", loss_value}, {"logits", logits}}, *device_);
  if (!plan.ok()) return plan.status();
  for (const kernels::Plan::Bound& b : (*plan)->bound()) {
    constexpr std::string_view kMean = "running_mean";
    if (b.name.ends_with(kMean)) {
      prepared.counters.push_back(b.name.substr(0, b.name.size() - kMean.size()) + "num_batches_tracked");
    }
  }
  prepared.plan = *std::move(plan);
  plans_.emplace_front(key, std::move(prepared));
  if (plans_.size() > kPlansKept) {
    plans_.pop_back();
    ++plan_stats_.evictions;
  }
  return &plans_.front().second;
}

TrainingStep::PlanStats TrainingStep::plan_stats() const {
  PlanStats stats = plan_stats_;
  stats.size = std::ssize(plans_);
  stats.capacity = kPlansKept;
  return stats;
}

void TrainingStep::DropPlans() {
  started_.reset();
  context_.reset();
  plans_.clear();
  bound_.reset();
}

absl::Status TrainingStep::Bind(const Key& key) {
  const Clock::time_point start = Clock::now();
  auto prepared = Prepare(key);
  if (!prepared.ok()) return prepared.status();
  if (!placed_) {
    if (auto s = kernels::Place(*device_, weights_); !s.ok()) return s;
    placed_ = true;
  }
  if (context_ == nullptr || bound_ != key) {
    for (const std::string& name : (*prepared)->parameters) {
      if (!weights_.contains(name)) continue;  // the context says so
      if (auto s = AddGradient(gradients_, name); !s.ok()) return s;
    }
    context_.reset();
    bound_.reset();
    Prepared::Recorded& recorded = (*prepared)->recorded[side_];
    const kernels::Stream* stream = workspace_.stream();
    if (recorded.context != nullptr && recorded.moves == stream->moves()) {
      context_ = recorded.context;
    } else {
      recorded = {};
      const kernels::TensorMap* tensors[] = {&weights_, &gradients_};
      auto context = kernels::Context::Create((*prepared)->plan, tensors, &workspace_);
      if (!context.ok()) return context.status();
      context_ = *std::move(context);
      stream = workspace_.stream();
      if (stream != nullptr) recorded = {context_, stream->moves()};
    }
    bound_ = key;
  }
  planning_seconds_ += Seconds(start);
  return absl::OkStatus();
}

absl::StatusOr<BatchResult> TrainingStep::Backward(const std::optional<Choice>& choice,
                                                   std::span<const StepInput> inputs, Loss loss) {
  if (auto s = Start(choice, inputs, loss); !s.ok()) return s;
  return Result();
}

absl::Status TrainingStep::WaitForStarted() {
  const auto started = std::exchange(started_, std::nullopt);
  return started ? started->context->Wait() : absl::OkStatus();
}

absl::Status TrainingStep::Start(const std::optional<Choice>& choice, std::span<const StepInput> inputs, Loss loss) {
  Key key = {choice, loss, {}};
  std::optional<TensorView> labels;
  for (const StepInput& input : inputs) {
    if (input.name == "labels") labels = input.view;
    if (input.name != "labels" || HasLabels(loss)) key.inputs.emplace_back(input.name, input.view.desc.shape);
  }
  if (auto s = WaitForStarted(); !s.ok()) return s;
  if (auto s = Bind(key); !s.ok()) return s;
  const Prepared& prepared = plans_.front().second;
  const Clock::time_point start = Clock::now();
  for (const StepInput& input : inputs) {
    if (input.name == "labels" && !HasLabels(loss)) continue;
    if (auto s = CopyInto(*context_, input.name, input.view); !s.ok()) return s;
  }
  const kernels::TensorDesc logits = context_->Output("logits")->desc;
  if (labels &&
      (labels->desc.dtype != DType::kI64 || labels->desc.elements() * logits.shape.back() != logits.elements())) {
    return absl::InvalidArgumentError(fmt::format("labels: {} {}, expected one int64 to a row of {}",
                                                  Name(labels->desc.dtype), kernels::ToString(labels->desc.shape),
                                                  kernels::ToString(logits.shape)));
  }
  if (scales_loss()) context_->Input(kLossScale)->as<float>()[0] = static_cast<float>(loss_scale_.value);
  if (auto s = times_ ? times_->Run(*context_) : context_->Start(); !s.ok()) return s;
  started_ = {context_, labels};
  touched_.insert(prepared.parameters.begin(), prepared.parameters.end());
  for (const std::string& name : prepared.counters) {
    if (const kernels::Tensor* counter = weights_.Find(name)) ++counter->as<int64_t>()[0];
  }
  running_seconds_ += Seconds(start);
  return absl::OkStatus();
}

absl::StatusOr<BatchResult> TrainingStep::Result() {
  if (!started_) return absl::FailedPreconditionError("the result of a batch: none was started");
  const Clock::time_point start = Clock::now();
  const auto [context, labels] = *started_;
  if (auto s = WaitForStarted(); !s.ok()) return s;
  BatchResult result = {.logits = *context->Output("logits")};
  const auto take = [&](auto zero) {
    using T = decltype(zero);
    result.loss = context->Output("loss")->as<T>()[0];
    if (!labels) return;
    CountCorrect<T>(result.logits.as<T>(), labels->as<int64_t>(), options_.ignored_label, result);
  };
  device_->real() == DType::kF64 ? take(double{}) : take(float{});
  running_seconds_ += Seconds(start);
  return result;
}

TensorView TrainingStep::GradientOf(const kernels::TensorMap& gradients, const std::string& name) {
  return gradients.Find(kernels::GradientName(name))->view();
}

absl::Status TrainingStep::AddGradient(kernels::TensorMap& gradients, const std::string& name) const {
  if (gradients.contains(kernels::GradientName(name))) return absl::OkStatus();
  auto gradient = device_->NewTensor(weights_.Find(name)->desc());
  if (!gradient.ok()) return gradient.status();
  gradients.Put(kernels::GradientName(name), *std::move(gradient));
  return absl::OkStatus();
}

absl::StatusOr<double> TrainingStep::Update(const UpdateOptions& options) {
  const Clock::time_point start = Clock::now();
  double norm = 0, scale = options.gradient_scale * unscale();
  if (options.clip_norm > 0 || scales_loss()) {
    std::vector<std::pair<TensorView, TensorView>> pairs;
    for (const std::string& name : touched_) {
      const TensorView g = GradientOf(gradients_, name);
      pairs.emplace_back(g, g);
    }
    const auto squares = device_->DotProducts(pairs);
    if (!squares.ok()) return squares.status();
    norm = std::abs(scale) * std::sqrt(std::accumulate(squares->begin(), squares->end(), 0.0));
    if (options.clip_norm > 0) scale *= ClippingFactor(options.clip_norm, norm);
  }
  if (scales_loss()) {
    const bool finite = std::isfinite(norm);
    if (!finite && loss_scale_.value <= 1) {
      return absl::FailedPreconditionError(
          "gradients are too large for float16, though the loss is not scaled up: training diverged; lower the "
          "learning rate");
    }
    loss_scale_.Count(finite);
    if (!finite) {
      if (auto s = DropGradients(); !s.ok()) return s;
      running_seconds_ += Seconds(start);
      return norm;
    }
  }
  std::vector<Optimizer::Parameter> parameters;
  for (const std::string& name : touched_) {
    parameters.push_back({name, weights_.Find(name)->view(), GradientOf(gradients_, name)});
  }
  if (auto s = optimizer_.Step(parameters, options.learning_rate, scale, *device_); !s.ok()) return s;
  touched_.clear();
  running_seconds_ += Seconds(start);
  return norm;
}

absl::Status TrainingStep::DropGradients() {
  if (auto s = device_->Wait(); !s.ok()) return s;
  for (const std::string& name : touched_) {
    const TensorView gradient = GradientOf(gradients_, name);
    std::memset(gradient.data, 0, gradient.desc.bytes());
  }
  touched_.clear();
  return absl::OkStatus();
}

void TrainingStep::SetAside() {
  std::swap(gradients_, aside_);
  side_ = 1 - side_;
  aside_touched_ = std::exchange(touched_, {});
  context_.reset();  // which is bound to what is now aside
  bound_.reset();
}

absl::StatusOr<TrainingStep::Combination> TrainingStep::Combine(const CombineOptions& options) {
  const Clock::time_point start = Clock::now();
  // A tensor without one of the two gradients has zeros there, which it keeps or gets.
  std::set<std::string> all = touched_;
  all.insert(aside_touched_.begin(), aside_touched_.end());
  for (const std::string& name : all) {
    for (kernels::TensorMap* map : {&gradients_, &aside_}) {
      if (auto s = AddGradient(*map, name); !s.ok()) return s;
    }
  }
  std::vector<std::pair<TensorView, TensorView>> own, mixed;
  std::vector<std::string> strengthened;
  for (const std::string& name : touched_) {
    const TensorView sub = GradientOf(gradients_, name);
    own.emplace_back(sub, sub);
    if (!options.strengthen || !aside_touched_.contains(name)) continue;
    mixed.emplace_back(sub, GradientOf(aside_, name));
    strengthened.push_back(name);
  }
  const auto squares = device_->DotProducts(own), products = device_->DotProducts(mixed);
  if (!squares.ok()) return squares.status();
  if (!products.ok()) return products.status();
  Combination result;
  const double unscaled = unscale() * unscale();  // a square
  result.norm = std::sqrt(unscaled * std::accumulate(squares->begin(), squares->end(), 0.0));
  const double clip = options.clip_norm > 0 ? ClippingFactor(options.clip_norm, result.norm) : 1;
  std::map<std::string, double> square_of;
  for (size_t i = 0; const std::string& name : touched_) square_of[name] = unscaled * (*squares)[i++];
  for (size_t i = 0; i < strengthened.size(); ++i) {
    const double product = clip * unscaled * (*products)[i];
    const double more = std::clamp(-product / (1e-6 + clip * clip * square_of[strengthened[i]]), 0.0, 2.0);
    if (more > 0) result.strengthened[strengthened[i]] = more;
  }
  std::vector<kernels::GradientPair<TensorView>> sums;
  for (const std::string& name : all) {
    const auto more = result.strengthened.find(name);
    const double factor = more == result.strengthened.end() ? clip : clip * (1 + more->second);
    sums.push_back({factor, GradientOf(gradients_, name), GradientOf(aside_, name)});
  }
  if (auto s = device_->CombineGradients(sums); !s.ok()) return s;
  touched_ = std::move(all);
  aside_touched_.clear();
  running_seconds_ += Seconds(start);
  return result;
}

}  // namespace mathnas::supernet
