// Channels multiplied by a factor each.
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/sum_rows.h"
#include "kernels/cuda/zero_outputs.h"

namespace mathnas::kernels::cuda {

KernelOr Make(const ScaleChannels&, const Request& r) {
  const Shape& x = r.inputs[0].shape;
  const Columns m = ColumnsOf(x, x[0], r.gpu);
  return MakeEnqueued("own:scale_rows", 0, [m, type = r.inputs[0].dtype](Queue& q, const Operands& o) {
    return q.Launch(kScaleRows, type, GridOf(m),
                    {.columns = m,
                     .x = o.inputs[0],
                     .scale = o.inputs[1],
                     .scale_stride = m.channels,
                     .factor = 1,
                     .y = o.outputs[0]});
  });
}

KernelOr Make(const ScaleChannelsBackwardScale&, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const Shape& x = r.inputs[0].shape;
  const Columns m = ColumnsOf(x, x[0], r.gpu);
  return MakeEnqueued("own:sum_rows", SumRowsScratch(m), [m, type = r.inputs[0].dtype](Queue& q, const Operands& o) {
    return EnqueueSumRows(
        q, type,
        {.columns = m, .x = o.inputs[0], .y = o.inputs[1], .factor = 1, .sums = nullptr, .result = o.outputs[0]},
        o.scratch);
  });
}

}  // namespace mathnas::kernels::cuda
