// The activations of convolutions, for own kernels.
#ifndef MATHNAS_KERNELS_CUDA_OWN_CONV_ACTIVATION_H_
#define MATHNAS_KERNELS_CUDA_OWN_CONV_ACTIVATION_H_

#include "kernels/cuda/own/activation_functions.h"
#include "kernels/cuda/own/conv_epilogue.h"
#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {

// NaN stays.
__device__ inline float Activate(ConvActivation activation, float x) {
  switch (activation) {
    case ConvActivation::kRelu:
      return x < 0 ? 0.f : x;
    case ConvActivation::kHardSwish:
      return HardSwishOf(x);
    case ConvActivation::kSwish:
      return SwishOf(x);
    case ConvActivation::kNone:
      break;
  }
  return x;
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_CONV_ACTIVATION_H_
