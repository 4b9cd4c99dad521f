// Graphs of the emulated cuDNN, computed on the host.
#ifndef MATHNAS_KERNELS_CUDA_EMULATION_CUDNN_COMPUTE_H_
#define MATHNAS_KERNELS_CUDA_EMULATION_CUDNN_COMPUTE_H_

#include <map>

#include "kernels/cuda/emulation/cudnn_descriptors.h"

namespace mathnas::kernels::cuda::emulation {

// A finalised operation graph; `memory` by the numbers of its tensors. Sums are float32.
void Compute(const Content& graph, const std::map<int64_t, void*>& memory);

}  // namespace mathnas::kernels::cuda::emulation

#endif  // MATHNAS_KERNELS_CUDA_EMULATION_CUDNN_COMPUTE_H_
