// What an operator on an empty batch does: gradients of weights are zero, and the rest is empty.
#ifndef MATHNAS_KERNELS_CPU_ZERO_OUTPUTS_H_
#define MATHNAS_KERNELS_CPU_ZERO_OUTPUTS_H_

#include <cstring>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {

inline KernelOr ZeroOutputs(const Request& request) {
  absl::InlinedVector<size_t, 4> bytes;
  for (const TensorDesc& d : request.outputs) bytes.push_back(d.bytes());
  return MakeFunctionKernel("empty", 0, [bytes](const Operands& o) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (bytes[i] > 0) std::memset(o.outputs[i], 0, bytes[i]);
    }
  });
}

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_ZERO_OUTPUTS_H_
