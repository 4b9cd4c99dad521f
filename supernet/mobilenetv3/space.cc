#include "supernet/mobilenetv3/space.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "blocks/inverted_residual.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/json_text.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "supernet/internal/macro_fields.h"
#include "supernet/mobilenetv3/channel_sorting.h"
#include "supernet/mobilenetv3/nodes.h"

namespace mathnas::supernet {
namespace {

using blocks::NormOptions;
using kernels::Activation;
using kernels::Graph;
using kernels::Shape;
using kernels::Value;
using kernels::internal::JsonText;
using kernels::internal::ParseJson;
using nlohmann::json;
using namespace mobilenetv3;  // NOLINT: the sizes of this space

constexpr int kStoredKernel = kKernels.back();

class Space : public SearchSpace {
 public:
  Space(MobileNetV3Macro macro, const Widths& widths)
      : macro_(std::move(macro)),
        widths_(widths),
        blocks_(macro_.blocks ? StageNodes(*macro_.blocks) : LayerNodes()),
        nodes_(blocks_->List()) {
    resolutions_ = macro_.resolutions;
    if (resolutions_.empty()) {
      for (int r = kLeastResolution; r <= kMostResolution; r += kResolutionStep) resolutions_.push_back(r);
    }
    const auto plain = std::find(resolutions_.begin(), resolutions_.end(), kDefaultResolution);
    base_resolution_ = plain == resolutions_.end() ? resolutions_.back() : *plain;
    if (resolutions_.size() == 1) return;
    resolution_node_ = static_cast<int>(nodes_.size());
    SpaceNode& resolution = nodes_.emplace_back();
    resolution.name = "resolution";
    for (int r : resolutions_) resolution.candidates.push_back(fmt::format("{}", r));
    resolution.reference = IndexOfResolution(base_resolution_);
  }

  std::string_view name() const override { return "mobilenetv3"; }
  const std::vector<SpaceNode>& nodes() const override { return nodes_; }
  Shape input_shape(const Choice& choice) const override {
    const int64_t side = Resolution(choice);
    return {side, side, macro_.input_channels};
  }
  int64_t classes() const override { return macro_.classes; }

  std::string MacroJson() const override {
    json macro = {{"width", macro_.width},
                  {"classes", macro_.classes},
                  {"input_channels", macro_.input_channels},
                  {"resolutions", macro_.resolutions}};
    if (macro_.blocks) macro["blocks"] = ParseJson(ToJson(*macro_.blocks));
    return JsonText(macro);
  }

  absl::StatusOr<Choice> ParseSubnet(std::string_view text) const override {
    auto architecture = blocks_->Parse(text, base_resolution_);
    if (!architecture.ok()) return architecture.status();
    return Encode(*architecture);
  }
  std::string SubnetJson(const Choice& choice) const override { return ToJson(Decode(choice)); }

  NetworkGraph Network(const Choice& choice, const GraphRequest& request) const override {
    return Build(Decode(choice), request);
  }

  // All networks use parts of the largest one's tensors, which therefore stands for all of them.
  NetworkGraph Supernet(const GraphRequest& request) const override {
    GraphRequest shared = request;
    shared.weights = Weights::kShared;
    Architecture largest;
    largest.resolution = base_resolution_;
    NetworkGraph network = Build(largest, shared);
    for (int block = 0; block < kBlocks; ++block) AddMatrices(network.graph, block);
    return network;
  }

  std::string SharedName(std::string_view own, const Choice& choice) const override {
    const auto [block, rest] = OwnBlock(own, Decode(choice));
    if (block < 0) return std::string(own);
    constexpr std::pair<std::string_view, std::string_view> kLevels[] = {{".conv.weight", ".conv.conv.weight"},
                                                                         {".bn.", ".bn.bn."}};
    std::string shared = rest;
    for (const auto& [one, two] : kLevels) {
      const size_t at = rest.find(one);
      if (at != std::string::npos) shared = rest.substr(0, at) + std::string(two) + rest.substr(at + one.size());
    }
    return fmt::format("{}{}", Prefix(block), shared);
  }

