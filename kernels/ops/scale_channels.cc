#include "kernels/ops/scale_channels.h"

#include "kernels/graph.h"

namespace mathnas::kernels {

absl::StatusOr<Descs> InferOutputs(const ScaleChannels& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4, 2}); !s.ok()) return s;
  const Shape& x = inputs[0].shape;
  if (auto s = CheckSame(op.kName, "scale", inputs[1].shape, {x[0], x[3]}); !s.ok()) return s;
  return Descs{inputs[0]};
}

absl::StatusOr<Descs> InferOutputs(const ScaleChannelsBackwardScale& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4, 4}); !s.ok()) return s;
  const Shape& x = inputs[0].shape;
  if (auto s = CheckSame(op.kName, "diff_y", inputs[1].shape, x); !s.ok()) return s;
  return Descs{{inputs[0].dtype, {x[0], x[3]}}};
}

Gradients Gradient(const ScaleChannels& op, const GradientRequest& r) {
  const Value diff_y = r.output_gradients[0];
  Gradients gradients(2);
  if (r.graph.NeedsGradient(r.inputs[0])) gradients[0] = r.graph.Apply(op, {diff_y, r.inputs[1]})[0];
  if (r.graph.NeedsGradient(r.inputs[1])) {
    gradients[1] = r.graph.Apply(ScaleChannelsBackwardScale{}, {r.inputs[0], diff_y})[0];
  }
  return gradients;
}

}  // namespace mathnas::kernels
