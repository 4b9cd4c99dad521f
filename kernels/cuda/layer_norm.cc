// Layer normalisation: a block of threads for each group.
#include "kernels/cuda/own/layer_norm.h"

#include <algorithm>

#include "kernels/cuda/carver.h"
#include "kernels/cuda/columns.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/zero_outputs.h"

namespace mathnas::kernels::cuda {
namespace {

constexpr std::string_view kName = "own:layer_norm";

// Whole warps for one group's elements.
Grid GroupsGrid(int64_t groups, int64_t elements) {
  constexpr int64_t kWarp = 32, kMostThreads = 1024;
  const int64_t warps = (elements + kWarp * kLayerNormElements - 1) / (kWarp * kLayerNormElements);
  return {.blocks = static_cast<unsigned>(groups),
          .threads = static_cast<unsigned>(std::clamp(warps * kWarp, kWarp, kMostThreads))};
}

}  // namespace

KernelOr Make(const LayerNorm& op, const Request& r) {
  const int64_t elements = LayerNormGroup(r.inputs[0].shape, op.axes);
  const int channels = static_cast<int>(r.inputs[0].shape.back());
  const Grid grid = GroupsGrid(r.outputs[1].shape[0], elements);
  return MakeEnqueued(std::string(kName), 0,
                      [grid, elements, channels, epsilon = op.epsilon](Queue& q, const Operands& o) {
                        return q.Launch(kLayerNorm, DType::kF32, grid,
                                        {.x = o.in<float>(0),
                                         .gamma = o.in<float>(1),
                                         .beta = o.in<float>(2),
                                         .y = o.out<float>(0),
                                         .mean = o.out<float>(1),
                                         .inv_std = o.out<float>(2),
                                         .elements = elements,
                                         .channels = channels,
                                         .epsilon = epsilon});
                      });
}

KernelOr Make(const LayerNormBackward& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const int64_t elements = LayerNormGroup(r.inputs[0].shape, op.axes);
  const Columns m = ColumnsOf(r.inputs[0].shape, r.gpu);
  const Grid grid = GroupsGrid(r.inputs[2].shape[0], elements);
  Carver books(nullptr);
  books.Take<double>(2 * PartElements(m));
  return MakeEnqueued(std::string(kName), books.bytes(), [m, grid, elements](Queue& q, const Operands& o) {
    const LayerNormBackwardArgs args = {.columns = m,
                                        .x = o.in<float>(0),
                                        .diff_y = o.in<float>(1),
                                        .mean = o.in<float>(2),
                                        .inv_std = o.in<float>(3),
                                        .gamma = o.in<float>(4),
                                        .group_rows = elements / m.channels,
                                        .sums = static_cast<double*>(o.scratch),
                                        .diff_x = o.out<float>(0),
                                        .diff_gamma = o.out<float>(1),
                                        .diff_beta = o.out<float>(2)};
    if (auto s = q.Launch(kLayerNormBackwardSums, DType::kF32, GridOf(m), args); !s.ok()) return s;
    if (auto s = q.Launch(kLayerNormBackwardFinish, DType::kF32, FinishGridOf(m), args); !s.ok()) return s;
    return q.Launch(kLayerNormBackward, DType::kF32, grid, args);
  });
}

}  // namespace mathnas::kernels::cuda
