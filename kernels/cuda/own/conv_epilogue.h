// What is left to do after a convolution of cuDNN (ops/conv2d.h): activations and what is added before them.
#ifndef MATHNAS_KERNELS_CUDA_OWN_CONV_EPILOGUE_H_
#define MATHNAS_KERNELS_CUDA_OWN_CONV_EPILOGUE_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// The values of Activation (ops/conv2d.h).
enum class ConvActivation : int { kNone, kRelu, kHardSwish, kSwish };

// y{n / channels, channels} = activation(sums + bias + addend), rounded once; bias and addend may be null. y may be
// sums or addend.
struct ConvEpilogueArgs {
  const float* sums;
  const float* bias;
  const void* addend;
  void* y;
  long long n;
  int channels;
  ConvActivation activation;
};
constexpr OwnKernel<ConvEpilogueArgs> kConvEpilogue = {"conv_epilogue"};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_CONV_EPILOGUE_H_
