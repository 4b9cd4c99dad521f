#include "kernels/cuda/conv_kernel.h"

#include <algorithm>

#include "fmt/format.h"
#include "kernels/cuda/own/convert.h"

namespace mathnas::kernels::cuda {

absl::StatusOr<const void*> BoundSteps::AddWeights(const Packing& packing, const KernelBuffers& buffers,
                                                   void* scratch) {
  auto weights = Bind(packing, buffers, scratch);
  if (!weights.ok()) return weights.status();
  if (weights->kept != nullptr) kept_.push_back(weights->kept);
  if (weights->pack) {
    Add([=, masters = buffers.inputs[1].data](Queue& q) { return packing.Run(q, masters, scratch); });
  }
  return weights->data;
}

std::string ConvKernel::implementation() const {
  if (choice_.path == Path::kDirect) return "own:direct";
  std::string name = fmt::format("cudnn:eng{}", choice_.engine.index);
  if (widened()) name = "own:widen + " + name;
  if (p_.has_epilogue() && !choice_.fused) name += " + own:epilogue";
  return name;
}

std::byte* ConvKernel::TakeWorkspace(Carver& scratch) const {
  constexpr size_t kAlignment = 256;  // that memory of the driver has; scratch has less
  if (choice_.path == Path::kDirect) return nullptr;
  auto* piece = scratch.Take<std::byte>(static_cast<int64_t>(choice_.engine.workspace_bytes + kAlignment));
  const size_t past = reinterpret_cast<uintptr_t>(piece) % kAlignment;
  return piece == nullptr ? nullptr : piece + (kAlignment - past) % kAlignment;
}

const void* ConvKernel::Widened(BoundSteps& bound, const void* image, int64_t elements, float* scratch) const {
  if (!widened()) return image;
  const RowsArgs args = {.x = image, .y = scratch, .columns = elements};
  bound.Add([args, type = p_.type](Queue& q) { return q.Launch(kWiden, type, q.Over(args.columns), args); });
  return scratch;
}

absl::Status ConvKernel::AddPlan(BoundSteps& bound, absl::Span<void* const> tensors, void* workspace) const {
  Queue& queue = bound.queue();
  auto built =
      cudnn::ExecutionPlan::Build(queue.libraries().cudnn, cudnn::Target(queue.cudnn()), choice_.graph, choice_.engine);
  if (!built.ok()) return built.status();
  if (built->workspace_bytes() > choice_.engine.workspace_bytes) {
    return absl::InternalError("a cuDNN plan wants more workspace than when its engine was chosen");
  }
  auto plan = std::make_shared<cudnn::ExecutionPlan>(*std::move(built));
  if (auto s = plan->Bind(tensors, workspace); !s.ok()) return s;
  bound.Add([plan](Queue& q) { return plan->Execute(q.cudnn()); });
  return absl::OkStatus();
}

absl::StatusOr<ConvChoice> Choose(const Request& r, const ConvProblem& problem) {
  const bool tf32 = r.gpu.options().tf32;
  auto choice = r.gpu.WithCudnn(
      [&](cudnnHandle_t handle) { return Choose(r.gpu.libraries().cudnn, cudnn::Target(handle), problem, tf32); });
  if (!choice.ok()) return choice.status();
  const ConvShape& s = problem.shape;
  if (choice->path == ConvChoice::Path::kDirect &&
      std::max(int64_t{s.width} * s.in, int64_t{s.out_width} * s.out) >= 1 << 30) {
    return absl::UnimplementedError(
        fmt::format("rows of {} and {} elements: expected less than 2^30 where cuDNN has no engine:\n{}",
                    int64_t{s.width} * s.in, int64_t{s.out_width} * s.out, choice->refusals));
  }
  return choice;
}

Grid DirectGrid(int64_t width, int64_t rows) {
  constexpr int64_t kThreads = 256, kMostRows = 65535;
  return {.blocks = static_cast<unsigned>((width + kThreads - 1) / kThreads),
          .threads = kThreads,
          .rows = static_cast<unsigned>(std::min(rows, kMostRows))};
}

}  // namespace mathnas::kernels::cuda
