// Bicubic interpolation.
#include "kernels/cuda/own/resize.h"

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {

KernelOr Make(const Resize& op, const Request& r) {
  const Shape& x = r.inputs[0].shape;
  const ResizeArgs fixed = {.x = nullptr,
                            .y = nullptr,
                            .pixels = x[0] * op.height * op.width,
                            .height = static_cast<int>(x[1]),
                            .width = static_cast<int>(x[2]),
                            .to_height = op.height,
                            .to_width = op.width,
                            .channels = static_cast<int>(x[3])};
  return MakeEnqueued("own:resize", 0, [fixed](Queue& q, const Operands& o) {
    ResizeArgs args = fixed;
    args.x = o.in<float>(0);
    args.y = o.out<float>(0);
    return q.Launch(kResize, DType::kF32, q.Over(args.pixels), args);
  });
}

}  // namespace mathnas::kernels::cuda
