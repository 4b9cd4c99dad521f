// Elementwise operators (ops/elementwise.h) on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_ELEMENTWISE_H_
#define MATHNAS_KERNELS_CUDA_OWN_ELEMENTWISE_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

struct UnaryArgs {
  const void* x;
  void* y;
  long long n;
  float parameter;  // of Scale: the factor; of Fill: the value, x is not read
};
constexpr OwnKernel<UnaryArgs> kRelu = {"relu"};
constexpr OwnKernel<UnaryArgs> kScale = {"scale"};
constexpr OwnKernel<UnaryArgs> kFill = {"fill"};

// y = f'(x) dy, whatever f's backward pass reads as x.
struct BackwardArgs {
  const void* x;
  const void* dy;
  void* dx;
  long long n;
};
constexpr OwnKernel<BackwardArgs> kReluBackward = {"relu_backward"};

struct AddArgs {
  static constexpr int kMost = 16;
  const void* x[kMost];
  int terms;
  void* y;
  long long n;
};
constexpr OwnKernel<AddArgs> kAdd = {"add"};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_ELEMENTWISE_H_
