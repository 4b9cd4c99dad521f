// Channels multiplied by a factor each: the last step of squeeze-and-excitation (Hu et al., 2018).
#ifndef MATHNAS_KERNELS_OPS_SCALE_CHANNELS_H_
#define MATHNAS_KERNELS_OPS_SCALE_CHANNELS_H_

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y{N,H,W,C} = x{N,H,W,C} * scale{N,C}. Its gradient in x is the same operator.
struct ScaleChannels {
  static constexpr std::string_view kName = "scale_channels";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const ScaleChannels&) const = default;
};

// diff_scale{N,C} = sum over H, W of x{N,H,W,C} * diff_y{N,H,W,C}.
struct ScaleChannelsBackwardScale {
  static constexpr std::string_view kName = "scale_channels_backward_scale";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const ScaleChannelsBackwardScale&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const ScaleChannels& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const ScaleChannelsBackwardScale& op, DescSpan inputs);
Gradients Gradient(const ScaleChannels& op, const GradientRequest& request);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_SCALE_CHANNELS_H_
