// Channels times a row of a table.
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/sum_rows.h"

namespace mathnas::kernels::cuda {

KernelOr Make(const LayerScale& op, const Request& r) {
  const Columns m = ColumnsOf(r.inputs[0].shape, r.gpu);
  const int64_t first = op.row * r.inputs[1].shape.back();
  return MakeEnqueued("own:scale_rows", 0,
                      [m, first, factor = static_cast<float>(op.factor)](Queue& q, const Operands& o) {
                        return q.Launch(kScaleRows, DType::kF32, GridOf(m),
                                        {.columns = m,
                                         .x = o.inputs[0],
                                         .scale = o.in<float>(1) + first,
                                         .scale_stride = 0,
                                         .factor = factor,
                                         .y = o.outputs[0]});
                      });
}

KernelOr Make(const LayerScaleBackwardTable& op, const Request& r) {
  const Columns m = ColumnsOf(r.inputs[0].shape, r.gpu);
  const size_t bytes = r.outputs[0].bytes();
  const int64_t first = op.row * r.outputs[0].shape.back();
  return MakeEnqueued("own:sum_rows", SumRowsScratch(m),
                      [m, bytes, first, factor = op.factor](Queue& q, const Operands& o) {
                        if (auto s = q.Zero(o.outputs[0], bytes); !s.ok()) return s;
                        return EnqueueSumRows(q, DType::kF32,
                                              {.columns = m,
                                               .x = o.inputs[0],
                                               .y = o.inputs[1],
                                               .factor = factor,
                                               .sums = nullptr,
                                               .result = o.out<float>(0) + first},
                                              o.scratch);
                      });
}

}  // namespace mathnas::kernels::cuda
