// Dropout (ops/dropout.h) on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_DROPOUT_H_
#define MATHNAS_KERNELS_CUDA_OWN_DROPOUT_H_

#include "kernels/cuda/own/kernel.h"
#include "kernels/cuda/own/mask.h"

namespace mathnas::kernels::cuda {

struct DropoutArgs {
  const float* x = nullptr;
  float* y = nullptr;
  long long n;
  int group;     // elements that share a draw
  float factor;  // of those that are kept
  MaskArgs mask;
};
constexpr OwnKernel<DropoutArgs> kDropout = {"dropout", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_DROPOUT_H_
