#include "kernels/ops/expand_depthwise.h"

#include "fmt/format.h"

namespace mathnas::kernels {
namespace {

// The rules are those of the two convolutions.
absl::StatusOr<TensorDesc> Expanded(DescSpan inputs) {
  auto expanded = InferOutputs(Conv2d{.has_bias = true}, inputs.subspan(0, 3));
  if (!expanded.ok()) return expanded.status();
  return (*expanded)[0];
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const ExpandDepthwise& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4, 4, 1, 4, 1}); !s.ok()) return s;
  const Shape &expand = inputs[1].shape, &weights = inputs[3].shape;
  if (expand[2] != 1 || expand[3] != 1) {
    return OperatorError(op.kName, fmt::format("expand is {}, expected a 1x1 convolution", ToString(expand)));
  }
  if (weights[0] != expand[0] || weights[1] != 1 || weights[2] != weights[3]) {
    return OperatorError(
        op.kName, fmt::format("weights are {}, expected {}x1 with a square kernel", ToString(weights), expand[0]));
  }
  auto expanded = Expanded(inputs);
  if (!expanded.ok()) return expanded.status();
  const Conv2d depthwise = {
      .stride = op.stride, .padding = op.padding, .groups = static_cast<int32_t>(weights[0]), .has_bias = true};
  return InferOutputs(depthwise, Descs{*expanded, inputs[3], inputs[4]});
}

Counts Count(const ExpandDepthwise&, DescSpan inputs, DescSpan outputs) {
  const Shape &src = inputs[0].shape, &weights = inputs[3].shape;
  const int64_t expanded = src[0] * src[1] * src[2] * weights[0], dst = outputs[0].elements();
  return {.macs = expanded * src[3] + dst * weights[2] * weights[3], .bias_adds = expanded + dst};
}

}  // namespace mathnas::kernels