  Value OwnTensor(Graph& g, std::string_view own, const Shape& shape, const Choice& choice) const override {
    const auto [block, rest] = OwnBlock(own, Decode(choice));
    const std::string name = SharedName(own, choice);
    if (block < 0) return g.Parameter(name, shape);
    const BlockShape stored = ShapeOf(widths_, block);
    if (rest == ".depth_conv.conv.weight") {
      return blocks::ElasticKernel(g, Prefix(block) + ".depth_conv", stored.mid, kStoredKernel, shape[0],
                                   static_cast<int>(shape[2]));
    }
    Shape whole = shape;
    const std::string_view part = std::string_view(rest);
    const bool projection = part.starts_with(".point_linear.");
    const bool reduce = part.find(".se.fc.reduce.") != std::string_view::npos;
    whole[0] = projection ? stored.out : reduce ? stored.squeeze : stored.mid;
    if (whole.size() > 1) {
      const bool expand = part.find(".se.fc.expand.") != std::string_view::npos;
      whole[1] = expand ? stored.squeeze : projection || reduce ? stored.mid : stored.in;
    }
    const bool is_state = part.find(".running_") != std::string_view::npos;
    return kernels::Leading(g, is_state ? g.State(name, whole) : g.Parameter(name, whole), shape[0],
                            shape.size() > 1 ? shape[1] : 0);
  }

  SpaceStructure structure() const override {
    SpaceStructure structure;
    structure.depth = blocks_->Depth();
    structure.shared = resolution_node_;
    return structure;
  }
  bool takes_any_image_size() const override { return true; }
  bool has_residual_branches() const override { return true; }
  Initialization initialization() const override { return Initialization::kHeFanOut; }
  BatchVariance recalibrated_variance() const override { return BatchVariance::kBiased; }
  Weights synthetic_weights() const override { return Weights::kShared; }
  int NodeOfBlock(std::string_view block) const override {
    for (int i = 0; i < kBlocks; ++i) {
      if (LayerName(i) == block) return blocks_->NodeOf(i);
    }
    return -1;
  }
  std::string_view flops_convention() const override {
    return "multiply-adds of convolutions and linear layers, without biases; those of a network added up in float32, "
           "as the published ones are";
  }
  int64_t Flops(const kernels::Counts& counts) const override { return counts.macs; }
  // The figures of spec 3.4 are sums over the layers in float32: off by up to 32 of 5e8.
  kernels::Counts Sum(const std::vector<kernels::Counts>& operators) const override {
    float macs = 0;
    for (const kernels::Counts& c : operators) macs += static_cast<float>(c.macs);
    return {.macs = static_cast<int64_t>(macs), .bias_adds = SearchSpace::Sum(operators).bias_adds};
  }

  absl::StatusOr<Choice> Encode(const Architecture& architecture) const {
    absl::StatusOr<Choice> choice = blocks_->Encode(architecture);
    if (!choice.ok()) return choice;
    const int resolution = IndexOfResolution(architecture.resolution);
    if (resolution == static_cast<int>(resolutions_.size())) {
      return absl::InvalidArgumentError(fmt::format("resolution: {}, this space has {:.200}", architecture.resolution,
                                                    fmt::format("{}", fmt::join(resolutions_, ", "))));
    }
    if (resolution_node_ >= 0) choice->push_back(resolution);
    return choice;
  }

  const Widths& widths() const { return widths_; }

  Architecture Decode(const Choice& choice) const {
    Architecture architecture = blocks_->Decode(choice);
    architecture.resolution = Resolution(choice);
    return architecture;
  }

 private:
  int Resolution(const Choice& choice) const {
    return resolution_node_ < 0 ? base_resolution_ : resolutions_[choice[resolution_node_]];
  }
  // Their number if there is none like that.
  int IndexOfResolution(int resolution) const {
    return static_cast<int>(std::find(resolutions_.begin(), resolutions_.end(), resolution) - resolutions_.begin());
  }

  // `blocks.1` .. `blocks.20` of the supernet.
  static std::string Prefix(int block) { return fmt::format("blocks.{}.conv", block + 1); }

  // The block of the supernet that a tensor of a network with own weights comes from, and its name within; -1: none.
  static std::pair<int, std::string> OwnBlock(std::string_view own, const Architecture& architecture) {
    int number = 0, consumed = 0;
    const std::string text(own);
    if (std::sscanf(text.c_str(), "blocks.%d.conv%n", &number, &consumed) != 1 || consumed == 0 || number < 1) {
      return {-1, text};
    }
    for (int block = 0; block < kBlocks; ++block) {
      if (architecture.runs(block) && --number == 0) return {block, text.substr(static_cast<size_t>(consumed))};
    }
    return {-1, text};
  }

