#include "supernet/supervit/space.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <utility>

#include "blocks/batch_norm.h"
#include "blocks/drop_path.h"
#include "blocks/elastic.h"
#include "blocks/inverted_residual.h"
#include "blocks/vit_block.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/json_text.h"
#include "nlohmann/json.hpp"
#include "supernet/internal/macro_fields.h"

namespace mathnas::supernet {
namespace {

using blocks::LeadingParameter;
using blocks::NormOptions;
using kernels::Activation;
using kernels::Graph;
using kernels::Shape;
using kernels::Value;
using kernels::internal::JsonText;
using nlohmann::json;
using namespace supervit;  // NOLINT: the sizes of this space

// Of final_expand_layer, in widths of the last stage (5.4).
constexpr int64_t kFinalExpand = 6;

// One candidate of a part.
struct PartChoice {
  int width, depth = 0, kernel = 0, expansion = 0;
};

// Indices into the lists of choices, the expansion fastest, then kernel, depth, width (6.4).
int CandidateCount(const PartChoices& c) {
  const auto size = [](std::span<const int> list) { return static_cast<int>(std::max<size_t>(1, list.size())); };
  return size(c.widths) * size(c.depths) * (c.depths.empty() ? 1 : size(c.kernels)) * size(c.expansions);
}

PartChoice CandidateOf(const PartChoices& c, int index) {
  if (c.depths.empty()) return {c.widths[static_cast<size_t>(index)]};
  const auto take = [&index](std::span<const int> list) {
    const auto size = static_cast<int>(list.size());
    const int value = list[static_cast<size_t>(index % size)];
    index /= size;
    return value;
  };
  PartChoice choice{};
  choice.expansion = take(c.expansions);
  choice.kernel = take(c.kernels);
  choice.depth = take(c.depths);
  choice.width = take(c.widths);
  return choice;
}

int IndexOf(const PartChoices& c, const PartChoice& choice) {
  const auto position = [](std::span<const int> list, int value) {
    return static_cast<int>(std::find(list.begin(), list.end(), value) - list.begin());
  };
  int index = position(c.widths, choice.width);
  if (c.depths.empty()) return index;
  index = index * static_cast<int>(c.depths.size()) + position(c.depths, choice.depth);
  index = index * static_cast<int>(c.kernels.size()) + position(c.kernels, choice.kernel);
  return index * static_cast<int>(c.expansions.size()) + position(c.expansions, choice.expansion);
}

std::string NameOf(const PartChoice& c) {
  if (c.depth == 0) return fmt::format("w{}", c.width);
  return fmt::format("w{}-d{}-k{}-e{}", c.width, c.depth, c.kernel, c.expansion);
}

// Adds the network to a graph, part by part.
class Builder {
 public:
  Builder(Graph& g, const SuperVitMacro& macro, const Architecture& a, const GraphRequest& request)
      : g_(g),
        macro_(macro),
        a_(a),
        request_(request),
        shared_(request.weights == Weights::kShared),
        drop_path_(g, request.mode == Mode::kTraining ? request.drop_path : 0,
                   std::accumulate(a.depth.begin(), a.depth.end(), 0)) {
    // The reference trains its supernet with momentum 0.
    norm_ = {.track = !shared_, .momentum = request.norm_momentum};
  }

  Value Build() {
    const int64_t side = request_.image_size > 0 ? request_.image_size : a_.resolution;
    Value x = g_.Input("image", {request_.batch, side, side, macro_.input_channels});
    g_.SetBlock(ChoicesOf(0).name);
    if (side != a_.resolution) x = g_.Apply(kernels::Resize{a_.resolution, a_.resolution}, {x})[0];
    const Value first =
        LeadingParameter(g_, "first_conv.conv.conv.weight", {Stored(0), macro_.input_channels, 3, 3}, a_.width[0]);
    x = Named(Swish(Norm(kernels::Convolve(g_, x, first, Value{}, 2, 1), "first_conv", Stored(0))), "first_conv");
    for (int stage = 0; stage < kStages; ++stage) {
      for (int position = 0; position < a_.depth[stage]; ++position) x = Block(x, stage, position);
    }
    return Head(x);
  }

