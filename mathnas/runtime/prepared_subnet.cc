#include "mathnas/runtime/prepared_subnet.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "fmt/format.h"
#include "kernels/ops/resize.h"
#include "kernels/status.h"
#include "supernet/evaluation.h"
#include "supernet/weights.h"

namespace mathnas::runtime {
namespace {

using kernels::TensorMap;
using supernet::Choice;

absl::Status FindStatistics(const Supernet& supernet, const Choice& choice, const CalibrationData& calibration,
                            StatisticsStore& store, const std::shared_ptr<kernels::Device>& device,
                            const std::atomic<bool>* cancel, TensorMap& weights) {
  if (!HasStatistics(weights)) return absl::OkStatus();
  if (const StatisticsPtr found = store.Find(choice)) return ApplyStatistics(*found, weights);
  if (calibration.images == nullptr) {
    return absl::FailedPreconditionError(
        "it has no statistics of its own: expected them in the statistics file, or calibration images");
  }
  supernet::RecalibrationOptions options = calibration.recalibration;
  options.cancel = cancel;
  auto s =
      supernet::Recalibrate(*supernet.space, choice, weights, device, calibration.images, options, calibration.reading);
  if (!s.ok()) return s;
  store.Put(choice, TakeStatistics(weights));
  return absl::OkStatus();
}

// "images"{N,from,from,C} to the input of the network. The arena is the context's own: the other one's input is where
// its workspace is.
absl::StatusOr<std::unique_ptr<kernels::Context>> ResizingContext(kernels::Device& device, int64_t batch, int64_t from,
                                                                  const kernels::Shape& to) {
  kernels::Graph graph;
  const kernels::Value images = graph.Input("images", {batch, from, from, to[2]});
  const kernels::Value resized =
      graph.Apply(kernels::Resize{static_cast<int32_t>(to[0]), static_cast<int32_t>(to[1])}, {images})[0];
  auto plan = kernels::Plan::Create(graph, {{"resized", resized}}, device);
  if (!plan.ok()) return plan.status();
  return kernels::Context::Create(*std::move(plan), {});
}

absl::Status MakeLanes(const Supernet& supernet, kernels::Device& device, Lanes& lanes, const PreparingOptions& options,
                       PreparedSubnet& subnet) {
  const kernels::Shape input = supernet.space->input_shape(subnet.choice);
  // Packing weights may write to the scratch memory of a context, and requests are running in that of the lanes: this
  // one packs in memory of its own, and the others find what it has packed.
  kernels::Workspace apart;
  const auto packer = kernels::Context::Create(subnet.plan, {&subnet.folded.weights}, &apart);
  if (!packer.ok()) return packer.status();
  for (auto& workspace : lanes.AtLeast(subnet.plan->arena_bytes())) {
    auto context = kernels::Context::Create(subnet.plan, {&subnet.folded.weights}, workspace.get());
    if (!context.ok()) return context.status();
    PreparedSubnet::Lane& lane = subnet.lanes.emplace_back();
    lane.workspace = std::move(workspace);
    lane.context = *std::move(context);
    const auto image = lane.context->Input("image"), logits = lane.context->Output("logits");
    if (!image.ok()) return image.status();
    if (!logits.ok()) return logits.status();
    lane.images = image->as<float>();
    lane.logits = logits->as<float>();
    if (options.image_side == 0 || options.image_side == input[0]) continue;
    auto resizing = ResizingContext(device, options.batch, options.image_side, input);
    if (!resizing.ok()) return resizing.status();
    lane.resizing = *std::move(resizing);
    lane.images = lane.resizing->Input("images")->as<float>();
  }
  return absl::OkStatus();
}

absl::Status Fill(const Supernet& supernet, const CalibrationData& calibration, StatisticsStore& statistics,
                  const std::shared_ptr<kernels::Device>& calibrating, kernels::Device& serving, Lanes& lanes,
                  const PreparingOptions& options, PreparedSubnet& subnet) {
  const supernet::SearchSpace& space = *supernet.space;
  const Choice& choice = subnet.choice;
  auto weights = supernet::ExtractWeights(space, choice, *supernet.weights);
  if (!weights.ok()) return weights.status();
  auto s = FindStatistics(supernet, choice, calibration, statistics, calibrating, options.cancel, *weights);
  if (!s.ok()) return s;
  auto folded = supernet::FoldedNetwork(space, choice, *weights, options.batch);
  if (!folded.ok()) return folded.status();
  subnet.folded = *std::move(folded);
  for (const TensorMap::Entry& e : subnet.folded.weights.entries()) subnet.weight_bytes += e.tensor.desc().bytes();
  auto plan = kernels::Plan::Create(subnet.folded.graph, subnet.folded.outputs, serving, {.constant_weights = true});
  if (!plan.ok()) return plan.status();
  subnet.plan = *std::move(plan);
  return MakeLanes(supernet, serving, lanes, options, subnet);
}

}  // namespace

std::vector<std::shared_ptr<kernels::Workspace>> Lanes::AtLeast(size_t bytes) {
  for (auto& workspace : workspaces_) {
    if (workspace != nullptr && workspace->bytes() >= bytes) continue;
    workspace = std::make_shared<kernels::Workspace>();
    workspace->Reserve(bytes);
  }
  return workspaces_;
}

absl::Status PreparedSubnet::Lane::Run() {
  if (resizing != nullptr) {
    if (auto s = resizing->Run(); !s.ok()) return s;
    const kernels::TensorView resized = *resizing->Output("resized");
    std::memcpy(context->Input("image")->data, resized.data, resized.desc.bytes());
  }
  return context->Run();
}

absl::StatusOr<std::shared_ptr<PreparedSubnet>> Prepare(const Supernet& supernet, const Choice& choice,
                                                        const CalibrationData& calibration, StatisticsStore& statistics,
                                                        const std::shared_ptr<kernels::Device>& calibrating,
                                                        kernels::Device& serving, Lanes& lanes,
                                                        const PreparingOptions& options) {
  if (auto s = supernet.space->Check(choice); !s.ok()) return s;
  auto subnet = std::make_shared<PreparedSubnet>();
  subnet->choice = choice;
  absl::Status s;
  try {
    s = Fill(supernet, calibration, statistics, calibrating, serving, lanes, options, *subnet);
  } catch (const std::bad_alloc&) {
    s = absl::ResourceExhaustedError("not enough memory");
  }
  if (!s.ok()) return kernels::Annotate(s, fmt::format("preparing {}", supernet.space->SubnetJson(choice)));
  return subnet;
}

}  // namespace mathnas::runtime
