#include "kernels/ops/conv2d.h"

#include <utility>

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

// Output extent of one axis; not positive when the kernel does not fit.
int64_t OutputExtent(int64_t in, int64_t kernel, int64_t stride, int64_t padding) {
  const int64_t span = in + 2 * padding - kernel;
  return span < 0 ? 0 : span / stride + 1;
}

absl::Status CheckParameters(std::string_view op, int32_t stride, int32_t padding, int32_t groups, int64_t kernel_h,
                             int64_t kernel_w) {
  if (stride < 1 || padding < 0 || groups < 1) {
    return OperatorError(op, fmt::format("stride {}, padding {}, groups {}: expected stride and groups of at least 1, "
                                         "padding of at least 0",
                                         stride, padding, groups));
  }
  if (kernel_h < 1 || kernel_w < 1) {
    return OperatorError(op, fmt::format("kernel {}x{}: expected extents of at least 1", kernel_h, kernel_w));
  }
  return absl::OkStatus();
}

absl::Status CheckGroups(std::string_view op, int32_t groups, int64_t channels, std::string_view of) {
  if (channels % groups == 0) return absl::OkStatus();
  return OperatorError(op, fmt::format("{} groups do not divide the {} channels of {}", groups, channels, of));
}

constexpr std::pair<Activation, std::string_view> kActivations[] = {{Activation::kNone, "none"},
                                                                    {Activation::kRelu, "relu"},
                                                                    {Activation::kHardSwish, "hard_swish"},
                                                                    {Activation::kSwish, "swish"}};

}  // namespace

std::string_view Name(Activation activation) {
  for (const auto& [known, name] : kActivations) {
    if (known == activation) return name;
  }
  return "unknown";
}

absl::StatusOr<Activation> ParseActivation(std::string_view name) {
  for (const auto& [activation, known] : kActivations) {
    if (known == name) return activation;
  }
  return absl::InvalidArgumentError("expected none, relu, hard_swish or swish");
}

absl::StatusOr<Descs> InferOutputs(const Conv2d& op, DescSpan inputs) {
  absl::InlinedVector<int, 4> ranks = {4, 4};
  if (op.has_bias) ranks.push_back(1);
  if (op.has_addend) ranks.push_back(4);
  if (auto s = CheckInputs(op.kName, inputs, ranks); !s.ok()) return s;
  const Shape& src = inputs[0].shape;
  const Shape& weights = inputs[1].shape;
  if (auto s = CheckParameters(op.kName, op.stride, op.padding, op.groups, weights[2], weights[3]); !s.ok()) return s;
  if (weights[0] % op.groups != 0 || weights[1] * op.groups != src[3]) {
    return OperatorError(op.kName, fmt::format("weights {} with {} groups do not fit a source of {} channels",
                                               ToString(weights), op.groups, src[3]));
  }
  const Shape dst = {src[0], OutputExtent(src[1], weights[2], op.stride, op.padding),
                     OutputExtent(src[2], weights[3], op.stride, op.padding), weights[0]};
  if (dst[1] < 1 || dst[2] < 1) {
    return OperatorError(op.kName, fmt::format("source {} is smaller than the kernel {}x{} with padding {}",
                                               ToString(src), weights[2], weights[3], op.padding));
  }
  if (op.has_bias) {
    if (auto s = CheckSame(op.kName, "bias", inputs[2].shape, {weights[0]}); !s.ok()) return s;
  }
  if (op.has_addend) {
    if (auto s = CheckSame(op.kName, "addend", inputs.back().shape, dst); !s.ok()) return s;
  }
  return Descs{{inputs[0].dtype, dst}};
}

absl::StatusOr<Descs> InferOutputs(const Conv2dBackwardData& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4, 4}); !s.ok()) return s;
  const Shape& diff_dst = inputs[0].shape;
  const Shape& weights = inputs[1].shape;
  if (auto s = CheckParameters(op.kName, op.stride, op.padding, op.groups, weights[2], weights[3]); !s.ok()) return s;
  if (auto s = CheckGroups(op.kName, op.groups, weights[0], "diff_dst"); !s.ok()) return s;
  if (op.height < 1 || op.width < 1) {
    return OperatorError(op.kName, fmt::format("height {}, width {}: expected at least 1", op.height, op.width));
  }
  const Shape expected = {diff_dst[0], OutputExtent(op.height, weights[2], op.stride, op.padding),
                          OutputExtent(op.width, weights[3], op.stride, op.padding), weights[0]};
  if (auto s = CheckSame(op.kName, "diff_dst", diff_dst, expected); !s.ok()) return s;
  return Descs{{inputs[0].dtype, {diff_dst[0], op.height, op.width, weights[1] * op.groups}}};
}

