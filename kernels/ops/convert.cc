#include "kernels/ops/convert.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {

absl::StatusOr<Descs> InferOutputs(const Convert& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank}); !s.ok()) return s;
  if (op.to != DType::kF32 && !IsLow(op.to)) {
    return OperatorError(op.kName, fmt::format("to {}, expected F32, BF16 or F16", Name(op.to)));
  }
  return Descs{inputs[0]};
}

Gradients Gradient(const Convert&, const GradientRequest& r) {
  return {Converted(r.graph, r.output_gradients[0], r.graph.desc(r.inputs[0]).dtype)};
}

Value Converted(Graph& graph, Value x, DType to) {
  return graph.desc(x).dtype == to ? x : graph.Apply(Convert{to}, {x})[0];
}

}  // namespace mathnas::kernels
