#include "kernels/cuda/own/language.h"
#include "kernels/cuda/own/optimizer.h"

namespace mathnas::kernels::cuda {
namespace {

__device__ void Sgd(const SgdArgs& a) {
  for (long long i = GridIndex(); i < a.n; i += GridStride()) {
    const float w = a.w[i], gradient = a.gradient_scale * a.g[i] + a.weight_decay * w;
    float step = gradient;
    if (a.momentum != 0) {
      const float b = a.first ? gradient : a.momentum * a.b[i] + gradient;
      a.b[i] = b;
      step = a.nesterov ? gradient + a.momentum * b : b;
    }
    a.w[i] = w - a.learning_rate * step;
    a.g[i] = 0;
  }
}

__device__ void Adam(const AdamArgs& a) {
  for (long long i = GridIndex(); i < a.n; i += GridStride()) {
    const float gradient = a.gradient_scale * a.g[i];
    const float m = a.beta1 * a.m[i] + a.one_minus_beta1 * gradient;
    const float v = a.beta2 * a.v[i] + a.one_minus_beta2 * gradient * gradient;
    a.m[i] = m;
    a.v[i] = v;
    a.w[i] = a.keep * a.w[i] - a.step * m / (sqrtf(v) + a.epsilon);
    a.g[i] = 0;
  }
}

__device__ void CombineGradients(const PairArgs& a) {
  for (long long i = GridIndex(); i < a.n; i += GridStride()) {
    a.x[i] = a.factor * a.x[i] + a.y[i];
    a.y[i] = 0;
  }
}

__device__ void MoveAverage(const PairArgs& a) {
  for (long long i = GridIndex(); i < a.n; i += GridStride()) a.y[i] += a.factor * (a.x[i] - a.y[i]);
}

__device__ void DotProductParts(const DotProductsArgs& a) {
  const int block = static_cast<int>(blockIdx.x);
  int pair = 0, begin = 0;
  while (a.pairs[pair].end <= block) begin = a.pairs[pair++].end;
  const DotProductsArgs::Pair& p = a.pairs[pair];
  double sum = 0;
  const long long stride = static_cast<long long>(p.end - begin) * blockDim.x;
  for (long long i = static_cast<long long>(block - begin) * blockDim.x + threadIdx.x; i < p.n; i += stride) {
    sum += static_cast<double>(p.x[i]) * p.y[i];
  }
  sum = BlockSum(sum);
  if (threadIdx.x == 0) a.parts[block] = sum;
}

__device__ void DotProductSums(const DotProductsArgs& a) {
  const int pair = static_cast<int>(blockIdx.x), begin = pair == 0 ? 0 : a.pairs[pair - 1].end;
  double sum = 0;
  for (int i = begin + static_cast<int>(threadIdx.x); i < a.pairs[pair].end; i += static_cast<int>(blockDim.x)) {
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
