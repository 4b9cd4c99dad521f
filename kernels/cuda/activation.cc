// The activations of MobileNetV3 and NASViT.
#include "kernels/cuda/own/activation.h"

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {
namespace {

Grid GridFor(const Queue& q, int64_t n) { return q.Over((n + kActivationElements - 1) / kActivationElements); }

KernelOr MakeUnary(const OwnKernel<ActivationArgs>& kernel, const Request& r) {
  const DType type = r.outputs[0].dtype;
  const int64_t n = r.outputs[0].elements();
  return MakeEnqueued("own:activation", 0, [&kernel, type, n](Queue& q, const Operands& o) {
    return q.Launch(kernel, type, GridFor(q, n), ActivationArgs{o.inputs[0], o.outputs[0], n});
  });
}

KernelOr MakeBackward(const OwnKernel<ActivationBackwardArgs>& kernel, const Request& r) {
  const DType type = r.outputs[0].dtype;
  const int64_t n = r.outputs[0].elements();
  return MakeEnqueued("own:activation", 0, [&kernel, type, n](Queue& q, const Operands& o) {
    return q.Launch(kernel, type, GridFor(q, n), ActivationBackwardArgs{o.inputs[0], o.inputs[1], o.outputs[0], n});
  });
}

}  // namespace

KernelOr Make(const HardSwish&, const Request& r) { return MakeUnary(kHardSwish, r); }
KernelOr Make(const HardSwishBackward&, const Request& r) { return MakeBackward(kHardSwishBackward, r); }
KernelOr Make(const HardSigmoid&, const Request& r) { return MakeUnary(kHardSigmoid, r); }
KernelOr Make(const HardSigmoidBackward&, const Request& r) { return MakeBackward(kHardSigmoidBackward, r); }
KernelOr Make(const Swish&, const Request& r) { return MakeUnary(kSwish, r); }
KernelOr Make(const SwishBackward&, const Request& r) { return MakeBackward(kSwishBackward, r); }

}  // namespace mathnas::kernels::cuda
