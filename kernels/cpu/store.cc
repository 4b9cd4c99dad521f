// Writing into a state. Either side may be a slice.
#include <cstring>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {

KernelOr Make(const Store&, const Request& r) {
  const Shape& x = r.inputs[1].shape;
  const int64_t batch = x[0], last = r.inputs[0].shape[1] - x[1], features = x[2], size = x[1] * features;
  const int64_t to_stride = r.inputs[0].row_elements(), from_stride = r.inputs[1].row_elements();
  return MakeFunctionKernel("copy", 0, [=, threads = r.threads](const Operands& o) {
    const int64_t at = o.in<int64_t>(2)[0];
    if (absl::Status s = CheckStoreAt(at, last); !s.ok()) return s;
    float* to = static_cast<float*>(o.inputs[0]) + at * features;
    ParallelFor(threads, batch, GrainOf(size), [&](int, int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        std::memcpy(to + b * to_stride, o.in<float>(1) + b * from_stride, static_cast<size_t>(size) * sizeof(float));
      }
    });
    return absl::OkStatus();
  });
}

}  // namespace mathnas::kernels::cpu
