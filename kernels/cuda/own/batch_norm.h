// The statistics of batch normalisation (ops/batch_norm.h) on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_BATCH_NORM_H_
#define MATHNAS_KERNELS_CUDA_OWN_BATCH_NORM_H_

#include "kernels/cuda/own/columns.h"
#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

struct BatchNormMomentsArgs {
  Columns columns;  // of one image
  const void* x;
  double* sums;  // 2{parts, channels}
  float* mean;
  float* inv_std;
  float* running_mean;  // null, or both are changed
  float* running_var;
  double epsilon;
  double momentum;
};
// Moments of parts, then of channels.
constexpr OwnKernel<BatchNormMomentsArgs> kBatchNormMomentSums = {"batch_norm_moment_sums"};
constexpr OwnKernel<BatchNormMomentsArgs> kBatchNormMoments = {"batch_norm_moments"};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_BATCH_NORM_H_
