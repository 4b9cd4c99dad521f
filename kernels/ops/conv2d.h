// Two-dimensional convolution, grouped and strided, and its two gradients.
#ifndef MATHNAS_KERNELS_OPS_CONV2D_H_
#define MATHNAS_KERNELS_OPS_CONV2D_H_

#include <cstdint>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// What a convolution does to its sums: max(x, 0), x min(max(x + 3, 0), 6) / 6, or x / (1 + exp(-x)) (activation.h).
enum class Activation : uint8_t { kNone, kRelu, kHardSwish, kSwish };
// "none", "relu", "hard_swish", "swish".
std::string_view Name(Activation activation);
// InvalidArgument lists the names that are known.
absl::StatusOr<Activation> ParseActivation(std::string_view name);

// dst{N,Ho,Wo,O} = activation(conv(src{N,H,W,I}, weights{O,I/groups,kh,kw}) [+ bias{O}] [+ addend{N,Ho,Wo,O}]).
// Ho = (H + 2 padding - kh) / stride + 1. Inputs in this order: src, weights, bias if has_bias, addend if has_addend.
// Addend and activation in one operator exist for inference (fold.h makes them); gradients want them apart.
struct Conv2d {
  int32_t stride = 1;
  int32_t padding = 0;
  int32_t groups = 1;
  bool has_bias = false;
  bool has_addend = false;
  Activation activation = Activation::kNone;

  static constexpr std::string_view kName = "conv2d";
  template <typename V>
  void Visit(V&& v) {
    v("stride", stride), v("padding", padding), v("groups", groups);
    v("has_bias", has_bias), v("has_addend", has_addend), v("activation", activation);
  }
  bool operator==(const Conv2d&) const = default;
};

// diff_src{N,height,width,I} from diff_dst{N,Ho,Wo,O} and weights{O,I/groups,kh,kw}.
struct Conv2dBackwardData {
  int32_t stride = 1;
  int32_t padding = 0;
  int32_t groups = 1;
  int32_t height = 0;
  int32_t width = 0;

  static constexpr std::string_view kName = "conv2d_backward_data";
  template <typename V>
  void Visit(V&& v) {
    v("stride", stride), v("padding", padding), v("groups", groups), v("height", height), v("width", width);
  }
  bool operator==(const Conv2dBackwardData&) const = default;
};

// diff_weights{O,I/groups,kernel_h,kernel_w} [, diff_bias{O}] from src{N,H,W,I} and diff_dst{N,Ho,Wo,O}.
struct Conv2dBackwardWeights {
  int32_t stride = 1;
  int32_t padding = 0;
  int32_t groups = 1;
  int32_t kernel_h = 1;
  int32_t kernel_w = 1;
  bool has_bias = false;

  static constexpr std::string_view kName = "conv2d_backward_weights";
  template <typename V>
  void Visit(V&& v) {
    v("stride", stride), v("padding", padding), v("groups", groups);
    v("kernel_h", kernel_h), v("kernel_w", kernel_w), v("has_bias", has_bias);
  }
  bool operator==(const Conv2dBackwardWeights&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const Conv2d& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const Conv2dBackwardData& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const Conv2dBackwardWeights& op, DescSpan inputs);
Gradients Gradient(const Conv2d& op, const GradientRequest& request);
Counts Count(const Conv2d& op, DescSpan inputs, DescSpan outputs);
// Each gradient multiplies and adds as often as the convolution itself.
Counts Count(const Conv2dBackwardData& op, DescSpan inputs, DescSpan outputs);
Counts Count(const Conv2dBackwardWeights& op, DescSpan inputs, DescSpan outputs);

// Adds a convolution to the graph; an invalid bias means none.
Value Convolve(Graph& g, Value src, Value weights, Value bias, int32_t stride, int32_t padding, int32_t groups = 1);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_CONV2D_H_