 private:
  // The width of a part's tensors.
  int64_t Stored(int part) const { return shared_ ? ChoicesOf(part).stored_width() : a_.width[part]; }

  Value Swish(Value x) { return x.valid() ? g_.Apply(kernels::Swish{}, {x})[0] : x; }
  Value Named(Value x, std::string_view name) {
    g_.SetName(x, name);
    return x;
  }
  Value Norm(Value x, std::string_view layer, int64_t stored) {
    NormOptions norm = norm_;
    norm.stored_channels = stored;
    return blocks::BatchNorm(g_, x, fmt::format("{}.bn.bn", layer), request_.mode, norm);
  }

  Value Block(Value x, int stage, int position) {
    const PartChoices& choices = ChoicesOf(stage + 1);
    const std::string prefix = fmt::format("blocks.{}", FirstBlock(stage) + position);
    const std::string name = fmt::format("{}.{}", choices.name, position);
    g_.SetBlock(name);
    drop_path_.Begin();
    if (!x.valid()) return x;
    if (position > 0 && choices.transformers) {
      return Named(blocks::VitBlock(g_, x, prefix, {choices.stored_width(), a_.depth[stage], &drop_path_}), name);
    }
    const int64_t in = g_.desc(x).shape[3], out = a_.width[stage + 1];
    const int64_t stored_in = Stored(position == 0 ? stage : stage + 1), stored_out = Stored(stage + 1);
    const int expansion = a_.expand_ratio[stage], stride = position == 0 ? choices.stride : 1;
    const int64_t mid = MidChannels(in, expansion);
    const int64_t stored_mid = shared_ ? MidChannels(stored_in, choices.expansions.back()) : mid;
    const blocks::StoredInvertedResidual stored = {.in = stored_in,
                                                   .mid = stored_mid,
                                                   .squeeze = choices.squeeze_excite ? SqueezeChannels(stored_mid) : 0,
                                                   .kernel = shared_ ? choices.stored_kernel() : a_.kernel_size[stage],
                                                   .out = stored_out};
    Value y = blocks::InvertedResidual(g_, x, prefix + ".mobile_inverted_conv",
                                       {.mid = mid,
                                        .out = out,
                                        .squeeze = choices.squeeze_excite ? SqueezeChannels(mid) : 0,
                                        .kernel = a_.kernel_size[stage],
                                        .stride = stride,
                                        .expand = choices.expansions.back() > 1,
                                        .activation = Activation::kSwish,
                                        .transformed = false,
                                        .shortcut = false},
                                       &stored, request_.mode, norm_);
    y = drop_path_.Branch(y);
    if (!y.valid()) return y;
    return Named(g_.Apply(kernels::Add{}, {y, Shortcut(x, prefix, stride, stored_in, stored_out, out)})[0], name);
  }

  // 5.2: pooled where the branch is strided, widened where its width is another one.
  Value Shortcut(Value x, const std::string& prefix, int stride, int64_t stored_in, int64_t stored_out, int64_t out) {
    const int64_t in = g_.desc(x).shape[3], side = g_.desc(x).shape[1];
    if (stride > 1) {
      const kernels::AvgPool2d pool = {
          .kernel = stride, .stride = stride, .padding = static_cast<int32_t>(side % 2), .include_padding = true};
      x = g_.Apply(pool, {x})[0];
    }
    if (in == out) return x;
    const Value weight =
        LeadingParameter(g_, prefix + ".shortcut.conv.conv.weight", {stored_out, stored_in, 1, 1}, out, in);
    return kernels::Convolve(g_, x, weight, Value{}, 1, 0);
  }

