// Average pooling.
#include "kernels/cuda/own/pool.h"

#include "kernels/cuda/columns.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {
namespace {

// `src` and `dst` are the images of the forward operator, of which the output is written.
template <typename Pool>
KernelOr MakePool(const OwnKernel<AvgPoolArgs>& kernel, const Pool& op, const Shape& src, const Shape& dst,
                  const Request& r) {
  const AvgPoolArgs fixed = {.columns = ColumnsOf(r.outputs[0].shape, r.gpu),
                             .from = nullptr,
                             .to = nullptr,
                             .height = static_cast<int>(src[1]),
                             .width = static_cast<int>(src[2]),
                             .dst_height = static_cast<int>(dst[1]),
                             .dst_width = static_cast<int>(dst[2]),
                             .kernel = op.kernel,
                             .stride = op.stride,
                             .padding = op.padding,
                             .include_padding = op.include_padding};
  return MakeEnqueued("own:avg_pool", 0, [&kernel, fixed, type = r.inputs[0].dtype](Queue& q, const Operands& o) {
    AvgPoolArgs args = fixed;
    args.from = o.inputs[0];
    args.to = o.outputs[0];
    return q.Launch(kernel, type, GridOf(args.columns), args);
  });
}

}  // namespace

KernelOr Make(const AvgPool2d& op, const Request& r) {
  return MakePool(kAvgPool, op, r.inputs[0].shape, r.outputs[0].shape, r);
}
KernelOr Make(const AvgPool2dBackward& op, const Request& r) {
  return MakePool(kAvgPoolBackward, op, r.outputs[0].shape, r.inputs[0].shape, r);
}

}  // namespace mathnas::kernels::cuda
