// A search space of one's own, with a block of one's own, outside of the project: described once, and then trained,
// profiled and searched like the four that are in it.
//
//   own_space [DATA]
//
// DATA is "fashion-mnist", "cifar10:F", "arrays:F", ..; made up without. Links mathnas::mathnas (find_package) alone;
// tests/packaging builds and runs it. What a space needs to be stored with its weights and found again by the commands
// is a line in SpaceOf (supernet/training/checkpoint.cc); within one program, as here, it needs nothing.
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "blocks/batch_norm.h"
#include "kernels/device.h"
#include "kernels/graph.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/search.h"
#include "mathnas/profile/image_workload.h"
#include "mathnas/profile/meter.h"
#include "mathnas/profile/profiler.h"
#include "mathnas/profile/space_table.h"
#include "supernet/data/image_source.h"
#include "supernet/evaluation.h"
#include "supernet/recalibration.h"
#include "supernet/training/trainer.h"
#include "supernet/weights.h"

namespace {

namespace blocks = mathnas::blocks;
namespace core = mathnas::core;
namespace kernels = mathnas::kernels;
namespace profile = mathnas::profile;
namespace supernet = mathnas::supernet;
using kernels::Graph;
using kernels::Value;
using supernet::Choice;

// ---- The block: a function that adds operators to a graph. Nothing else has to be written for it: its gradient, its
// plan, its FLOPs, its ONNX nodes come from the operators.

// Looks at x{N,H,W,C} sharply (a depthwise convolution) and from afar (the mean of 3x3 pixels), mixes both to C
// channels, and adds the result to x. Parameters PREFIX.depthwise.weight, PREFIX.mix.weight and two normalisations.
Value SharpAndBlurred(Graph& g, Value x, const std::string& prefix, int kernel, const supernet::GraphRequest& request) {
  const blocks::NormOptions norm = {.momentum = request.norm_momentum};
  const int64_t channels = g.desc(x).shape[3];
  const Value weight = g.Parameter(prefix + ".depthwise.weight", {channels, 1, kernel, kernel});
  const kernels::Conv2d depthwise = {.padding = kernel / 2, .groups = static_cast<int32_t>(channels)};
  Value sharp = g.Apply(depthwise, {x, weight})[0];
  sharp = blocks::BatchNorm(g, sharp, prefix + ".norm", request.mode, norm);
  if (!sharp.valid()) return sharp;  // shapes that do not fit: g.status() says which
  sharp = g.Apply(kernels::Relu{}, {sharp})[0];
  const Value blurred = g.Apply(kernels::AvgPool2d{.kernel = 3, .stride = 1, .padding = 1}, {x})[0];
  const Value both = g.Apply(kernels::Concat{.axis = 3}, {sharp, blurred})[0];
  const Value mix = g.Parameter(prefix + ".mix.weight", {channels, 2 * channels, 1, 1});
  const Value mixed =
      blocks::BatchNorm(g, g.Apply(kernels::Conv2d{}, {both, mix})[0], prefix + ".mix_norm", request.mode, norm);
  return mixed.valid() ? g.Apply(kernels::Add{}, {x, mixed})[0] : mixed;
}

// ---- The space: nodes in a row, each one of four blocks.

enum Candidate : int { kSkip = 0, kSharp3 = 1, kSharp5 = 2, kTwice = 3 };
const std::vector<std::string> kCandidates = {"skip", "sharp3", "sharp5", "twice"};
constexpr int kNodes = 3;

class OwnSpace : public supernet::SearchSpace {
 public:
  OwnSpace(kernels::Shape image, int64_t classes, int64_t channels)
      : image_(std::move(image)), classes_(classes), channels_(channels) {
    for (int i = 0; i < kNodes; ++i) nodes_.push_back({"node" + std::to_string(i), kCandidates, kSharp3});
  }

  std::string_view name() const override { return "own"; }
  const std::vector<supernet::SpaceNode>& nodes() const override { return nodes_; }
  kernels::Shape input_shape(const Choice&) const override { return image_; }
  int64_t classes() const override { return classes_; }
  std::string MacroJson() const override { return "{\"channels\": " + std::to_string(channels_) + "}"; }

