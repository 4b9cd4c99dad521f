// Layer normalisation (ops/layer_norm.h) on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_LAYER_NORM_H_
#define MATHNAS_KERNELS_CUDA_OWN_LAYER_NORM_H_

#include "kernels/cuda/own/columns.h"
#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// Elements that a thread should have at least: of them are the threads of a block.
constexpr int kLayerNormElements = 4;

// A block for each group.
struct LayerNormArgs {
  const float* x;
  const float* gamma;
  const float* beta;
  float* y;
  float* mean;
  float* inv_std;
  long long elements;  // of a group
  int channels;
  double epsilon;
};
constexpr OwnKernel<LayerNormArgs> kLayerNorm = {"layer_norm", false};

// The gradients of gamma and beta, then of x, which may be written over diff_y.
struct LayerNormBackwardArgs {
  Columns columns;  // of all groups together
  const float* x;
  const float* diff_y;
  const float* mean;
  const float* inv_std;
  const float* gamma;
  long long group_rows;
  double* sums;  // 2{parts, channels}
  float* diff_x;
  float* diff_gamma;
  float* diff_beta;
};
constexpr OwnKernel<LayerNormBackwardArgs> kLayerNormBackwardSums = {"layer_norm_backward_sums", false};
constexpr OwnKernel<LayerNormBackwardArgs> kLayerNormBackwardFinish = {"layer_norm_backward_finish", false};
// A block for each group.
constexpr OwnKernel<LayerNormBackwardArgs> kLayerNormBackward = {"layer_norm_backward", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_LAYER_NORM_H_
