// Linear layers and their gradients.
#ifndef MATHNAS_KERNELS_OPS_LINEAR_H_
#define MATHNAS_KERNELS_OPS_LINEAR_H_

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// dst{..,O} = src{..,I} * weights{O,I}^T [+ bias{O}]; all axes but the last count rows. Inputs: src, weights, bias if
// has_bias. Weights may have the shape of a 1x1 convolution, {O,I,1,1}: on pixels that is the same. With wide_dst, dst
// is float32 also where src is bfloat16: sums that are not rounded to 8 bits (lower_precision.h).
struct Linear {
  bool has_bias = true;
  bool wide_dst = false;

  static constexpr std::string_view kName = "linear";
  template <typename V>
  void Visit(V&& v) {
    v("has_bias", has_bias), v("wide_dst", wide_dst);
  }
  bool operator==(const Linear&) const = default;
};

// diff_src{..,I} = diff_dst{..,O} * weights{O,I}.
struct LinearBackwardData {
  static constexpr std::string_view kName = "linear_backward_data";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const LinearBackwardData&) const = default;
};

// diff_weights{O,I} = diff_dst{..,O}^T * src{..,I} [, diff_bias{O} = sum of diff_dst over rows]. Inputs: src, diff_dst.
struct LinearBackwardWeights {
  bool has_bias = true;
  bool convolution = false;  // diff_weights{O,I,1,1}

  static constexpr std::string_view kName = "linear_backward_weights";
  template <typename V>
  void Visit(V&& v) {
    v("has_bias", has_bias), v("convolution", convolution);
  }
  bool operator==(const LinearBackwardWeights&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const Linear& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const LinearBackwardData& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const LinearBackwardWeights& op, DescSpan inputs);
Gradients Gradient(const Linear& op, const GradientRequest& request);
Counts Count(const Linear& op, DescSpan inputs, DescSpan outputs);
// Each gradient multiplies and adds as often as the layer itself.
Counts Count(const LinearBackwardData& op, DescSpan inputs, DescSpan outputs);
Counts Count(const LinearBackwardWeights& op, DescSpan inputs, DescSpan outputs);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_LINEAR_H_
