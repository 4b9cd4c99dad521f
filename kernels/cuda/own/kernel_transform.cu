// All of it is small: the weights of a layer, which stay in caches.
#include "kernels/cuda/own/kernel_transform.h"
#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {
namespace {

// Where element i of the centre of a channel is in the weights.
__device__ long long CentreOf(const KernelTransformArgs& a, long long channel, int i) {
  const int begin = (a.source - a.kernel) / 2;
  return (channel * a.source + begin + i / a.kernel) * a.source + begin + i % a.kernel;
}

__device__ void Forward(const KernelTransformArgs& a) {
  const int size = a.kernel * a.kernel;
  for (long long at = GridIndex(); at < a.channels * size; at += GridStride()) {
    const long long channel = at / size;
    const int j = static_cast<int>(at % size);
    if (a.matrix == nullptr) {
      a.to[at] = a.weights[CentreOf(a, channel, j)];
      continue;
    }
    float sum = 0;
    for (int i = 0; i < size; ++i) sum += a.matrix[j * size + i] * a.weights[CentreOf(a, channel, i)];
    a.to[at] = sum;
  }
}

__device__ void BackwardWeights(const KernelTransformArgs& a) {
  const int size = a.kernel * a.kernel, source_size = a.source * a.source, begin = (a.source - a.kernel) / 2;
  for (long long at = GridIndex(); at < a.channels * source_size; at += GridStride()) {
    const long long channel = at / source_size;
    const int row = static_cast<int>(at % source_size) / a.source - begin;
    const int column = static_cast<int>(at % a.source) - begin;
    float sum = 0;
    if (row >= 0 && row < a.kernel && column >= 0 && column < a.kernel) {
      const int i = row * a.kernel + column;
      const float* diff = a.transformed + channel * size;
      if (a.matrix == nullptr) {
        sum = diff[i];
      } else {
        for (int j = 0; j < size; ++j) sum += a.matrix[j * size + i] * diff[j];
      }
    }
    a.to[at] = sum;
  }
}

__device__ void BackwardMatrix(const KernelTransformArgs& a) {
  const int size = a.kernel * a.kernel;
  const int j = static_cast<int>(blockIdx.x) / size, i = static_cast<int>(blockIdx.x) % size;
  double sum = 0;
  for (long long c = threadIdx.x; c < a.channels; c += blockDim.x) {
    sum += a.transformed[c * size + j] * a.weights[CentreOf(a, c, i)];
  }
  sum = BlockSum(sum);
  if (threadIdx.x == 0) a.to[blockIdx.x] = static_cast<float>(sum);
}

}  // namespace

MATHNAS_CUDA_KERNEL(kernel_transform, KernelTransformArgs, Forward)
MATHNAS_CUDA_KERNEL(kernel_transform_backward_weights, KernelTransformArgs, BackwardWeights)
MATHNAS_CUDA_KERNEL(kernel_transform_backward_matrix, KernelTransformArgs, BackwardMatrix)

}  // namespace mathnas::kernels::cuda
