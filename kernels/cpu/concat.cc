// Tensors one behind the other, and parts of them: copies of what is dense.
#include <cstddef>
#include <cstring>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

void Run(const StridedCopy& copy, const void* from, void* to, int threads) {
  if (copy.bytes == 0) return;
  const auto* source = static_cast<const std::byte*>(from) + copy.from;
  auto* target = static_cast<std::byte*>(to) + copy.to;
  ParallelFor(threads, copy.pieces, GrainOf(copy.bytes / 4), [&](int, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(target + i * copy.to_stride, source + i * copy.from_stride, static_cast<size_t>(copy.bytes));
    }
  });
}

}  // namespace

KernelOr Make(const Concat& op, const Request& r) {
  return MakeFunctionKernel("copy", 0,
                            [copies = CopiesOf(op, r.inputs, r.outputs[0]), threads = r.threads](const Operands& o) {
                              for (size_t i = 0; i < copies.size(); ++i)
                                Run(copies[i], o.inputs[i], o.outputs[0], threads);
                            });
}

KernelOr Make(const Part& op, const Request& r) {
  return MakeFunctionKernel("copy", 0, [copy = CopyOf(op, r.inputs[0]), threads = r.threads](const Operands& o) {
    Run(copy, o.inputs[0], o.outputs[0], threads);
  });
}

}  // namespace mathnas::kernels::cpu