  Value Head(Value x) {
    constexpr std::string_view kExpand = "last_conv.final_expand_layer", kMix = "last_conv.feature_mix_layer";
    g_.SetBlock(ChoicesOf(kParts - 1).name);
    const int64_t in = a_.width[kStages], out = a_.width[kParts - 1];
    const int64_t stored_in = Stored(kStages), stored_out = Stored(kParts - 1);
    const Value expand = LeadingParameter(g_, fmt::format("{}.conv.conv.weight", kExpand),
                                          {kFinalExpand * stored_in, stored_in, 1, 1}, kFinalExpand * in, in);
    if (x.valid()) x = kernels::Convolve(g_, x, expand, Value{}, 1, 0);
    x = Swish(Norm(x, kExpand, kFinalExpand * stored_in));
    const Value mix = LeadingParameter(g_, fmt::format("{}.conv.conv.weight", kMix),
                                       {stored_out, kFinalExpand * stored_in, 1, 1}, out, kFinalExpand * in);
    const Value weight =
        LeadingParameter(g_, "classifier.linear.linear.weight", {macro_.classes, stored_out}, macro_.classes, out);
    const Value bias = g_.Parameter("classifier.linear.linear.bias", {macro_.classes});
    if (!x.valid()) return x;
    x = g_.Apply(kernels::GlobalAvgPool{}, {x})[0];
    x = Swish(g_.Apply(kernels::Linear{.has_bias = false}, {x, mix})[0]);
    return Named(g_.Apply(kernels::Linear{}, {x, weight, bias})[0], "logits");
  }

  Graph& g_;
  const SuperVitMacro& macro_;
  const Architecture& a_;
  const GraphRequest& request_;
  const bool shared_;
  blocks::DropPath drop_path_;
  NormOptions norm_;
};

class Space : public SearchSpace {
 public:
  explicit Space(SuperVitMacro macro) : macro_(std::move(macro)), resolutions_(macro_.resolutions) {
    if (resolutions_.empty()) resolutions_.assign(kResolutions.begin(), kResolutions.end());
    for (int part = 0; part < kParts; ++part) {
      const PartChoices& choices = ChoicesOf(part);
      SpaceNode& node = nodes_.emplace_back(SpaceNode{std::string(choices.name), {}, 0});
      for (int i = 0; i < CandidateCount(choices); ++i) node.candidates.push_back(NameOf(CandidateOf(choices, i)));
    }
    if (resolutions_.size() > 1) {
      SpaceNode& resolution = nodes_.emplace_back(SpaceNode{"resolution", {}, 0});
      for (int r : resolutions_) resolution.candidates.push_back(fmt::format("{}", r));
    }
    const Graph graph = Supernet({}).graph;
    for (kernels::ValueKind kind : {kernels::ValueKind::kParameter, kernels::ValueKind::kState}) {
      for (Value v : graph.Leaves(kind)) stored_.emplace(graph.info(v).name, graph.desc(v).shape);
    }
  }

  std::string_view name() const override { return "supervit"; }
  const std::vector<SpaceNode>& nodes() const override { return nodes_; }
  Shape input_shape(const Choice& choice) const override {
    const int64_t side = Resolution(choice);
    return {side, side, macro_.input_channels};
  }
  int64_t classes() const override { return macro_.classes; }
  std::string MacroJson() const override {
    return JsonText(
        {{"classes", macro_.classes}, {"input_channels", macro_.input_channels}, {"resolutions", macro_.resolutions}});
  }

  absl::StatusOr<Choice> ParseSubnet(std::string_view text) const override {
    const absl::StatusOr<Architecture> a = ParseArchitecture(text, resolutions_.front());
    if (!a.ok()) return a.status();
    const auto resolution = std::find(resolutions_.begin(), resolutions_.end(), a->resolution);
    if (resolution == resolutions_.end()) {
      return absl::InvalidArgumentError(
          fmt::format("resolution: {}, this space has {}", a->resolution, fmt::join(resolutions_, ", ")));
    }
    Choice choice = {IndexOf(ChoicesOf(0), {a->width[0]})};
    for (int stage = 0; stage < kStages; ++stage) {
      choice.push_back(IndexOf(ChoicesOf(stage + 1),
                               {a->width[stage + 1], a->depth[stage], a->kernel_size[stage], a->expand_ratio[stage]}));
    }
    choice.push_back(IndexOf(ChoicesOf(kParts - 1), {a->width[kParts - 1]}));
    if (resolutions_.size() > 1) choice.push_back(static_cast<int>(resolution - resolutions_.begin()));
    return choice;
  }
  std::string SubnetJson(const Choice& choice) const override { return ToJson(Decode(choice)); }

