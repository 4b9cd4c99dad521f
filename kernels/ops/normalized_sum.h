// Batch normalisation, the sum that it is a term of and the activation after it as one operator: fewer passes over
// memory in training (fuse.h makes them).
#ifndef MATHNAS_KERNELS_OPS_NORMALIZED_SUM_H_
#define MATHNAS_KERNELS_OPS_NORMALIZED_SUM_H_

#include "kernels/ops/conv2d.h"
#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y = activation(sum over the terms of ((x - mean) * inv_std * gamma + beta), plus addends), per channel (the last
// axis).
// Inputs: for each term x{..,C}, mean{C}, inv_std{C} (of BatchNormMoments of x), and gamma{C}, beta{C} if affine; then
// addends{..,C}, any number of them. kHardSwish and kSwish need a single term and no addend.
// The gradient of x is the one of batch normalisation: mean and inv_std are taken for functions of x, and have none
// themselves.
struct NormalizedSum {
  int32_t terms = 1;
  bool affine = true;
  Activation activation = Activation::kNone;

  static constexpr std::string_view kName = "normalized_sum";
  template <typename V>
  void Visit(V&& v) {
    v("terms", terms), v("affine", affine), v("activation", activation);
  }
  bool operator==(const NormalizedSum&) const = default;

  // Its gradient takes several tensors that flow into y.
  static constexpr bool kAddsFlows = true;
  size_t inputs_per_term() const { return affine ? 5 : 3; }
  size_t term_inputs() const { return static_cast<size_t>(terms) * inputs_per_term(); }
};

// Inputs: those of the terms; y, if has_y; then what flows into y, one tensor or several, which are added.
// Outputs: for each term diff_x, and diff_gamma{C}, diff_beta{C} if affine; then, if has_total, the sum of what flows
// in behind the activation: the gradient of the addends.
struct NormalizedSumBackward {
  int32_t terms = 1;
  bool affine = true;
  Activation activation = Activation::kNone;
  bool has_total = false;

  static constexpr std::string_view kName = "normalized_sum_backward";
  template <typename V>
  void Visit(V&& v) {
    v("terms", terms), v("affine", affine), v("activation", activation), v("has_total", has_total);
  }
  bool operator==(const NormalizedSumBackward&) const = default;

  size_t inputs_per_term() const { return affine ? 5 : 3; }
  size_t outputs_per_term() const { return affine ? 3 : 1; }
  // Of a ReLU that is not known from the only term, which is computed again: less memory to pass through than y.
  bool has_y() const { return activation == Activation::kRelu && (terms > 1 || has_total); }
  size_t first_flow() const { return static_cast<size_t>(terms) * inputs_per_term() + (has_y() ? 1 : 0); }
  size_t total_output() const { return static_cast<size_t>(terms) * outputs_per_term(); }
};

absl::StatusOr<Descs> InferOutputs(const NormalizedSum& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const NormalizedSumBackward& op, DescSpan inputs);
Gradients Gradient(const NormalizedSum& op, const GradientRequest& request);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_NORMALIZED_SUM_H_
