#include "kernels/ops/elementwise.h"

#include <algorithm>

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

absl::StatusOr<Descs> SameAsInput(std::string_view op, DescSpan inputs) {
  if (auto s = CheckInputs(op, inputs, {kAnyRank}); !s.ok()) return s;
  return Descs{inputs[0]};
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const Relu& op, DescSpan inputs) { return SameAsInput(op.kName, inputs); }
absl::StatusOr<Descs> InferOutputs(const Scale& op, DescSpan inputs) { return SameAsInput(op.kName, inputs); }
absl::StatusOr<Descs> InferOutputs(const Zero& op, DescSpan inputs) { return SameAsInput(op.kName, inputs); }

absl::StatusOr<Descs> InferOutputs(const ReluBackward& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank, kAnyRank}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_y", inputs[1].shape, inputs[0].shape); !s.ok()) return s;
  return Descs{inputs[0]};
}

absl::StatusOr<Descs> InferOutputs(const Add& op, DescSpan inputs) {
  if (inputs.empty()) return OperatorError(op.kName, "no inputs, expected at least 1");
  if (auto s = CheckFloating(op.kName, inputs); !s.ok()) return s;
  for (size_t i = 1; i < inputs.size(); ++i) {
    auto s = CheckSame(op.kName, fmt::format("input {}", i), inputs[i].shape, inputs[0].shape);
    if (!s.ok()) return s;
  }
  return Descs{inputs[0]};
}

absl::StatusOr<Descs> InferOutputs(const Fill& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {}); !s.ok()) return s;
  if (op.shape.rank() > Extents::kMaxRank) {
    return OperatorError(op.kName, fmt::format("rank {}, expected at most {}", op.shape.rank(), Extents::kMaxRank));
  }
  const Shape shape = op.shape.shape();
  if (std::any_of(shape.begin(), shape.end(), [](int64_t extent) { return extent < 0; })) {
    return OperatorError(op.kName, fmt::format("shape {}: an extent is negative", ToString(shape)));
  }
  return Descs{{DType::kF32, shape}};
}

absl::StatusOr<Descs> InferOutputs(const Accumulate& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank, kAnyRank}); !s.ok()) return s;
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
