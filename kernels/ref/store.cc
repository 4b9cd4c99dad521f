// Writing into a state.
#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {

KernelPtr Make(const Store&, const Request& request) {
  const Shape &state = request.inputs[0].shape, &x = request.inputs[1].shape;
  auto run = [batch = x[0], entries = x[1], features = x[2], room = state[1]](auto zero, const Operands& o) {
    using T = decltype(zero);
    const int64_t at = o.in<int64_t>(2)[0];
    if (absl::Status s = CheckStoreAt(at, room - entries); !s.ok()) return s;
    T* to = static_cast<T*>(o.inputs[0]);
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t t = 0; t < entries; ++t) {
        for (int64_t e = 0; e < features; ++e) {
          to[(b * room + at + t) * features + e] = o.in<T>(1)[(b * entries + t) * features + e];
        }
      }
    }
    return absl::OkStatus();
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
