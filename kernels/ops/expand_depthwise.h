// Two convolutions at once, for inference (fold.h makes it).
#ifndef MATHNAS_KERNELS_OPS_EXPAND_DEPTHWISE_H_
#define MATHNAS_KERNELS_OPS_EXPAND_DEPTHWISE_H_

#include <cstdint>

#include "kernels/ops/conv2d.h"

namespace mathnas::kernels {

// The beginning of an inverted residual: a 1x1 convolution to M channels with an activation, then a depthwise one with
// another. The map between them, the largest of its block, need not be in memory.
// Inputs: src{N,H,W,I}, expand{M,I,1,1}, expand_bias{M}, weights{M,1,k,k}, bias{M}. Output: dst{N,Ho,Wo,M}. Stride and
// padding (with zeros, after the first activation) are those of the depthwise convolution. It has no gradient.
struct ExpandDepthwise {
  int32_t stride = 1;
  int32_t padding = 0;
  Activation expand_activation = Activation::kNone;
  Activation activation = Activation::kNone;

  static constexpr std::string_view kName = "expand_depthwise";
  template <typename V>
  void Visit(V&& v) {
    v("stride", stride), v("padding", padding);
    v("expand_activation", expand_activation), v("activation", activation);
  }
  bool operator==(const ExpandDepthwise&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const ExpandDepthwise& op, DescSpan inputs);
Counts Count(const ExpandDepthwise& op, DescSpan inputs, DescSpan outputs);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_EXPAND_DEPTHWISE_H_