  NetworkGraph Network(const Choice& choice, const GraphRequest& request) const override {
    return Build(Decode(choice), request);
  }

  // All networks use parts of the largest one's tensors, but for the shortcuts that only smaller ones need.
  NetworkGraph Supernet(const GraphRequest& request) const override {
    GraphRequest shared = request;
    shared.weights = Weights::kShared;
    Architecture largest = Largest();
    largest.resolution = resolutions_.back();
    NetworkGraph network = Build(largest, shared);
    AddUnused(network.graph, largest);
    return network;
  }

  std::string SharedName(std::string_view own, const Choice&) const override { return std::string(own); }
  Value OwnTensor(Graph& g, std::string_view own, const Shape& shape, const Choice&) const override {
    const auto found = stored_.find(std::string(own));
    if (found == stored_.end()) return g.Parameter(own, shape);
    const bool is_state = own.find(".running_") != std::string_view::npos;
    const Value leaf = is_state ? g.State(own, found->second) : g.Parameter(own, found->second);
    const bool matrix = shape.size() > 1 && shape[1] != found->second[1];
    const Value part = kernels::Leading(g, leaf, shape[0], matrix ? shape[1] : 0);
    if (shape.size() < 4 || shape[2] == found->second[2]) return part;
    return g.Apply(kernels::KernelTransform{static_cast<int32_t>(shape[2]), false}, {part})[0];
  }

  SpaceStructure structure() const override {
    SpaceStructure structure;
    structure.shared = resolutions_.size() > 1 ? kParts : -1;
    return structure;
  }
  std::optional<Extremes> extremes() const override {
    // Candidates are in ascending order of every choice (6.4).
    Extremes extremes = {.smallest = Choice(nodes_.size(), 0), .largest = {}};
    for (const SpaceNode& n : nodes_) extremes.largest.push_back(static_cast<int>(n.candidates.size()) - 1);
    return extremes;
  }
  bool takes_any_image_size() const override { return true; }
  bool has_residual_branches() const override { return true; }
  Initialization initialization() const override { return Initialization::kNasVit; }
  Weights synthetic_weights() const override { return Weights::kShared; }
  int NodeOfBlock(std::string_view block) const override {
    const std::string_view node = block.substr(0, block.find('.'));
    for (int part = 0; part < kParts; ++part) {
      if (ChoicesOf(part).name == node) return part;
    }
    return -1;
  }
  std::string_view flops_convention() const override {
    return "multiply-adds of convolutions, linear layers and attention, without biases";
  }
  int64_t Flops(const kernels::Counts& counts) const override { return counts.macs; }
  // 5.7: the reference counts modules' parameters, and these are none.
  bool counts_as_parameter(std::string_view name) const override {
    return !name.ends_with(".rescale_mlp") && !name.ends_with(".rescale_attn") &&
           !name.ends_with(".relative_position_bias_table");
  }
  // Every convolution block has a shortcut convolution, also between equal widths, where it does not run.
  int64_t unused_parameters(const Choice& choice, std::string_view block) const override {
    if (!block.empty()) return 0;
    const Architecture a = Decode(choice);
    int64_t parameters = 0;
    for (int stage = 0; stage < kStages; ++stage) {
      const int64_t in = a.width[stage], out = a.width[stage + 1];
      if (in == out) parameters += out * out;
      if (!ChoicesOf(stage + 1).transformers) parameters += (a.depth[stage] - 1) * out * out;
    }
    return parameters;
  }

 private:
  int Resolution(const Choice& choice) const {
    return resolutions_.size() > 1 ? resolutions_[static_cast<size_t>(choice[kParts])] : resolutions_.front();
  }

