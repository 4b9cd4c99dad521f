// Batch normalisation (spec/search-spaces.md 1.1, spec/training-golden.md 3): training, its gradient, and inference.
#ifndef MATHNAS_KERNELS_OPS_BATCH_NORM_H_
#define MATHNAS_KERNELS_OPS_BATCH_NORM_H_

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y = (x - mean) * inv_std * gamma + beta per channel (the last axis of x), with the batch's mean and biased variance,
// inv_std = 1 / sqrt(variance + epsilon).
// Inputs: x{..,C}, gamma{C} and beta{C} if affine, running_mean{C} and running_var{C} (states) if track.
// Outputs: y, mean{C}, inv_std{C}. With track, running = (1 - momentum) * running + momentum * batch, where the batch's
// variance is the unbiased one (of a single sample per channel: the biased one).
struct BatchNormTraining {
  double epsilon = 1e-5;
  double momentum = 0.1;
  bool affine = true;
  bool track = true;

  static constexpr std::string_view kName = "batch_norm_training";
  template <typename V>
  void Visit(V&& v) {
    v("epsilon", epsilon), v("momentum", momentum), v("affine", affine), v("track", track);
  }
  bool operator==(const BatchNormTraining&) const = default;
};

// The statistics of BatchNormTraining alone, for NormalizedSum.
// Inputs: x{..,C}, running_mean{C} and running_var{C} (states) if track. Outputs: mean{C}, inv_std{C}.
struct BatchNormMoments {
  double epsilon = 1e-5;
  double momentum = 0.1;
  bool track = true;

  static constexpr std::string_view kName = "batch_norm_moments";
  template <typename V>
  void Visit(V&& v) {
    v("epsilon", epsilon), v("momentum", momentum), v("track", track);
  }
  bool operator==(const BatchNormMoments&) const = default;
};

// Inputs: x, diff_y, mean{C}, inv_std{C}, gamma{C} if affine. Outputs: diff_x, and if affine diff_gamma{C},
// diff_beta{C}.
struct BatchNormBackward {
  bool affine = true;

  static constexpr std::string_view kName = "batch_norm_backward";
  template <typename V>
  void Visit(V&& v) {
    v("affine", affine);
  }
  bool operator==(const BatchNormBackward&) const = default;
};

// y = (x - mean) / sqrt(var + epsilon) * gamma + beta, then ReLU if asked.
// Inputs: x{..,C}, gamma{C} and beta{C} if affine, mean{C}, var{C}.
struct BatchNormInference {
  double epsilon = 1e-5;
  bool affine = true;
  bool relu = false;

  static constexpr std::string_view kName = "batch_norm_inference";
  template <typename V>
  void Visit(V&& v) {
    v("epsilon", epsilon), v("affine", affine), v("relu", relu);
  }
  bool operator==(const BatchNormInference&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const BatchNormTraining& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const BatchNormMoments& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const BatchNormBackward& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const BatchNormInference& op, DescSpan inputs);
Gradients Gradient(const BatchNormTraining& op, const GradientRequest& request);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_BATCH_NORM_H_
