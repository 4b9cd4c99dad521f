// Dropout: own vector code. Every element's draw is its own, so threads may begin anywhere.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"
#include "kernels/random.h"

namespace mathnas::kernels::cpu {

KernelOr Make(const Dropout& op, const Request& r) {
  const VectorKernels& v = Vector();
  return MakeFunctionKernel(v.name, 0, [op, n = r.outputs[0].elements(), &v, threads = r.threads](const Operands& o) {
    const DropoutMask mask(static_cast<uint64_t>(o.in<int64_t>(1)[0]), op.stream, op.rate);
    const float *x = o.in<float>(0), factor = static_cast<float>(1 / (1 - op.rate));
    float* y = o.out<float>(0);
    ParallelElements(threads, n, [&](int64_t begin, int64_t size) {
      if (op.group == 1)
        return v.dropout(mask.keys(), static_cast<uint32_t>(begin), factor, x + begin, y + begin, size);
      for (const int64_t end = begin + size; begin < end;) {
        const int64_t group = begin / op.group, elements = std::min((group + 1) * op.group, end) - begin;
        if (mask.Drops(static_cast<uint32_t>(group))) {
          v.fill(0, y + begin, elements);
        } else {
          v.scale(factor, x + begin, y + begin, elements);
        }
        begin += elements;
      }
    });
  });
}

}  // namespace mathnas::kernels::cpu
