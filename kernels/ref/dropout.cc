// Dropout.
#include "kernels/random.h"
#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {

KernelPtr Make(const Dropout& op, const Request& request) {
  auto run = [op, n = request.outputs[0].elements()](auto zero, const Operands& o) {
    using T = decltype(zero);
    const DropoutMask mask(static_cast<uint64_t>(o.in<int64_t>(1)[0]), op.stream, op.rate);
    for (int64_t i = 0; i < n; ++i) {
      const bool drops = mask.Drops(static_cast<uint32_t>(i / op.group));
      o.out<T>(0)[i] = static_cast<T>(drops ? 0 : o.in<T>(0)[i] / (1 - op.rate));
    }
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