  static void AddMatrices(Graph& g, int block) {
    for (size_t k = kKernels.size(); k-- > 1;) {
      const int64_t taps = int64_t{kKernels[k - 1]} * kKernels[k - 1];
      g.Parameter(fmt::format("{}.depth_conv.conv.{}to{}_matrix", Prefix(block), kKernels[k], kKernels[k - 1]),
                  {taps, taps});
    }
  }

  NetworkGraph Build(const Architecture& architecture, const GraphRequest& request) const {
    NetworkGraph network{Graph(request.real), {}};
    Graph& g = network.graph;
    const NormOptions norm = {.momentum = request.norm_momentum};
    int count = 1;
    for (int block = 0; block < kBlocks; ++block) count += architecture.runs(block) ? 1 : 0;
    blocks::DropPath drop_path(g, request.mode == Mode::kTraining ? request.drop_path : 0, count);
    const auto named = [&](Value x, std::string_view name) {
      g.SetName(x, name);
      return x;
    };
    const auto hard_swish = [&](Value x) { return x.valid() ? g.Apply(kernels::HardSwish{}, {x})[0] : x; };

    const int64_t side = architecture.resolution;
    Value x = g.Input("image", {request.batch, side, side, macro_.input_channels});
    g.SetBlock("first_conv");
    x = kernels::Convolve(g, x, g.Parameter("first_conv.conv.weight", {widths_.first, macro_.input_channels, 3, 3}),
                          Value{}, 2, 1);
    x = named(hard_swish(blocks::BatchNorm(g, x, "first_conv.bn", request.mode, norm)), "first_conv");
    g.SetBlock("blocks.0");
    drop_path.Begin();
    x = blocks::InvertedResidual(
        g, x, "blocks.0.conv",
        {.mid = widths_.first, .out = widths_.first, .kernel = 3, .expand = false, .drop_path = &drop_path}, nullptr,
        request.mode, norm);
    named(x, "blocks.0");

    int running = 0;
    for (int block = 0; block < kBlocks; ++block) {
      if (!architecture.runs(block)) continue;
      ++running;
      const BlockShape shape = ShapeOf(widths_, block, architecture.e[block]), stored = ShapeOf(widths_, block);
      const blocks::StoredInvertedResidual wide = {
          .in = stored.in, .mid = stored.mid, .squeeze = stored.squeeze, .kernel = kStoredKernel};
      const bool shared = request.weights == Weights::kShared;
      g.SetBlock(LayerName(block));
      drop_path.Begin();
      x = blocks::InvertedResidual(g, x, shared ? Prefix(block) : fmt::format("blocks.{}.conv", running),
                                   {.mid = shape.mid,
                                    .out = shape.out,
                                    .squeeze = shape.squeeze,
                                    .kernel = architecture.ks[block],
                                    .stride = static_cast<int>(shape.stride),
                                    .activation = shape.hard_swish ? Activation::kHardSwish : Activation::kRelu,
                                    .drop_path = &drop_path},
                                   shared ? &wide : nullptr, request.mode, norm);
      named(x, fmt::format("blocks.{}", block + 1));
    }

    g.SetBlock("head");
    const int64_t last = widths_.stages.back();
    x = kernels::Convolve(g, x, g.Parameter("final_expand_layer.conv.weight", {widths_.final_expand, last, 1, 1}),
                          Value{}, 1, 0);
    x = named(hard_swish(blocks::BatchNorm(g, x, "final_expand_layer.bn", request.mode, norm)), "final_expand_layer");
    if (x.valid()) x = g.Apply(kernels::GlobalAvgPool{}, {x})[0];
    const Value mix = g.Parameter("feature_mix_layer.conv.weight", {widths_.feature_mix, widths_.final_expand, 1, 1});
    if (x.valid()) x = g.Apply(kernels::Linear{.has_bias = false}, {x, mix})[0];
    x = named(hard_swish(x), "feature_mix_layer");
    const Value weight = g.Parameter("classifier.linear.weight", {macro_.classes, widths_.feature_mix});
    const Value bias = g.Parameter("classifier.linear.bias", {macro_.classes});
    if (x.valid()) x = g.Apply(kernels::Linear{}, {x, weight, bias})[0];
    network.logits = named(x, "logits");
    return network;
  }

