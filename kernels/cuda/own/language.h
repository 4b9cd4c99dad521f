// What own kernels are written in: CUDA C++ for nvcc, the same source as C++ for the host where emulation/ runs it.
#ifndef MATHNAS_KERNELS_CUDA_OWN_LANGUAGE_H_
#define MATHNAS_KERNELS_CUDA_OWN_LANGUAGE_H_

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#ifndef __CUDACC__
#include "kernels/cuda/emulation/threads.h"
#endif

namespace mathnas::kernels::cuda {

// Values are float in registers, whatever memory holds.
__device__ inline float Load(const float* x) { return *x; }
__device__ inline float Load(const __nv_bfloat16* x) { return __bfloat162float(*x); }
__device__ inline float Load(const __half* x) { return __half2float(*x); }
__device__ inline void Store(float* x, float value) { *x = value; }
__device__ inline void Store(__nv_bfloat16* x, float value) { *x = __float2bfloat16(value); }
__device__ inline void Store(__half* x, float value) { *x = __float2half(value); }

// The element of the grid that this thread begins with, and the distance to its next one.
__device__ inline long long GridIndex() { return static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline long long GridStride() { return static_cast<long long>(gridDim.x) * blockDim.x; }

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffff;

// The sum over a block of at most 1024 threads, a multiple of 32, in all of its threads; in the same order every time.
// All threads of the block call it.
template <typename T>
__device__ T BlockSum(T value) {
  __shared__ T parts[kWarp];
  for (int distance = kWarp / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(kAllLanes, value, distance);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  if (lane == 0) parts[warp] = value;
  __syncthreads();
  value = lane < static_cast<int>(blockDim.x) / kWarp ? parts[lane] : T(0);
  for (int distance = kWarp / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(kAllLanes, value, distance);
  __syncthreads();  // parts may be written again
  return value;
}

// The largest value over a block, as above.
template <typename T>
__device__ T BlockMax(T value) {
  __shared__ T parts[kWarp];
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(kAllLanes, value, distance);
    value = other > value ? other : value;
  }
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  if (lane == 0) parts[warp] = value;
  __syncthreads();
  value = parts[lane < static_cast<int>(blockDim.x) / kWarp ? lane : 0];
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(kAllLanes, value, distance);
    value = other > value ? other : value;
  }
  __syncthreads();
  return value;
}

}  // namespace mathnas::kernels::cuda

// A kernel NAME of the template BODY, a function of const ARGS& for elements of type T, for each element type that the
// backend has: NAME_f32, NAME_bf16, NAME_f16. What Queue::Launch finds by name has C linkage.
#ifdef __CUDACC__
#define MATHNAS_CUDA_KERNEL(NAME, ARGS, ...) \
  extern "C" __global__ void NAME(const __grid_constant__ ARGS args) { __VA_ARGS__(args); }
#else
#define MATHNAS_CUDA_KERNEL(NAME, ARGS, ...)                                               \
  extern "C" void NAME(const void* args) { __VA_ARGS__(*static_cast<const ARGS*>(args)); } \
  extern "C" const unsigned NAME##_bytes = sizeof(ARGS);
#endif
#define MATHNAS_CUDA_KERNELS(NAME, ARGS, BODY)       \
  MATHNAS_CUDA_KERNEL(NAME##_f32, ARGS, BODY<float>) \
  MATHNAS_CUDA_LOW_KERNELS(NAME, ARGS, BODY)
// Of those of 16 bits alone.
#define MATHNAS_CUDA_LOW_KERNELS(NAME, ARGS, BODY)            \
  MATHNAS_CUDA_KERNEL(NAME##_bf16, ARGS, BODY<__nv_bfloat16>) \
  MATHNAS_CUDA_KERNEL(NAME##_f16, ARGS, BODY<__half>)

#endif  // MATHNAS_KERNELS_CUDA_OWN_LANGUAGE_H_
