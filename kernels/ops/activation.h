// The activations of MobileNetV3 (Howard et al., Searching for MobileNetV3, 2019, section 5.2) and of NASViT (swish,
// search-spaces.md 1.1), and their gradients.
#ifndef MATHNAS_KERNELS_OPS_ACTIVATION_H_
#define MATHNAS_KERNELS_OPS_ACTIVATION_H_

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y = x min(max(x + 3, 0), 6) / 6.
struct HardSwish {
  static constexpr std::string_view kName = "hard_swish";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const HardSwish&) const = default;
};

// diff_x = diff_y times 0 up to x = -3, 1 from x = 3 on, (2 x + 3) / 6 between. Inputs: x, diff_y.
struct HardSwishBackward {
  static constexpr std::string_view kName = "hard_swish_backward";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const HardSwishBackward&) const = default;
};

// y = min(max(x + 3, 0), 6) / 6.
struct HardSigmoid {
  static constexpr std::string_view kName = "hard_sigmoid";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const HardSigmoid&) const = default;
};

// diff_x = -3 < x < 3 ? diff_y / 6 : 0. Inputs: x, diff_y.
struct HardSigmoidBackward {
  static constexpr std::string_view kName = "hard_sigmoid_backward";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const HardSigmoidBackward&) const = default;
};

// y = x sigmoid(x) = x / (1 + exp(-x)).
struct Swish {
  static constexpr std::string_view kName = "swish";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const Swish&) const = default;
};

// diff_x = diff_y s (1 + x (1 - s)), s = sigmoid(x). Inputs: x, diff_y.
struct SwishBackward {
  static constexpr std::string_view kName = "swish_backward";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const SwishBackward&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const HardSwish& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const HardSwishBackward& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const HardSigmoid& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const HardSigmoidBackward& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const Swish& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const SwishBackward& op, DescSpan inputs);
Gradients Gradient(const HardSwish& op, const GradientRequest& request);
Gradients Gradient(const HardSigmoid& op, const GradientRequest& request);
Gradients Gradient(const Swish& op, const GradientRequest& request);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_ACTIVATION_H_
