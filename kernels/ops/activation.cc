#include "kernels/ops/activation.h"

#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

absl::StatusOr<Descs> SameAsInput(std::string_view op, DescSpan inputs) {
  if (auto s = CheckInputs(op, inputs, {kAnyRank}); !s.ok()) return s;
  return Descs{inputs[0]};
}

absl::StatusOr<Descs> SameAsBoth(std::string_view op, DescSpan inputs) {
  if (auto s = CheckInputs(op, inputs, {kAnyRank, kAnyRank}); !s.ok()) return s;
  if (auto s = CheckSame(op, "diff_y", inputs[1].shape, inputs[0].shape); !s.ok()) return s;
  return Descs{inputs[0]};
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const HardSwish& op, DescSpan inputs) { return SameAsInput(op.kName, inputs); }
absl::StatusOr<Descs> InferOutputs(const HardSwishBackward& op, DescSpan in) { return SameAsBoth(op.kName, in); }
absl::StatusOr<Descs> InferOutputs(const HardSigmoid& op, DescSpan inputs) { return SameAsInput(op.kName, inputs); }
absl::StatusOr<Descs> InferOutputs(const HardSigmoidBackward& op, DescSpan in) { return SameAsBoth(op.kName, in); }
absl::StatusOr<Descs> InferOutputs(const Swish& op, DescSpan inputs) { return SameAsInput(op.kName, inputs); }
absl::StatusOr<Descs> InferOutputs(const SwishBackward& op, DescSpan in) { return SameAsBoth(op.kName, in); }

Gradients Gradient(const HardSwish&, const GradientRequest& r) {
  return {r.graph.Apply(HardSwishBackward{}, {r.inputs[0], r.output_gradients[0]})[0]};
}

Gradients Gradient(const HardSigmoid&, const GradientRequest& r) {
  return {r.graph.Apply(HardSigmoidBackward{}, {r.inputs[0], r.output_gradients[0]})[0]};
}

Gradients Gradient(const Swish&, const GradientRequest& r) {
  return {r.graph.Apply(SwishBackward{}, {r.inputs[0], r.output_gradients[0]})[0]};
}

}  // namespace mathnas::kernels