  // Subnets are "[1,0,3]".
  absl::StatusOr<Choice> ParseSubnet(std::string_view json) const override {
    Choice choice;
    for (char c : json) {
      if (c >= '0' && c <= '9') choice.push_back(c - '0');
    }
    if (auto s = Check(choice); !s.ok()) return s;
    return choice;
  }
  std::string SubnetJson(const Choice& choice) const override {
    std::string json = "[";
    for (int candidate : choice) json += (json.size() > 1 ? "," : "") + std::to_string(candidate);
    return json + "]";
  }

  supernet::NetworkGraph Network(const Choice& choice, const supernet::GraphRequest& request) const override {
    std::vector<std::vector<int>> candidates;
    for (int candidate : choice) candidates.push_back({candidate});
    return Build(candidates, request);
  }
  supernet::NetworkGraph Supernet(const supernet::GraphRequest& request) const override {
    return Build(std::vector<std::vector<int>>(kNodes, {kSkip, kSharp3, kSharp5, kTwice}), request);
  }
  // Every candidate has tensors of its own in the supernet, by the same names.
  std::string SharedName(std::string_view own_name, const Choice&) const override { return std::string(own_name); }

  // Blocks of the graph are "node1"; the stem and the head belong to none.
  int NodeOfBlock(std::string_view block) const override { return block.starts_with("node") ? block[4] - '0' : -1; }
  std::string_view flops_convention() const override { return "multiply-adds"; }
  int64_t Flops(const kernels::Counts& counts) const override { return counts.macs; }

 private:
  Value Block(Graph& g, Value x, int node, int candidate, const supernet::GraphRequest& request) const {
    const std::string prefix =
        nodes_[static_cast<size_t>(node)].name + "." + kCandidates[static_cast<size_t>(candidate)];
    if (candidate == kSkip || !x.valid()) return x;
    if (candidate == kSharp3) return SharpAndBlurred(g, x, prefix, 3, request);
    if (candidate == kSharp5) return SharpAndBlurred(g, x, prefix, 5, request);
    x = SharpAndBlurred(g, x, prefix + ".0", 3, request);
    return x.valid() ? SharpAndBlurred(g, x, prefix + ".1", 3, request) : x;
  }

  // Each node the mean of its candidates.
  supernet::NetworkGraph Build(const std::vector<std::vector<int>>& candidates,
                               const supernet::GraphRequest& request) const {
    supernet::NetworkGraph network{Graph(request.real), {}};
    Graph& g = network.graph;
    const blocks::NormOptions norm = {.momentum = request.norm_momentum};
    const Value image = g.Input("image", {request.batch, image_[0], image_[1], image_[2]});
    g.SetBlock("stem");
    const Value stem = g.Parameter("stem.weight", {channels_, image_[2], 3, 3});
    Value x = g.Apply(kernels::Conv2d{.stride = 2, .padding = 1}, {image, stem})[0];
    x = blocks::BatchNorm(g, x, "stem.norm", request.mode, norm);
    for (int node = 0; node < kNodes && x.valid(); ++node) {
      g.SetBlock(nodes_[static_cast<size_t>(node)].name);
      kernels::Values terms;
      for (int candidate : candidates[static_cast<size_t>(node)]) {
        terms.push_back(Block(g, x, node, candidate, request));
      }
      x = terms[0];
      if (terms.size() > 1) {
        const Value sum = g.Apply(kernels::Add{}, terms)[0];
        x = g.Apply(kernels::Scale{1.0 / static_cast<double>(terms.size())}, {sum})[0];
      }
    }
    g.SetBlock("head");
    if (x.valid()) x = g.Apply(kernels::Relu{}, {x})[0];
    if (x.valid()) x = g.Apply(kernels::GlobalAvgPool{}, {x})[0];
    const Value weight = g.Parameter("head.weight", {classes_, channels_});
    const Value bias = g.Parameter("head.bias", {classes_});
    if (x.valid()) x = g.Apply(kernels::Linear{.has_bias = true}, {x, weight, bias})[0];
    if (x.valid()) g.SetName(x, "logits");
    network.logits = x;
    return network;
  }

