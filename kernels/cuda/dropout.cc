#include "kernels/cuda/own/dropout.h"

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"
#include "kernels/random.h"

namespace mathnas::kernels::cuda {

KernelOr Make(const Dropout& op, const Request& r) {
  const DropoutArgs args = {
      .n = r.outputs[0].elements(),
      .group = op.group,
      .factor = static_cast<float>(1 / (1 - op.rate)),
      .mask = {nullptr, static_cast<unsigned>(op.stream), DropoutMask(0, 0, op.rate).keys().threshold}};
  return MakeEnqueued("own:dropout", 0, [args](Queue& q, const Operands& o) {
    DropoutArgs a = args;
    a.x = o.in<float>(0);
    a.y = o.out<float>(0);
    a.mask.seed = static_cast<const long long*>(o.inputs[1]);
    return q.Launch(kDropout, DType::kF32, q.Over(a.n), a);
  });
}

}  // namespace mathnas::kernels::cuda
