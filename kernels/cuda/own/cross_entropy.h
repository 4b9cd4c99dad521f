// Softmax cross-entropy (ops/cross_entropy.h) on the GPU. All float32. A block to a row of logits.
#ifndef MATHNAS_KERNELS_CUDA_OWN_CROSS_ENTROPY_H_
#define MATHNAS_KERNELS_CUDA_OWN_CROSS_ENTROPY_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// The labels of rows, and which of them have no part.
struct Labels {
  const long long* labels = nullptr;
  int ignored = -1;  // none
};

// Probabilities, and the loss of each row: of labels, or of targets.
struct SoftmaxLossArgs {
  const float* logits;
  const float* targets = nullptr;
  Labels labels = {};
  double smoothing = 0;
  float* probabilities;
  double* losses;
  long long classes;
};
constexpr OwnKernel<SoftmaxLossArgs> kLossOfLabels = {"loss_of_labels", false};
constexpr OwnKernel<SoftmaxLossArgs> kLossOfTargets = {"loss_of_targets", false};

// The losses of all rows, in their order, as one. One block.
struct SumLossesArgs {
  const double* losses;
  Labels labels;  // null with targets
  long long rows;
  bool sum;
  float* loss;
};
constexpr OwnKernel<SumLossesArgs> kSumLosses = {"sum_losses", false};

// How many rows have a part. One block.
struct CountLabelsArgs {
  Labels labels;
  long long rows;
  double* count;
};
constexpr OwnKernel<CountLabelsArgs> kCountLabels = {"count_labels", false};

struct LossBackwardArgs {
  const float* probabilities;
  const float* targets = nullptr;
  Labels labels = {};
  double smoothing = 0;
  const float* diff_loss;
  const double* count = nullptr;  // of CountLabels; null: it is `divisor`
  double divisor;
  float* diff_logits;
  long long classes;
};
constexpr OwnKernel<LossBackwardArgs> kLossOfLabelsBackward = {"loss_of_labels_backward", false};
constexpr OwnKernel<LossBackwardArgs> kLossOfTargetsBackward = {"loss_of_targets_backward", false};

// Targets of the adaptive loss (ops/adaptive_targets.h).
struct AdaptiveTargetsArgs {
  const float* student;
  const float* teacher;
  float* targets;
  long long classes;
  double clip;
};
constexpr OwnKernel<AdaptiveTargetsArgs> kAdaptiveTargets = {"adaptive_targets", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_CROSS_ENTROPY_H_
