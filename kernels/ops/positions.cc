#include "kernels/ops/positions.h"

#include "fmt/format.h"

namespace mathnas::kernels {

absl::StatusOr<Descs> InferOutputs(const SinusoidalPositions& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kIntegers}); !s.ok()) return s;
  if (op.width < 4 || op.width % 2 != 0) {
    return OperatorError(op.kName, fmt::format("width {}, expected an even number of at least 4", op.width));
  }
  if (op.columns < 1 || op.columns > op.width) {
    return OperatorError(op.kName, fmt::format("columns {}, expected 1 to the width, {}", op.columns, op.width));
  }
  if (op.rows < 1 || int64_t{op.rows} * op.width > op.kMaxElements) {
    return OperatorError(op.kName, fmt::format("rows {}, expected at least 1 and at most {} elements of {} a row",
                                               op.rows, op.kMaxElements, op.width));
  }
  if (op.padding < 0 || op.padding >= op.rows) {
    return OperatorError(op.kName, fmt::format("padding {}, expected 0 to {}", op.padding, op.rows - 1));
  }
  Shape shape = inputs[0].shape;
  if (op.from_tokens && shape.empty()) return OperatorError(op.kName, "tokens are a scalar, expected rows of them");
  shape.push_back(op.columns);
  return Descs{{DType::kF32, shape}};
}

Counts Count(const SinusoidalPositions& op, DescSpan inputs, DescSpan) {
  return {.scalings = op.from_tokens ? inputs[0].elements() : 0};
}

}  // namespace mathnas::kernels