absl::StatusOr<Descs> InferOutputs(const Conv2dBackwardWeights& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4, 4}); !s.ok()) return s;
  if (auto s = CheckParameters(op.kName, op.stride, op.padding, op.groups, op.kernel_h, op.kernel_w); !s.ok()) return s;
  const Shape& src = inputs[0].shape;
  const Shape& diff_dst = inputs[1].shape;
  const Shape expected = {src[0], OutputExtent(src[1], op.kernel_h, op.stride, op.padding),
                          OutputExtent(src[2], op.kernel_w, op.stride, op.padding), diff_dst[3]};
  if (auto s = CheckSame(op.kName, "diff_dst", diff_dst, expected); !s.ok()) return s;
  if (auto s = CheckGroups(op.kName, op.groups, src[3], "the source"); !s.ok()) return s;
  if (auto s = CheckGroups(op.kName, op.groups, diff_dst[3], "diff_dst"); !s.ok()) return s;
  Descs outputs = {{inputs[0].dtype, {diff_dst[3], src[3] / op.groups, op.kernel_h, op.kernel_w}}};
  if (op.has_bias) outputs.push_back({inputs[0].dtype, {diff_dst[3]}});
  return outputs;
}

Gradients Gradient(const Conv2d& op, const GradientRequest& request) {
  Graph& g = request.graph;
  if (op.has_addend || op.activation != Activation::kNone) {
    g.Fail(OperatorError(op.kName, "a fused convolution has no gradient; differentiate before fusing"));
    return Gradients(request.inputs.size());
  }
  const Value src = request.inputs[0], weights = request.inputs[1], diff_dst = request.output_gradients[0];
  const Shape src_shape = g.desc(src).shape, weights_shape = g.desc(weights).shape;  // copies: Apply moves the values
  Gradients gradients(request.inputs.size());
  if (g.NeedsGradient(src)) {
    gradients[0] = g.Apply(Conv2dBackwardData{op.stride, op.padding, op.groups, static_cast<int32_t>(src_shape[1]),
                                              static_cast<int32_t>(src_shape[2])},
                           {diff_dst, weights})[0];
  }
  const Values diff =
      g.Apply(Conv2dBackwardWeights{op.stride, op.padding, op.groups, static_cast<int32_t>(weights_shape[2]),
                                    static_cast<int32_t>(weights_shape[3]), op.has_bias},
              {src, diff_dst});
  gradients[1] = diff[0];
  if (op.has_bias) gradients[2] = diff[1];
  return gradients;
}

Counts Count(const Conv2d& op, DescSpan inputs, DescSpan outputs) {
  const Shape& weights = inputs[1].shape;
  const int64_t dst = outputs[0].elements();
  return {.macs = dst * weights[1] * weights[2] * weights[3], .bias_adds = op.has_bias ? dst : 0};
}

Counts Count(const Conv2dBackwardData&, DescSpan inputs, DescSpan) {
  const Shape& weights = inputs[1].shape;
  return {.macs = inputs[0].elements() * weights[1] * weights[2] * weights[3]};
}

Counts Count(const Conv2dBackwardWeights&, DescSpan inputs, DescSpan outputs) {
  const Shape& weights = outputs[0].shape;
  return {.macs = inputs[1].elements() * weights[1] * weights[2] * weights[3]};
}

Value Convolve(Graph& g, Value src, Value weights, Value bias, int32_t stride, int32_t padding, int32_t groups) {
  const Conv2d op = {.stride = stride, .padding = padding, .groups = groups, .has_bias = bias.valid()};
  Values inputs = {src, weights};
  if (bias.valid()) inputs.push_back(bias);
  return g.Apply(op, inputs)[0];
}

}  // namespace mathnas::kernels
