// Steps of optimisers on whole tensors of float32 (kernels/optimizer_kernels.h) on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_OPTIMIZER_H_
#define MATHNAS_KERNELS_CUDA_OWN_OPTIMIZER_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

struct SgdArgs {
  float *w, *g, *b;
  long long n;
  float learning_rate, momentum, weight_decay, gradient_scale;
  bool nesterov, first;
};
constexpr OwnKernel<SgdArgs> kSgd = {"sgd", false};

// w = keep * w - step * m / (sqrt(v) + epsilon).
struct AdamArgs {
  float *w, *g, *m, *v;
  long long n;
  float gradient_scale, beta1, one_minus_beta1, beta2, one_minus_beta2, keep, step, epsilon;
};
constexpr OwnKernel<AdamArgs> kAdam = {"adam", false};

// x = factor * x + y, y = 0; or y += factor * (x - y).
struct PairArgs {
  float *x, *y;
  long long n;
  float factor;
};
constexpr OwnKernel<PairArgs> kCombineGradients = {"combine_gradients", false};
constexpr OwnKernel<PairArgs> kMoveAverage = {"move_average", false};

// sums[i] = sum over x_i y_i, of many pairs. The first kernel leaves a part of a sum for each of its blocks, those of a
// pair one behind the other; the second one has a block to a pair.
struct DotProductsArgs {
  static constexpr int kMost = 64;
  struct Pair {
    const float *x, *y;
    long long n;
    int end;  // of its blocks
  };
  Pair pairs[kMost] = {};
  double* parts;
  double* sums;
};
constexpr OwnKernel<DotProductsArgs> kDotProductParts = {"dot_product_parts", false};
constexpr OwnKernel<DotProductsArgs> kDotProductSums = {"dot_product_sums", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_OPTIMIZER_H_
