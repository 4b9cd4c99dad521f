// Layers with weights that are no convolutions in the graph, and parts of weights.
#include <limits>

#include "bindings/onnx/internal/operators.h"
#include "fmt/format.h"

namespace mathnas::onnx::internal {
namespace {

using kernels::Shape;
using kernels::Tensor;
using kernels::Value;
using Extents = std::vector<int64_t>;

// A vector of channels as it is added to or multiplied with a value.
std::string Channels(Emitter& e, Value vector, Layout layout) {
  if (layout == Layout::kPlain) return e.Weight(vector);
  return e.Weight(vector, {e.shape(vector)[0], 1, 1});
}

std::string Filled(Emitter& e, int64_t channels, float value) {
  return e.Constant(fmt::format("{} times {}", channels, value), [&] {
    Tensor tensor(kernels::DType::kF32, {channels});
    for (float& v : tensor.as<float>()) v = value;
    return tensor;
  });
}

}  // namespace

// On pixels, and on what pooling leaves of them, a 1x1 convolution; on rows a product.
absl::Status Emit(const kernels::Linear& op, const Step& step, Emitter& e) {
  const Value x = step.inputs[0], weights = step.inputs[1];
  const Shape& shape = e.shape(weights);
  const int64_t out = shape[0], in = shape[1];
  const Layout layout = e.LayoutOf(x);
  const bool pixels = layout == Layout::kChannelsFirst || (layout == Layout::kPooled && shape.size() == 4);
  if (pixels) {
    std::vector<std::string> inputs = {e.Read(x, layout), e.Weight(weights, {out, in, 1, 1})};
    if (op.has_bias) inputs.push_back(e.Weight(step.inputs[2]));
    e.Set(step.outputs[0], layout, e.Add("Conv", inputs, {{"kernel_shape", Extents{1, 1}}}));
    return absl::OkStatus();
  }
  const std::string rows = e.Read(x, Layout::kPlain);
  if (e.shape(x).size() == 2) {
    std::vector<std::string> inputs = {rows, e.Weight(weights, {out, in})};
    if (op.has_bias) inputs.push_back(e.Weight(step.inputs[2]));
    e.Set(step.outputs[0], Layout::kPlain, e.Add("Gemm", inputs, {{"transB", int64_t{1}}}));
    return absl::OkStatus();
  }
  if (shape.size() != 2) return NotInOnnx(fmt::format("weights {} for rows", kernels::ToString(shape)));
  std::string y = e.Add("MatMul", {rows, e.Transposed(weights)});
  if (op.has_bias) y = e.Add("Add", {y, e.Weight(step.inputs[2])});
  e.Set(step.outputs[0], Layout::kPlain, y);
  return absl::OkStatus();
}

absl::Status Emit(const kernels::BatchNormInference& op, const Step& step, Emitter& e) {
  const Value x = step.inputs[0];
  const Layout layout = e.LayoutOf(x);
  if (layout == Layout::kPlain && e.shape(x).size() != 2) {
    return NotInOnnx(fmt::format("an input {}, whose channels are not its second axis", kernels::ToString(e.shape(x))));
  }
  const int64_t channels = e.shape(x).back();
  const size_t statistics = step.inputs.size() - 2;
  std::string y = e.Add("BatchNormalization",
                        {e.Read(x, layout), op.affine ? e.Weight(step.inputs[1]) : Filled(e, channels, 1),
                         op.affine ? e.Weight(step.inputs[2]) : Filled(e, channels, 0),
                         e.Weight(step.inputs[statistics]), e.Weight(step.inputs[statistics + 1])},
                        {{"epsilon", static_cast<float>(op.epsilon)}});
  if (op.relu) y = e.Add("Relu", {y});
  e.Set(step.outputs[0], layout, y);
  return absl::OkStatus();
}

// Over the channels of a row as it is; over all of an image as that of a single channel, whose weight and bias are
// added afterwards by channel.
absl::Status Emit(const kernels::LayerNorm& op, const Step& step, Emitter& e) {
  const Value x = step.inputs[0];
  const Shape& s = e.shape(x);
  const Layout layout = e.NaturalLayout(x);
  const auto epsilon = static_cast<float>(op.epsilon);
  if (layout == Layout::kPlain && op.axes == 1) {
    e.Set(step.outputs[0], layout,
          e.Add("LayerNormalization", {e.Read(x, layout), e.Weight(step.inputs[1]), e.Weight(step.inputs[2])},
                {{"axis", int64_t{-1}}, {"epsilon", epsilon}}));
    return absl::OkStatus();
  }
  if (layout == Layout::kPlain || op.axes != 3) {
    return NotInOnnx(fmt::format("{} axes of an input {}", op.axes, kernels::ToString(s)));
  }
  std::string y = e.Add("Reshape", {e.Read(x, layout), e.Integers({0, 1, -1})});
  y = e.Add("InstanceNormalization", {y, Filled(e, 1, 1), Filled(e, 1, 0)}, {{"epsilon", epsilon}});
  y = e.Add("Reshape", {y, e.Integers({0, s[3], s[1], s[2]})});
  y = e.Add("Mul", {y, Channels(e, step.inputs[1], layout)});
  e.Set(step.outputs[0], layout, e.Add("Add", {y, Channels(e, step.inputs[2], layout)}));
  return absl::OkStatus();
}

// The row of the table, which is a constant to whoever reads the file.
absl::Status Emit(const kernels::LayerScale& op, const Step& step, Emitter& e) {
  const Value x = step.inputs[0], table = step.inputs[1];
  const Layout layout = e.NaturalLayout(x);
  const int64_t channels = e.shape(x).back(), columns = e.shape(table).back();
  std::string row = e.Add("Reshape", {e.Weight(table), e.Integers({-1, columns})});
  row = e.Add("Gather", {row, e.Integer(op.row)}, {{"axis", int64_t{0}}});
  if (channels < columns) row = e.Add("Slice", {row, e.Integers({0}), e.Integers({channels})});
  row = e.Add("Mul", {row, e.Float(op.factor)});
  if (layout == Layout::kChannelsFirst) row = e.Add("Reshape", {row, e.Integers({channels, 1, 1})});
  e.Set(step.outputs[0], layout, e.Add("Mul", {e.Read(x, layout), row}));
  return absl::OkStatus();
}

absl::Status Emit(const kernels::Slice& op, const Step& step, Emitter& e) {
  if (e.IsWritten(e.graph().LeafOf(step.inputs[0]))) return NotInOnnx("a part of a state that is written to");
  Extents starts = {op.begin}, ends = {op.begin + op.rows}, axes = {0};
  if (op.columns > 0) starts.push_back(0), ends.push_back(op.columns), axes.push_back(1);
  e.Set(step.outputs[0], Layout::kPlain,
        e.Add("Slice", {e.Weight(step.inputs[0]), e.Integers(starts), e.Integers(ends), e.Integers(axes)}));
  return absl::OkStatus();
}

}  // namespace mathnas::onnx::internal
