// Activations (ops/activation.h) on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_ACTIVATION_H_
#define MATHNAS_KERNELS_CUDA_OWN_ACTIVATION_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

constexpr int kActivationElements = 4;  // of a thread at a time

// y = f(x).
struct ActivationArgs {
  const void* x;
  void* y;
  long long n;
};
constexpr OwnKernel<ActivationArgs> kHardSwish = {"hard_swish"};
constexpr OwnKernel<ActivationArgs> kHardSigmoid = {"hard_sigmoid"};
constexpr OwnKernel<ActivationArgs> kSwish = {"swish"};

// diff_x = f'(x) diff_y.
struct ActivationBackwardArgs {
  const void* x;
  const void* diff_y;
  void* diff_x;
  long long n;
};
constexpr OwnKernel<ActivationBackwardArgs> kHardSwishBackward = {"hard_swish_backward"};
constexpr OwnKernel<ActivationBackwardArgs> kHardSigmoidBackward = {"hard_sigmoid_backward"};
constexpr OwnKernel<ActivationBackwardArgs> kSwishBackward = {"swish_backward"};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_ACTIVATION_H_
