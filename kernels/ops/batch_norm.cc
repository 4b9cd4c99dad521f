#include "kernels/ops/batch_norm.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

// x has a channel axis; all inputs from `first` on are vectors over it.
absl::Status CheckChannelVectors(std::string_view op, DescSpan inputs, size_t count, size_t first) {
  if (inputs.size() != count) return OperatorError(op, fmt::format("{} inputs, expected {}", inputs.size(), count));
  if (inputs[0].shape.empty()) return OperatorError(op, "input 0 is a scalar, expected a channel axis");
  if (auto s = CheckFloating(op, inputs); !s.ok()) return s;
  for (size_t i = first; i < count; ++i) {
    auto s = CheckSame(op, fmt::format("input {}", i), inputs[i].shape, {inputs[0].shape.back()});
    if (!s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const BatchNormTraining& op, DescSpan inputs) {
  const size_t count = 1 + (op.affine ? 2 : 0) + (op.track ? 2 : 0);
  if (auto s = CheckChannelVectors(op.kName, inputs, count, 1); !s.ok()) return s;
  if (inputs[0].elements() == 0) return OperatorError(op.kName, "an empty batch has no statistics");
  const TensorDesc vector = {inputs[0].dtype, {inputs[0].shape.back()}};
  return Descs{inputs[0], vector, vector};
}

absl::StatusOr<Descs> InferOutputs(const BatchNormMoments& op, DescSpan inputs) {
  if (auto s = CheckChannelVectors(op.kName, inputs, op.track ? 3 : 1, 1); !s.ok()) return s;
  if (inputs[0].elements() == 0) return OperatorError(op.kName, "an empty batch has no statistics");
  const TensorDesc vector = {inputs[0].dtype, {inputs[0].shape.back()}};
  return Descs{vector, vector};
}

absl::StatusOr<Descs> InferOutputs(const BatchNormBackward& op, DescSpan inputs) {
  if (auto s = CheckChannelVectors(op.kName, inputs, op.affine ? 5 : 4, 2); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_y", inputs[1].shape, inputs[0].shape); !s.ok()) return s;
  Descs outputs = {inputs[0]};
  if (op.affine) outputs.insert(outputs.end(), 2, TensorDesc{inputs[0].dtype, {inputs[0].shape.back()}});
  return outputs;
}

absl::StatusOr<Descs> InferOutputs(const BatchNormInference& op, DescSpan inputs) {
  if (auto s = CheckChannelVectors(op.kName, inputs, op.affine ? 5 : 3, 1); !s.ok()) return s;
  return Descs{inputs[0]};
}

Gradients Gradient(const BatchNormTraining& op, const GradientRequest& request) {
  if (request.output_gradients[1].valid() || request.output_gradients[2].valid()) {
    request.graph.Fail(
        OperatorError(op.kName, "mean and inv_std are for the backward pass; a loss cannot depend on them"));
    return Gradients(request.inputs.size());
  }
  Values inputs = {request.inputs[0], request.output_gradients[0], request.outputs[1], request.outputs[2]};
  if (op.affine) inputs.push_back(request.inputs[1]);
  const Values diff = request.graph.Apply(BatchNormBackward{.affine = op.affine}, inputs);
  Gradients gradients(request.inputs.size());
  gradients[0] = diff[0];
  if (op.affine) gradients[1] = diff[1], gradients[2] = diff[2];
  return gradients;
}

}  // namespace mathnas::kernels
