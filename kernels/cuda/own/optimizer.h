// Steps of optimisers on many whole tensors of float32 (kernels/optimizer_kernels.h) on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_OPTIMIZER_H_
#define MATHNAS_KERNELS_CUDA_OWN_OPTIMIZER_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// Some tensors of n elements each, the blocks of a tensor one behind the other: as many as the arguments of a launch
// hold.
template <typename T>
struct TensorsArgs {
  static constexpr int kMost = 4000 / sizeof(T);
  T tensors[kMost] = {};
};

struct SgdTensor {
  float *w, *g, *b;
  long long n;
  float learning_rate, momentum, weight_decay, gradient_scale;
  bool nesterov, first;
  int end = 0;  // of its blocks
};
using SgdArgs = TensorsArgs<SgdTensor>;
constexpr OwnKernel<SgdArgs> kSgd = {"sgd", false};

// w = keep * w - step * m / (sqrt(v) + epsilon).
struct AdamTensor {
  float *w, *g, *m, *v;
  long long n;
  float gradient_scale, beta1, one_minus_beta1, beta2, one_minus_beta2, keep, step, epsilon;
  int end = 0;
};
using AdamArgs = TensorsArgs<AdamTensor>;
constexpr OwnKernel<AdamArgs> kAdam = {"adam", false};

// x = factor * x + y, y = 0; or y += factor * (x - y).
struct PairTensor {
  float *x, *y;
  long long n;
  float factor;
  int end = 0;
};
using PairArgs = TensorsArgs<PairTensor>;
constexpr OwnKernel<PairArgs> kCombineGradients = {"combine_gradients", false};
constexpr OwnKernel<PairArgs> kMoveAverage = {"move_average", false};

// sums[i] = sum over x_i y_i. The first kernel leaves a part of a sum for each of its blocks; the second one has a
// block to a pair.
struct ProductTensor {
  const float *x, *y;
  long long n;
  int end = 0;
};
struct DotProductsArgs : TensorsArgs<ProductTensor> {
  double* parts;
  double* sums;
};
constexpr OwnKernel<DotProductsArgs> kDotProductParts = {"dot_product_parts", false};
constexpr OwnKernel<DotProductsArgs> kDotProductSums = {"dot_product_sums", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_OPTIMIZER_H_
