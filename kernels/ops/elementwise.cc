#include "kernels/ops/elementwise.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

absl::StatusOr<Descs> SameAsInput(std::string_view op, DescSpan inputs) {
  if (auto s = CheckInputs(op, inputs, {-1}); !s.ok()) return s;
  return Descs{inputs[0]};
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const Relu& op, DescSpan inputs) { return SameAsInput(op.kName, inputs); }
absl::StatusOr<Descs> InferOutputs(const Scale& op, DescSpan inputs) { return SameAsInput(op.kName, inputs); }
absl::StatusOr<Descs> InferOutputs(const Zero& op, DescSpan inputs) { return SameAsInput(op.kName, inputs); }

absl::StatusOr<Descs> InferOutputs(const ReluBackward& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {-1, -1}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_y", inputs[1].shape, inputs[0].shape); !s.ok()) return s;
  return Descs{inputs[0]};
}

absl::StatusOr<Descs> InferOutputs(const Add& op, DescSpan inputs) {
  if (inputs.empty()) return OperatorError(op.kName, "no inputs, expected at least 1");
  for (size_t i = 1; i < inputs.size(); ++i) {
    auto s = CheckSame(op.kName, fmt::format("input {}", i), inputs[i].shape, inputs[0].shape);
    if (!s.ok()) return s;
  }
  return Descs{inputs[0]};
}

absl::StatusOr<Descs> InferOutputs(const Fill& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {}); !s.ok()) return s;
  return Descs{{DType::kF32, Shape(op.shape.begin(), op.shape.end())}};
}

absl::StatusOr<Descs> InferOutputs(const Accumulate& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {-1, -1}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "the addend", inputs[1].shape, inputs[0].shape); !s.ok()) return s;
  return Descs{};
}

Gradients Gradient(const Relu&, const GradientRequest& r) {
  return {r.graph.Apply(ReluBackward{}, {r.outputs[0], r.output_gradients[0]})[0]};
}

Gradients Gradient(const Add&, const GradientRequest& r) { return Gradients(r.inputs.size(), r.output_gradients[0]); }

Gradients Gradient(const Scale& op, const GradientRequest& r) {
  return {r.graph.Apply(op, {r.output_gradients[0]})[0]};
}

}  // namespace mathnas::kernels
