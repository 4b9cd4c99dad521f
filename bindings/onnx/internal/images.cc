// Convolutions, pooling and what else is of images: the axes of ONNX are {N,C,H,W}.
#include <utility>

#include "bindings/onnx/internal/operators.h"
#include "fmt/format.h"

namespace mathnas::onnx::internal {
namespace {

using kernels::Shape;
using kernels::Value;
using Integers = std::vector<int64_t>;

Integers Twice(int64_t value) { return {value, value}; }
Integers FourTimes(int64_t value) { return {value, value, value, value}; }

std::string Convolution(Emitter& e, std::string x, Value weights, Value bias, int64_t stride, int64_t padding,
                        int64_t groups) {
  const Shape& kernel = e.shape(weights);
  std::vector<std::string> inputs = {std::move(x), e.Weight(weights)};
  if (bias.valid()) inputs.push_back(e.Weight(bias));
  return e.Add("Conv", std::move(inputs),
               {{"kernel_shape", Integers{kernel[2], kernel[3]}},
                {"strides", Twice(stride)},
                {"pads", FourTimes(padding)},
                {"group", groups}});
}

}  // namespace

absl::Status Emit(const kernels::Conv2d& op, const Step& step, Emitter& e) {
  const Value bias = op.has_bias ? step.inputs[2] : Value{};
  std::string y = Convolution(e, e.Read(step.inputs[0], Layout::kChannelsFirst), step.inputs[1], bias, op.stride,
                              op.padding, op.groups);
  if (op.has_addend) y = e.Add("Add", {y, e.Read(step.inputs.back(), Layout::kChannelsFirst)});
  e.Set(step.outputs[0], Layout::kChannelsFirst, Activated(e, std::move(y), op.activation));
  return absl::OkStatus();
}

absl::Status Emit(const kernels::ExpandDepthwise& op, const Step& step, Emitter& e) {
  const auto& in = step.inputs;
  std::string y = Convolution(e, e.Read(in[0], Layout::kChannelsFirst), in[1], in[2], 1, 0, 1);
  y = Activated(e, std::move(y), op.expand_activation);
  y = Convolution(e, std::move(y), in[3], in[4], op.stride, op.padding, e.shape(in[3])[0]);
  e.Set(step.outputs[0], Layout::kChannelsFirst, Activated(e, std::move(y), op.activation));
  return absl::OkStatus();
}

absl::Status Emit(const kernels::AvgPool2d& op, const Step& step, Emitter& e) {
  e.Set(step.outputs[0], Layout::kChannelsFirst,
        e.Add("AveragePool", {e.Read(step.inputs[0], Layout::kChannelsFirst)},
              {{"kernel_shape", Twice(op.kernel)},
               {"strides", Twice(op.stride)},
               {"pads", FourTimes(op.padding)},
               {"count_include_pad", int64_t{op.include_padding}}}));
  return absl::OkStatus();
}

absl::Status Emit(const kernels::GlobalAvgPool&, const Step& step, Emitter& e) {
  e.Set(step.outputs[0], Layout::kPooled, e.Add("GlobalAveragePool", {e.Read(step.inputs[0], Layout::kChannelsFirst)}));
  return absl::OkStatus();
}

// Sizes, not scales, which are rounded; those of the first two axes are the input's own.
absl::Status Emit(const kernels::Resize& op, const Step& step, Emitter& e) {
  const std::string x = e.Read(step.inputs[0], Layout::kChannelsFirst);
  const std::string same = e.Add("Shape", {x}, {{"start", int64_t{0}}, {"end", int64_t{2}}});
  const std::string sizes = e.Add("Concat", {same, e.Integers({op.height, op.width})}, {{"axis", int64_t{0}}});
  e.Set(step.outputs[0], Layout::kChannelsFirst,
        e.Add("Resize", {x, "", "", sizes},
              {{"mode", std::string("cubic")},
               {"coordinate_transformation_mode", std::string("half_pixel")},
               {"cubic_coeff_a", -0.75F}}));
  return absl::OkStatus();
}

absl::Status Emit(const kernels::ScaleChannels&, const Step& step, Emitter& e) {
  e.Set(step.outputs[0], Layout::kChannelsFirst,
        e.Add("Mul", {e.Read(step.inputs[0], Layout::kChannelsFirst), e.Read(step.inputs[1], Layout::kPooled)}));
  return absl::OkStatus();
}

}  // namespace mathnas::onnx::internal
