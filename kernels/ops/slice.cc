#include "kernels/ops/slice.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {

absl::StatusOr<Descs> InferOutputs(const Slice& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank}); !s.ok()) return s;
  const TensorDesc& x = inputs[0];
  const size_t rank = x.shape.size();
  const bool rows_fit = rank >= 1 && op.begin >= 0 && op.rows >= 1 && op.rows <= x.shape[0] - op.begin;
  const bool columns_fit = op.columns == 0 || (rank >= 2 && op.columns >= 1 && op.columns <= x.shape[1]);
  if (!rows_fit || !columns_fit) {
    return OperatorError(op.kName, fmt::format("rows {} to {} and columns to {} (0: all) are not within {}", op.begin,
                                               int64_t{op.begin} + op.rows, op.columns, ToString(x.shape)));
  }
  TensorDesc y = x;
  y.shape[0] = op.rows;
  if (op.columns != 0 && op.columns != x.shape[1]) {
    y.shape[1] = op.columns;
    y.row_stride = x.row_elements();
  }
  return Descs{y};
}

Value Leading(Graph& g, Value leaf, int64_t rows, int64_t columns) {
  if (leaf.valid()) {
    const Shape& shape = g.desc(leaf).shape;
    const bool all_columns = columns == 0 || (shape.size() > 1 && columns == shape[1]);
    if (all_columns && !shape.empty() && rows == shape[0]) return leaf;
  }
  return g.Apply(Slice{.rows = static_cast<int32_t>(rows), .columns = static_cast<int32_t>(columns)}, {leaf})[0];
}

}  // namespace mathnas::kernels
