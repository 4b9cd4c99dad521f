// Average pooling over whole images.
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/sum_rows.h"
#include "kernels/cuda/zero_outputs.h"

namespace mathnas::kernels::cuda {

KernelOr Make(const GlobalAvgPool&, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const Shape& src = r.inputs[0].shape;
  const Columns m = ColumnsOf(src, src[0], r.gpu);
  const double factor = 1 / static_cast<double>(src[1] * src[2]);
  return MakeEnqueued(
      "own:sum_rows", SumRowsScratch(m), [m, factor, type = r.inputs[0].dtype](Queue& q, const Operands& o) {
        return EnqueueSumRows(
            q, type,
            {.columns = m, .x = o.inputs[0], .y = nullptr, .factor = factor, .sums = nullptr, .result = o.outputs[0]},
            o.scratch);
      });
}

KernelOr Make(const GlobalAvgPoolBackward& op, const Request& r) {
  const Shape& src = r.outputs[0].shape;
  const Columns m = ColumnsOf(src, src[0], r.gpu);
  const double factor = 1 / (static_cast<double>(op.height) * op.width);
  return MakeEnqueued("own:scale_rows", 0, [m, factor, type = r.inputs[0].dtype](Queue& q, const Operands& o) {
    return q.Launch(kScaleRows, type, GridOf(m),
                    {.columns = m,
                     .x = nullptr,
                     .scale = o.inputs[0],
                     .scale_stride = m.channels,
                     .factor = static_cast<float>(factor),
                     .y = o.outputs[0]});
  });
}

}  // namespace mathnas::kernels::cuda
