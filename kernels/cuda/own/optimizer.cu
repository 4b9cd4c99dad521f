#include "kernels/cuda/own/language.h"
#include "kernels/cuda/own/optimizer.h"

namespace mathnas::kernels::cuda {
namespace {

// Calls body(tensor, i) for the elements that this thread has of the tensor that its block is one of.
template <typename T, typename Body>
__device__ void ForElements(const TensorsArgs<T>& a, const Body& body) {
  const int block = static_cast<int>(blockIdx.x);
  int tensor = 0, begin = 0;
  while (a.tensors[tensor].end <= block) begin = a.tensors[tensor++].end;
  const T& t = a.tensors[tensor];
  const long long stride = static_cast<long long>(t.end - begin) * blockDim.x;
  for (long long i = static_cast<long long>(block - begin) * blockDim.x + threadIdx.x; i < t.n; i += stride) body(t, i);
}

__device__ void Sgd(const SgdArgs& a) {
  ForElements(a, [](const SgdTensor& t, long long i) {
    const float w = t.w[i], gradient = t.gradient_scale * t.g[i] + t.weight_decay * w;
    float step = gradient;
    if (t.momentum != 0) {
      const float b = t.first ? gradient : t.momentum * t.b[i] + gradient;
      t.b[i] = b;
      step = t.nesterov ? gradient + t.momentum * b : b;
    }
    t.w[i] = w - t.learning_rate * step;
    t.g[i] = 0;
  });
}

__device__ void Adam(const AdamArgs& a) {
  ForElements(a, [](const AdamTensor& t, long long i) {
    const float gradient = t.gradient_scale * t.g[i];
    const float m = t.beta1 * t.m[i] + t.one_minus_beta1 * gradient;
    const float v = t.beta2 * t.v[i] + t.one_minus_beta2 * gradient * gradient;
    t.m[i] = m;
    t.v[i] = v;
    t.w[i] = t.keep * t.w[i] - t.step * m / (sqrtf(v) + t.epsilon);
    t.g[i] = 0;
  });
}

__device__ void CombineGradients(const PairArgs& a) {
  ForElements(a, [](const PairTensor& t, long long i) {
    t.x[i] = t.factor * t.x[i] + t.y[i];
    t.y[i] = 0;
  });
}

__device__ void MoveAverage(const PairArgs& a) {
  ForElements(a, [](const PairTensor& t, long long i) { t.y[i] += t.factor * (t.x[i] - t.y[i]); });
}

__device__ void DotProductParts(const DotProductsArgs& a) {
  double sum = 0;
  ForElements(a, [&sum](const ProductTensor& t, long long i) { sum += static_cast<double>(t.x[i]) * t.y[i]; });
  sum = BlockSum(sum);
  if (threadIdx.x == 0) a.parts[blockIdx.x] = sum;
}

__device__ void DotProductSums(const DotProductsArgs& a) {
  const int pair = static_cast<int>(blockIdx.x), begin = pair == 0 ? 0 : a.tensors[pair - 1].end;
  double sum = 0;
  for (int i = begin + static_cast<int>(threadIdx.x); i < a.tensors[pair].end; i += static_cast<int>(blockDim.x)) {
    sum += a.parts[i];
  }
  sum = BlockSum(sum);
  if (threadIdx.x == 0) a.sums[pair] = sum;
}

}  // namespace

MATHNAS_CUDA_KERNEL(sgd, SgdArgs, Sgd)
MATHNAS_CUDA_KERNEL(adam, AdamArgs, Adam)
MATHNAS_CUDA_KERNEL(combine_gradients, PairArgs, CombineGradients)
MATHNAS_CUDA_KERNEL(move_average, PairArgs, MoveAverage)
MATHNAS_CUDA_KERNEL(dot_product_parts, DotProductsArgs, DotProductParts)
MATHNAS_CUDA_KERNEL(dot_product_sums, DotProductsArgs, DotProductSums)

}  // namespace mathnas::kernels::cuda
