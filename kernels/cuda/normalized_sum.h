// Launches of the kernels of own/normalized_sum.h, for batch normalisation too.
#ifndef MATHNAS_KERNELS_CUDA_NORMALIZED_SUM_H_
#define MATHNAS_KERNELS_CUDA_NORMALIZED_SUM_H_

#include "kernels/cuda/own/normalized_sum.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {

size_t NormalizedSumBackwardScratch(const Columns& columns, int terms);

// The gradient of a sum of one term or more with at least one element; `type` is that of the images. Sets what is in
// scratch in the arguments itself.
absl::Status EnqueueNormalizedSumBackward(Queue& queue, DType type, NormalizedSumBackwardArgs args, void* scratch);

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_NORMALIZED_SUM_H_
