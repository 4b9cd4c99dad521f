// What linear layers (ops/linear.h) need besides matrix products, on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_LINEAR_H_
#define MATHNAS_KERNELS_CUDA_OWN_LINEAR_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// y{n / columns,columns} = x + bias{columns}, rounded once. y may be x.
struct AddBiasArgs {
  const float* x;
  const float* bias;
  void* y;
  long long n, columns;
};
constexpr OwnKernel<AddBiasArgs> kAddBias = {"add_bias"};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_LINEAR_H_
