// Between float32 and bfloat16: own vector code.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {

KernelOr Make(const Convert&, const Request& r) {
  const VectorKernels& v = Vector();
  const bool from_low = IsBfloat16(r.inputs[0]), to_low = IsBfloat16(r.outputs[0]);
  const int64_t n = r.outputs[0].elements();
  if (from_low == to_low) return absl::UnimplementedError("convert: expected another type than that of the input");
  if (!r.inputs[0].dense()) {  // a slice of master weights
    if (from_low) return absl::UnimplementedError("convert: a slice of bfloat16, expected one of float32");
    const int64_t rows = r.inputs[0].shape[0], columns = n / rows, stride = r.inputs[0].row_elements();
    return MakeFunctionKernel(v.name, 0, [=, &v, threads = r.threads](const Operands& o) {
      ParallelFor(threads, rows, GrainOf(columns), [&](int, int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          v.narrow(o.in<float>(0) + row * stride, o.out<Bfloat16>(0) + row * columns, columns);
        }
      });
    });
  }
  return MakeFunctionKernel(v.name, 0, [=, &v, threads = r.threads](const Operands& o) {
    ParallelElements(threads, n, [&](int64_t begin, int64_t size) {
      if (to_low) {
        v.narrow(o.in<float>(0) + begin, o.out<Bfloat16>(0) + begin, size);
      } else {
        v.widen(o.in<Bfloat16>(0) + begin, o.out<float>(0) + begin, size);
      }
    });
  });
}

}  // namespace mathnas::kernels::cpu
