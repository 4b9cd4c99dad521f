#include "kernels/ops/embedding.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

Shape WithFeatures(Shape ids, int64_t features) {
  ids.push_back(features);
  return ids;
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const Embedding& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kIntegers, 2}); !s.ok()) return s;
  return Descs{{inputs[1].dtype, WithFeatures(inputs[0].shape, inputs[1].shape[1])}};
}

absl::StatusOr<Descs> InferOutputs(const EmbeddingBackward& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kIntegers, kAnyRank}); !s.ok()) return s;
  const Shape& diff_y = inputs[1].shape;
  if (op.rows < 1) return OperatorError(op.kName, fmt::format("rows {}, expected at least 1", op.rows));
  if (diff_y.empty()) return OperatorError(op.kName, "diff_y is a scalar, expected rows of features");
  if (auto s = CheckSame(op.kName, "diff_y", diff_y, WithFeatures(inputs[0].shape, diff_y.back())); !s.ok()) return s;
  return Descs{{inputs[1].dtype, {op.rows, diff_y.back()}}};
}

absl::StatusOr<Descs> InferOutputs(const AccumulateRows& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {2, kIntegers, kAnyRank}); !s.ok()) return s;
  const Shape expected = WithFeatures(inputs[1].shape, inputs[0].shape[1]);
  if (auto s = CheckSame(op.kName, "diff_y", inputs[2].shape, expected); !s.ok()) return s;
  return Descs{};
}

Gradients Gradient(const Embedding& op, const GradientRequest& r) {
  Gradients gradients(2);
  const auto rows = static_cast<int32_t>(r.graph.desc(r.inputs[1]).shape[0]);
  const EmbeddingBackward backward = {op.scale, op.padding, rows};
  gradients[1] = r.graph.Apply(backward, {r.inputs[0], r.output_gradients[0]})[0];
  return gradients;
}

Counts Count(const Embedding&, DescSpan, DescSpan outputs) { return {.scalings = outputs[0].elements()}; }

}  // namespace mathnas::kernels