  const kernels::Shape image_;
  const int64_t classes_, channels_;
  std::vector<supernet::SpaceNode> nodes_;
};

// ---- What is done with it.

absl::Status Run(const std::string& data) {
  auto images = supernet::LoadImages(data);
  if (!images.ok()) return images.status();
  auto split = supernet::HoldOut(*images, supernet::kUsualHoldOut, /*seed=*/0);
  if (!split.ok()) return split.status();
  const auto size = images->train->one_size();
  if (!size) return absl::InvalidArgumentError(data + ": images of many sizes, expected one");
  const auto space = std::make_shared<const OwnSpace>(
      kernels::Shape{size->height, size->width, images->train->channels()}, images->train->classes(), /*channels=*/8);
  const auto device = kernels::CpuDevice(/*threads=*/1);
  if (!device.ok()) return device.status();

  // The supernet: a random network of the space in every step.
  auto weights = supernet::AllocateWeights(space->Supernet({.mode = supernet::Mode::kTraining}).graph);
  supernet::InitializeWeights(weights, /*seed=*/1);
  const supernet::TrainingRecipe recipe = {.epochs = 3, .batch = 64, .learning_rate = 0.05, .seed = 1};
  const auto trained = supernet::Train(space, *device, split->train, std::nullopt, std::move(weights), recipe, {});
  if (!trained.ok()) return trained.status();
  std::printf("trained: loss %.3f, then %.3f\n", trained->epochs.front().loss, trained->epochs.back().loss);
  if (!(trained->epochs.back().loss < trained->epochs.front().loss)) return absl::InternalError("it does not learn");

  // Every block, measured on this machine: Algorithm 1.
  const supernet::RecalibrationOptions recalibration = {.batches = 4, .batch = 64};
  profile::MeterOptions measuring;
  measuring.latency = {.min_rounds = 5, .max_rounds = 10, .round_seconds = 0.001};
  auto meter = profile::Meter::Create(
      std::make_unique<profile::ImageWorkload>(space, *device, trained->weights, split->train, split->validation,
                                               profile::ImageWorkloadOptions{.recalibration = recalibration}),
      measuring);
  if (!meter.ok()) return meter.status();
  const auto table = profile::Profile(*space, **meter, {"accuracy", "latency", "flops"}, measuring.latency, "today");
  if (!table.ok()) return table.status();
  if (auto s = core::Save(*table, "own_table.json"); !s.ok()) return s;

  // The best network within half of the FLOPs of the largest, proven.
  const auto reach = core::Search(*table, {.limits = {{.metric = "flops", .value = 1e9}}});
  if (!reach.ok()) return reach.status();
  if (reach->limits.empty() || !reach->limits[0].reachable) return absl::InternalError("no range of FLOPs");
  const double budget = (reach->limits[0].reachable->first + reach->limits[0].reachable->second) / 2;
  const auto found = core::Search(*table, {.limits = {{.metric = "flops", .value = budget}}});
  if (!found.ok()) return found.status();
  if (found->networks.empty()) return absl::InternalError("no network was found");
  const core::FoundNetwork& best = found->networks[0];
  const Choice choice = profile::InSpace(*space, {best.choice, best.shared_index});
  std::printf("best within %.4f MMAC: %s, predicted accuracy %.1f %%, latency %.3f ms, %.4f MMAC\n", budget,
              space->SubnetJson(choice).c_str(), best.objective, best.predicted.at("latency"),
              best.predicted.at("flops"));

  // And that network, with statistics of its own.
  auto own = supernet::ExtractWeights(*space, choice, trained->weights);
  if (!own.ok()) return own.status();
  auto s = supernet::Recalibrate(*space, choice, *own, *device, split->train, recalibration);
  if (!s.ok()) return s;
  const auto evaluated = supernet::Evaluate(*space, choice, *own, *device, images->test);
  if (!evaluated.ok()) return evaluated.status();
  std::printf("its accuracy on %d test images: %.1f %%\n", static_cast<int>(evaluated->images), evaluated->accuracy);
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Run(argc > 1 ? argv[1] : "synthetic:N=1024,size=16");
  if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
