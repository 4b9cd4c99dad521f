#include "mathnas/runtime/prepared_subnet.h"

#include <algorithm>
#include <new>
#include <utility>

#include "fmt/format.h"
#include "kernels/ops/resize.h"
#include "kernels/status.h"
#include "mathnas/deploy/network.h"
#include "supernet/evaluation.h"
#include "supernet/weights.h"

namespace mathnas::runtime {
namespace {

using kernels::TensorMap;
using supernet::Choice;

constexpr const char* kLogits = "logits";  // what FoldedNetwork calls its output

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

// Of so many rows of images, {rows, from, from, C}. The arena is the context's own: the other one's input is where its
// workspace is.
absl::StatusOr<PreparedSubnet::Resizing> MakeResizing(kernels::Device& device, int64_t rows, int64_t from,
                                                      const kernels::Shape& to) {
  kernels::Graph graph;
  const kernels::Value images = graph.Input("images", {rows, from, from, to[2]});
  const kernels::Value resized =
      graph.Apply(kernels::Resize{static_cast<int32_t>(to[0]), static_cast<int32_t>(to[1])}, {images})[0];
  auto plan = kernels::Plan::Create(graph, {{"resized", resized}}, device);
  if (!plan.ok()) return plan.status();
  auto context = kernels::Context::Create(*std::move(plan), {});
  if (!context.ok()) return context.status();
  const std::span<float> in = (*context)->Input("images")->as<float>(),
                         out = (*context)->Output("resized")->as<float>();
  return PreparedSubnet::Resizing{*std::move(context), in, out};
}

absl::Status MakeLanes(const Supernet& supernet, kernels::Device& device, Lanes& lanes, const PreparingOptions& options,
                       PreparedSubnet& subnet) {
  const kernels::Shape input = supernet.space->input_shape(subnet.choice);
  // Packing weights may write to the scratch memory of a context, and requests are running in that of the lanes: these
  // pack in memory of their own, and the others find what they have packed.
  const auto packers = subnet.plan->Pack({&subnet.folded.weights});
  if (!packers.ok()) return packers.status();
  for (auto& workspace : lanes.AtLeast(subnet.plan->arena_bytes())) {
    auto context = kernels::DividedContext::Create(subnet.plan, {&subnet.folded.weights}, options.division.parallel_for,
                                                   workspace.get());
    if (!context.ok()) return context.status();
    PreparedSubnet::Lane& lane = subnet.lanes.emplace_back();
    lane.workspace = std::move(workspace);
    lane.context = *std::move(context);
    if (options.image_side == 0 || options.image_side == input[0]) continue;
    for (const kernels::DividedPlan::Part& part : subnet.plan->parts()) {
      auto resizing = MakeResizing(device, part.rows, options.image_side, input);
      if (!resizing.ok()) return resizing.status();
      lane.resizing.push_back(*std::move(resizing));
    }
  }
  return absl::OkStatus();
}

absl::Status Fill(const Supernet& supernet, const CalibrationData& calibration, StatisticsStore& statistics,
                  const std::shared_ptr<kernels::Device>& calibrating, kernels::Device& serving, Lanes& lanes,
                  const PreparingOptions& options, PreparedSubnet& subnet) {
  const supernet::SearchSpace& space = *supernet.space;
  const Choice& choice = subnet.choice;
  auto weights = supernet::BorrowWeights(space, choice, supernet.weights);
  if (!weights.ok()) return weights.status();
  auto s = FindStatistics(supernet, choice, calibration, statistics, calibrating, options.cancel, *weights);
  if (!s.ok()) return s;
  auto folded = supernet::FoldedNetwork(space, choice, *std::move(weights), options.batch);
  if (!folded.ok()) return folded.status();
  subnet.folded = *std::move(folded);
  for (const TensorMap::Entry& e : subnet.folded.weights.entries()) {
    if (!e.tensor.borrowed()) subnet.weight_bytes += e.tensor.desc().bytes();
  }
  const auto prepare = [&](int64_t rows) -> absl::StatusOr<std::shared_ptr<const kernels::Plan>> {
    const kernels::PlanOptions constant = {.constant_weights = true};
    const kernels::FoldedGraph& whole = subnet.folded;
    if (rows == options.batch) return kernels::Plan::Create(whole.graph, whole.outputs, serving, constant);
    const auto graph = deploy::WithBatch(whole.graph, rows);
    if (!graph.ok()) return graph.status();
    return kernels::Plan::Create(*graph, {{kLogits, graph->Find(kLogits)}}, serving, constant);
  };
  auto plan = kernels::DividedPlan::Create(options.batch, options.division.parts, prepare);
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

absl::Status PreparedSubnet::Lane::Run(std::span<const float> images, std::span<float> logits) {
  const kernels::TensorDesc& output = context->plan().output();
  const auto n = std::ssize(logits) / output.row_elements();
  const size_t image = images.size() / static_cast<size_t>(n);
  const auto fill = [&](const kernels::DividedContext::Rows& rows) {
    const std::span<const float> from =
        images.subspan(static_cast<size_t>(rows.begin) * image, static_cast<size_t>(rows.end - rows.begin) * image);
    if (resizing.empty()) {
      std::copy(from.begin(), from.end(), rows.values.begin());
      return absl::OkStatus();
    }
    Resizing& r = resizing[rows.part];
    std::copy(from.begin(), from.end(), r.images.begin());
    if (auto s = r.context->Run(); !s.ok()) return s;
    std::copy_n(r.resized.begin(), rows.values.size(), rows.values.begin());
    return absl::OkStatus();
  };
  return context->Run(n, fill, logits.data());
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
