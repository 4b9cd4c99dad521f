#include "kernels/ops/layer_scale.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

absl::Status CheckTable(std::string_view op, const Shape& table, int64_t row, const Shape& x) {
  if (!table.empty() && !x.empty() && row >= 0 && row < RowsOf(table) && table.back() >= x.back()) {
    return absl::OkStatus();
  }
  return OperatorError(op, fmt::format("row {} of a table {}, expected one of its rows, as wide as the channels of {}",
                                       row, ToString(table), ToString(x)));
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const LayerScale& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank, kAnyRank}); !s.ok()) return s;
  if (auto s = CheckTable(op.kName, inputs[1].shape, op.row, inputs[0].shape); !s.ok()) return s;
  return Descs{inputs[0]};
}

absl::StatusOr<Descs> InferOutputs(const LayerScaleBackwardTable& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank, kAnyRank}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_y", inputs[1].shape, inputs[0].shape); !s.ok()) return s;
  const Shape table = op.shape.shape();
  if (auto s = CheckTable(op.kName, table, op.row, inputs[0].shape); !s.ok()) return s;
  return Descs{{inputs[0].dtype, table}};
}

Gradients Gradient(const LayerScale& op, const GradientRequest& r) {
  Graph& g = r.graph;
  Gradients gradients(2);
  if (g.NeedsGradient(r.inputs[0])) gradients[0] = g.Apply(op, {r.output_gradients[0], r.inputs[1]})[0];
  const Shape& table = g.desc(r.inputs[1]).shape;
  const LayerScaleBackwardTable backward = {op.row, op.factor, table};
  gradients[1] = g.Apply(backward, {r.inputs[0], r.output_gradients[0]})[0];
  return gradients;
}

}  // namespace mathnas::kernels
