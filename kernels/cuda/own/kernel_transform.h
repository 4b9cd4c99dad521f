// Smaller depthwise kernels from the centre of larger ones (ops/kernel_transform.h) on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_KERNEL_TRANSFORM_H_
#define MATHNAS_KERNELS_CUDA_OWN_KERNEL_TRANSFORM_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// Between weights{channels, source, source} and their transformed{channels, kernel, kernel} by
// matrix{kernel^2, kernel^2}; one of the three, or its gradient, is `to`.
struct KernelTransformArgs {
  const float* weights;
  const float* transformed;
  const float* matrix;  // null: the identity
  float* to;
  long long channels;
  int source;
  int kernel;
};
constexpr OwnKernel<KernelTransformArgs> kKernelTransform = {"kernel_transform", false};
constexpr OwnKernel<KernelTransformArgs> kKernelTransformBackwardWeights = {"kernel_transform_backward_weights", false};
// A block for each element of the matrix.
constexpr OwnKernel<KernelTransformArgs> kKernelTransformBackwardMatrix = {"kernel_transform_backward_matrix", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_KERNEL_TRANSFORM_H_
