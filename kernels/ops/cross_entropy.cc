#include "kernels/ops/cross_entropy.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

// One label to a row of logits.
absl::Status CheckLabels(std::string_view op, const TensorDesc& rows, const TensorDesc& labels) {
  if (rows.shape.empty()) return OperatorError(op, "a scalar, expected rows of classes");
  return CheckSame(op, "labels", labels.shape, Shape(rows.shape.begin(), rows.shape.end() - 1));
}

absl::Status CheckMean(std::string_view op, const TensorDesc& logits) {
  if (logits.elements() > 0) return absl::OkStatus();
  return OperatorError(op, fmt::format("logits {}: a mean over nothing", ToString(logits.shape)));
}

Gradients NoProbabilities(std::string_view op, const GradientRequest& r) {
  r.graph.Fail(OperatorError(op, "probabilities are for the backward pass; a loss cannot depend on them"));
  return Gradients(r.inputs.size());
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const SoftmaxCrossEntropy& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank, kIntegers}); !s.ok()) return s;
  if (auto s = CheckLabels(op.kName, inputs[0], inputs[1]); !s.ok()) return s;
  if (auto s = CheckMean(op.kName, inputs[0]); !s.ok()) return s;
  if (!(op.label_smoothing >= 0 && op.label_smoothing < 1)) {
    return OperatorError(op.kName, fmt::format("label_smoothing {}: expected 0 <= x < 1", op.label_smoothing));
  }
  return Descs{{inputs[0].dtype, {}}, inputs[0]};
}

absl::StatusOr<Descs> InferOutputs(const SoftmaxCrossEntropyBackward& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank, kIntegers, 0}); !s.ok()) return s;
  if (auto s = CheckLabels(op.kName, inputs[0], inputs[1]); !s.ok()) return s;
  return Descs{inputs[0]};
}

Gradients Gradient(const SoftmaxCrossEntropy& op, const GradientRequest& r) {
  if (r.output_gradients[1].valid()) return NoProbabilities(op.kName, r);
  return {r.graph.Apply(SoftmaxCrossEntropyBackward{op.label_smoothing, op.ignored_label, op.sum},
                        {r.outputs[1], r.inputs[1], r.output_gradients[0]})[0],
          Value{}};
}

absl::StatusOr<Descs> InferOutputs(const SoftTargetCrossEntropy& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {2, 2}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "targets", inputs[1].shape, inputs[0].shape); !s.ok()) return s;
  if (auto s = CheckMean(op.kName, inputs[0]); !s.ok()) return s;
  return Descs{{inputs[0].dtype, {}}, inputs[0]};
}

absl::StatusOr<Descs> InferOutputs(const SoftTargetCrossEntropyBackward& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {2, 2, 0}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "targets", inputs[1].shape, inputs[0].shape); !s.ok()) return s;
  return Descs{inputs[0]};
}

Gradients Gradient(const SoftTargetCrossEntropy& op, const GradientRequest& r) {
  if (r.output_gradients[1].valid()) return NoProbabilities(op.kName, r);
  return {r.graph.Apply(SoftTargetCrossEntropyBackward{}, {r.outputs[1], r.inputs[1], r.output_gradients[0]})[0],
          Value{}};
}

}  // namespace mathnas::kernels
