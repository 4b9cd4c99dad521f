// Device code: the activations of a fused operator (Activation in ops/conv2d.h) and their slopes.
#ifndef MATHNAS_KERNELS_CUDA_OWN_ACTIVATION_FUNCTIONS_H_
#define MATHNAS_KERNELS_CUDA_OWN_ACTIVATION_FUNCTIONS_H_

#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {

// NaN stays in all but the slope of the hard sigmoid: a network that has diverged must not look healthy.
__device__ inline float HardSigmoidOf(float x) { return x <= -3 ? 0.f : x >= 3 ? 1.f : (x + 3) / 6; }
__device__ inline float HardSigmoidSlope(float x) { return x <= -3 || x >= 3 ? 0.f : 1 / 6.f; }
__device__ inline float HardSwishOf(float x) { return x * HardSigmoidOf(x); }
__device__ inline float HardSwishSlope(float x) { return x <= -3 ? 0.f : x >= 3 ? 1.f : (2 * x + 3) / 6; }
__device__ inline float SigmoidOf(float x) { return 1 / (1 + expf(-x)); }
__device__ inline float SwishOf(float x) { return x / (1 + expf(-x)); }
__device__ inline float SwishSlope(float x) {
  const float s = SigmoidOf(x);
  return s * (1 + x * (1 - s));
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_ACTIVATION_FUNCTIONS_H_
