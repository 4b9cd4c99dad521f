// Layer normalisation (Ba et al., 2016) and its gradient: HAT's over the channels of a token (search-spaces.md 4.2),
// NASViT's over tokens and channels of an image together (5.3).
#ifndef MATHNAS_KERNELS_OPS_LAYER_NORM_H_
#define MATHNAS_KERNELS_OPS_LAYER_NORM_H_

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y = (x - mean) * inv_std * gamma + beta, where mean and inv_std = 1 / sqrt(biased variance + epsilon) are those of a
// group: of all that the last `axes` axes of x hold; gamma and beta belong to channels, the last axis alone.
// Inputs: x{..,C}, gamma{C}, beta{C}. Outputs: y, mean{groups}, inv_std{groups}, groups in row-major order.
struct LayerNorm {
  double epsilon = 1e-5;
  int32_t axes = 1;

  static constexpr std::string_view kName = "layer_norm";
  template <typename V>
  void Visit(V&& v) {
    v("epsilon", epsilon), v("axes", axes);
  }
  bool operator==(const LayerNorm&) const = default;
};

// With g = gamma diff_y and h = (x - mean) inv_std: diff_x = inv_std (g - mean(g) - h mean(g h)), means over the group.
// Inputs: x, diff_y, mean{groups}, inv_std{groups}, gamma{C}. Outputs: diff_x, diff_gamma{C}, diff_beta{C}.
struct LayerNormBackward {
  int32_t axes = 1;

  static constexpr std::string_view kName = "layer_norm_backward";
  template <typename V>
  void Visit(V&& v) {
    v("axes", axes);
  }
  bool operator==(const LayerNormBackward&) const = default;
};

// Elements of a group.
int64_t LayerNormGroup(const Shape& x, int32_t axes);

absl::StatusOr<Descs> InferOutputs(const LayerNorm& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const LayerNormBackward& op, DescSpan inputs);
Gradients Gradient(const LayerNorm& op, const GradientRequest& request);
Counts Count(const LayerNorm& op, DescSpan inputs, DescSpan outputs);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_LAYER_NORM_H_