  MobileNetV3Macro macro_;
  Widths widths_;
  std::unique_ptr<const Nodes> blocks_;
  std::vector<SpaceNode> nodes_;  // of the blocks, then the resolution where there are several
  std::vector<int> resolutions_;
  int base_resolution_ = 0;
  int resolution_node_ = -1;
};

absl::StatusOr<const Space*> Own(const SearchSpace& space) {
  if (const auto* own = dynamic_cast<const Space*>(&space)) return own;
  return absl::InvalidArgumentError(fmt::format("space {}: expected mobilenetv3", space.name()));
}

absl::Status CheckMacro(const MobileNetV3Macro& macro) {
  if (macro.classes < 1 || macro.classes > 100000) {
    return absl::InvalidArgumentError(fmt::format("classes: {}, expected 1 to 100000", macro.classes));
  }
  if (macro.input_channels < 1 || macro.input_channels > 1024) {
    return absl::InvalidArgumentError(fmt::format("input_channels: {}, expected 1 to 1024", macro.input_channels));
  }
  for (size_t i = 0; i < macro.resolutions.size(); ++i) {
    const int r = macro.resolutions[i];
    if (r < kLeastResolution || r > kMostResolution || r % kResolutionStep != 0) {
      return absl::InvalidArgumentError(fmt::format("resolutions[{}]: {}, expected a multiple of {} from {} to {}", i,
                                                    r, kResolutionStep, kLeastResolution, kMostResolution));
    }
    if (i > 0 && r <= macro.resolutions[i - 1]) {
      return absl::InvalidArgumentError(
          fmt::format("resolutions[{}]: {} after {}, expected ascending ones", i, r, macro.resolutions[i - 1]));
    }
  }
  if (macro.blocks) {
    if (auto s = Check(*macro.blocks); !s.ok()) return kernels::Annotate(s, "blocks");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const SearchSpace>> MobileNetV3(const MobileNetV3Macro& macro) {
  if (auto s = CheckMacro(macro); !s.ok()) return s;
  const absl::StatusOr<Widths> widths = WidthsOf(macro.width);
  if (!widths.ok()) return widths.status();
  return std::make_shared<Space>(macro, *widths);
}

absl::StatusOr<MobileNetV3Macro> ParseMobileNetV3Macro(std::string_view text) {
  const absl::StatusOr<json> object = ParseMacroObject(text);
  if (!object.ok()) return object.status();
  MobileNetV3Macro macro;
  if (!object->contains("width") || !(*object)["width"].is_number()) {
    return absl::InvalidArgumentError("macro parameter width: expected a number");
  }
  macro.width = (*object)["width"].get<double>();
  if (auto s = ReadMacroIntegers(*object, {{"classes", &macro.classes}, {"input_channels", &macro.input_channels}});
      !s.ok()) {
    return s;
  }
  if (auto s = ReadMacroList(*object, "resolutions", macro.resolutions); !s.ok()) return s;
  if (object->contains("blocks")) {
    auto blocks = ParseBlockSet(JsonText((*object)["blocks"]));
    if (!blocks.ok()) return kernels::Annotate(blocks.status(), "macro parameter blocks");
    macro.blocks = *std::move(blocks);
  }
  if (auto s = CheckMacro(macro); !s.ok()) return s;
  if (auto widths = WidthsOf(macro.width); !widths.ok()) return widths.status();
  return macro;
}

absl::StatusOr<Architecture> ArchitectureOf(const SearchSpace& space, const Choice& choice) {
  const auto own = Own(space);
  if (!own.ok()) return own.status();
  if (auto s = space.Check(choice); !s.ok()) return s;
  return (*own)->Decode(choice);
}

absl::StatusOr<Choice> ChoiceOf(const SearchSpace& space, const Architecture& architecture) {
  const auto own = Own(space);
  if (!own.ok()) return own.status();
  if (auto s = Check(architecture); !s.ok()) return s;
  return (*own)->Encode(Canonical(architecture));
}

absl::StatusOr<std::shared_ptr<const SearchSpace>> LayersOf(std::shared_ptr<const SearchSpace> space) {
  if (const auto own = Own(*space); !own.ok()) return own.status();
  auto macro = ParseMobileNetV3Macro(space->MacroJson());
  if (!macro.ok()) return macro.status();
  if (!macro->blocks) return space;
  macro->blocks.reset();
  return MobileNetV3(*macro);
}

absl::Status SortChannels(const SearchSpace& space, int stage, const std::vector<int>& expansions,
                          kernels::TensorMap& weights) {
  const auto own = Own(space);
  if (!own.ok()) return own.status();
  return mobilenetv3::SortChannels((*own)->widths(), stage, expansions, weights);
}

}  // namespace mathnas::supernet
