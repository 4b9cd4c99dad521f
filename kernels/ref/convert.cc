// Converting to a type of lower precision: exact arithmetic has none.
#include <algorithm>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {

KernelPtr Make(const Convert&, const Request& request) {
  auto run = [n = request.outputs[0].elements()](auto zero, const Operands& o) {
    using T = decltype(zero);
    if (o.in<T>(0) != o.out<T>(0)) std::copy_n(o.in<T>(0), n, o.out<T>(0));
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
