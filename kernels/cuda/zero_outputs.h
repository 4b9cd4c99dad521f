// What an operator on an empty batch does: gradients of weights are zero, and the rest is empty.
#ifndef MATHNAS_KERNELS_CUDA_ZERO_OUTPUTS_H_
#define MATHNAS_KERNELS_CUDA_ZERO_OUTPUTS_H_

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {

inline KernelOr ZeroOutputs(const Request& request) {
  absl::InlinedVector<size_t, 4> bytes;
  for (const TensorDesc& d : request.outputs) bytes.push_back(d.bytes());
  return MakeEnqueued("empty", 0, [bytes](Queue& q, const Operands& o) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (auto s = q.Zero(o.outputs[i], bytes[i]); !s.ok()) return s;
    }
    return absl::OkStatus();
  });
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_ZERO_OUTPUTS_H_