  Architecture Decode(const Choice& choice) const {
    Architecture a;
    a.resolution = Resolution(choice);
    for (int part = 0; part < kParts; ++part) {
      const PartChoice c = CandidateOf(ChoicesOf(part), choice[static_cast<size_t>(part)]);
      a.width[part] = c.width;
      if (part == 0 || part > kStages) continue;
      a.depth[part - 1] = c.depth;
      a.kernel_size[part - 1] = c.kernel;
      a.expand_ratio[part - 1] = c.expansion;
    }
    return a;
  }

  NetworkGraph Build(const Architecture& a, const GraphRequest& request) const {
    NetworkGraph network{Graph(request.real), {}};
    network.logits = Builder(network.graph, macro_, a, request).Build();
    return network;
  }

  // Tensors of the supernet that the largest network does without: shortcuts between equal widths and, in training, the
  // running statistics.
  static void AddUnused(Graph& g, const Architecture& largest) {
    std::vector<std::string> norms;
    for (Value v : g.Leaves(kernels::ValueKind::kParameter)) {
      const std::string& name = g.info(v).name;
      if (name.ends_with(".bn.bn.weight")) norms.push_back(name);
    }
    for (const std::string& weight : norms) {
      const std::string module = weight.substr(0, weight.size() - std::string_view("weight").size());
      const Shape channels = g.desc(g.Find(weight)).shape;
      for (const char* statistic : {"running_mean", "running_var"}) g.State(module + statistic, channels);
    }
    for (int stage = 0; stage < kStages; ++stage) {
      const bool transformers = ChoicesOf(stage + 1).transformers;
      for (int position = 0; position < (transformers ? 1 : largest.depth[stage]); ++position) {
        const int64_t out = largest.width[stage + 1], in = position == 0 ? largest.width[stage] : out;
        g.Parameter(fmt::format("blocks.{}.shortcut.conv.conv.weight", FirstBlock(stage) + position), {out, in, 1, 1});
      }
    }
  }

  SuperVitMacro macro_;
  std::vector<int> resolutions_;
  std::vector<SpaceNode> nodes_;
  std::map<std::string, Shape> stored_;  // of the supernet's tensors
};

absl::Status CheckMacro(const SuperVitMacro& macro) {
  if (macro.classes < 1 || macro.classes > 100000) {
    return absl::InvalidArgumentError(fmt::format("classes: {}, expected 1 to 100000", macro.classes));
  }
  if (macro.input_channels < 1 || macro.input_channels > 1024) {
    return absl::InvalidArgumentError(fmt::format("input_channels: {}, expected 1 to 1024", macro.input_channels));
  }
  for (size_t i = 0; i < macro.resolutions.size(); ++i) {
    const int r = macro.resolutions[i];
    if (!IsResolution(r)) {
      return absl::InvalidArgumentError(fmt::format("resolutions[{}]: {}, expected {}", i, r, kExpectedResolution));
    }
    if (i > 0 && r <= macro.resolutions[i - 1]) {
      return absl::InvalidArgumentError(
          fmt::format("resolutions[{}]: {} after {}, expected ascending ones", i, r, macro.resolutions[i - 1]));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const SearchSpace>> SuperVit(const SuperVitMacro& macro) {
  if (auto s = CheckMacro(macro); !s.ok()) return s;
  return std::make_shared<Space>(macro);
}

absl::StatusOr<SuperVitMacro> ParseSuperVitMacro(std::string_view text) {
  const absl::StatusOr<json> object = ParseMacroObject(text);
  if (!object.ok()) return object.status();
  SuperVitMacro macro;
  if (auto s = ReadMacroIntegers(*object, {{"classes", &macro.classes}, {"input_channels", &macro.input_channels}});
      !s.ok()) {
    return s;
  }
  if (auto s = ReadMacroList(*object, "resolutions", macro.resolutions); !s.ok()) return s;
  if (auto s = CheckMacro(macro); !s.ok()) return s;
  return macro;
}

}  // namespace mathnas::supernet
