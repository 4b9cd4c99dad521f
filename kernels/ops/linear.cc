#include "kernels/ops/linear.h"

#include "fmt/format.h"
#include "kernels/graph.h"
#include "kernels/ops/convert.h"

namespace mathnas::kernels {

namespace {

// {O,I} or {O,I,1,1}.
absl::Status CheckWeights(std::string_view op, const Shape& weights) {
  const bool fits = weights.size() == 2 || (weights.size() == 4 && weights[2] == 1 && weights[3] == 1);
  if (fits) return absl::OkStatus();
  return OperatorError(op, fmt::format("weights are {}, expected {{O,I}} or {{O,I,1,1}}", ToString(weights)));
}

absl::Status CheckRows(std::string_view op, std::string_view what, const Shape& shape) {
  if (!shape.empty()) return absl::OkStatus();
  return OperatorError(op, fmt::format("{} is a scalar, expected rows of features", what));
}

// `shape` with `last` features.
Shape WithFeatures(Shape shape, int64_t last) {
  shape.back() = last;
  return shape;
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const Linear& op, DescSpan inputs) {
  absl::InlinedVector<int, 3> ranks = {kAnyRank, kAnyRank};
  if (op.has_bias) ranks.push_back(1);
  if (auto s = CheckInputs(op.kName, inputs, ranks); !s.ok()) return s;
  const Shape& src = inputs[0].shape;
  const Shape& weights = inputs[1].shape;
  if (auto s = CheckRows(op.kName, "src", src); !s.ok()) return s;
  if (auto s = CheckWeights(op.kName, weights); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "weights", {weights[0], weights[1]}, {weights[0], src.back()}); !s.ok()) return s;
  if (op.has_bias) {
    if (auto s = CheckSame(op.kName, "bias", inputs[2].shape, {weights[0]}); !s.ok()) return s;
  }
  return Descs{{inputs[0].dtype, WithFeatures(src, weights[0])}};
}

absl::StatusOr<Descs> InferOutputs(const LinearBackwardData& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank, kAnyRank}); !s.ok()) return s;
  const Shape& diff_dst = inputs[0].shape;
  const Shape& weights = inputs[1].shape;
  if (auto s = CheckRows(op.kName, "diff_dst", diff_dst); !s.ok()) return s;
  if (auto s = CheckWeights(op.kName, weights); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_dst", diff_dst, WithFeatures(diff_dst, weights[0])); !s.ok()) return s;
  return Descs{{inputs[0].dtype, WithFeatures(diff_dst, weights[1])}};
}

absl::StatusOr<Descs> InferOutputs(const LinearBackwardWeights& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank, kAnyRank}); !s.ok()) return s;
  const Shape& src = inputs[0].shape;
  const Shape& diff_dst = inputs[1].shape;
  if (auto s = CheckRows(op.kName, "src", src); !s.ok()) return s;
  if (auto s = CheckRows(op.kName, "diff_dst", diff_dst); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_dst", diff_dst, WithFeatures(src, diff_dst.back())); !s.ok()) return s;
  Descs outputs = {{inputs[0].dtype, {diff_dst.back(), src.back()}}};
  if (op.convolution) outputs[0].shape = {diff_dst.back(), src.back(), 1, 1};
  if (op.has_bias) outputs.push_back({inputs[0].dtype, {diff_dst.back()}});
  return outputs;
}

Gradients Gradient(const Linear& op, const GradientRequest& r) {
  Graph& g = r.graph;
  Gradients gradients(r.inputs.size());
  const Value diff_dst = Converted(g, r.output_gradients[0], g.desc(r.inputs[0]).dtype);  // wide_dst
  if (g.NeedsGradient(r.inputs[0])) gradients[0] = g.Apply(LinearBackwardData{}, {diff_dst, r.inputs[1]})[0];
  const bool convolution = g.desc(r.inputs[1]).shape.size() == 4;
  const Values diff = g.Apply(LinearBackwardWeights{op.has_bias, convolution}, {r.inputs[0], diff_dst});
  gradients[1] = diff[0];
  if (op.has_bias) gradients[2] = diff[1];
  return gradients;
}

Counts Count(const Linear& op, DescSpan inputs, DescSpan outputs) {
  const int64_t dst = outputs[0].elements();
  return {.macs = dst * inputs[0].shape.back(), .bias_adds = op.has_bias ? dst : 0};
}

Counts Count(const LinearBackwardData&, DescSpan inputs, DescSpan outputs) {
  return {.macs = inputs[0].elements() * outputs[0].shape.back()};
}

Counts Count(const LinearBackwardWeights&, DescSpan inputs, DescSpan) {
  return {.macs = inputs[1].elements() * inputs[0].shape.back()};
}

}  // namespace mathnas::kernels
