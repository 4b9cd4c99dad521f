#include "kernels/ops/layer_norm.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

absl::Status CheckAxes(std::string_view op, const Shape& x, int32_t axes) {
  if (axes < 1 || static_cast<size_t>(axes) > x.size()) {
    return OperatorError(op, fmt::format("axes {} of {}, expected 1 to its rank", axes, ToString(x)));
  }
  if (LayerNormGroup(x, axes) < 1) {
    return OperatorError(op, fmt::format("the last {} axes of {} hold nothing to normalise", axes, ToString(x)));
  }
  return absl::OkStatus();
}

}  // namespace

int64_t LayerNormGroup(const Shape& x, int32_t axes) {
  int64_t elements = 1;
  for (size_t i = x.size() - static_cast<size_t>(axes); i < x.size(); ++i) elements *= x[i];
  return elements;
}

absl::StatusOr<Descs> InferOutputs(const LayerNorm& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank, 1, 1}); !s.ok()) return s;
  const Shape& x = inputs[0].shape;
  if (auto s = CheckAxes(op.kName, x, op.axes); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "gamma", inputs[1].shape, {x.back()}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "beta", inputs[2].shape, {x.back()}); !s.ok()) return s;
  const TensorDesc statistics = {inputs[0].dtype, {inputs[0].elements() / LayerNormGroup(x, op.axes)}};
  return Descs{inputs[0], statistics, statistics};
}

absl::StatusOr<Descs> InferOutputs(const LayerNormBackward& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank, kAnyRank, 1, 1, 1}); !s.ok()) return s;
  const Shape& x = inputs[0].shape;
  if (auto s = CheckAxes(op.kName, x, op.axes); !s.ok()) return s;
  const int64_t groups = inputs[0].elements() / LayerNormGroup(x, op.axes);
  if (auto s = CheckSame(op.kName, "diff_y", inputs[1].shape, x); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "mean", inputs[2].shape, {groups}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "inv_std", inputs[3].shape, {groups}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "gamma", inputs[4].shape, {x.back()}); !s.ok()) return s;
  return Descs{inputs[0], inputs[4], inputs[4]};
}

Gradients Gradient(const LayerNorm& op, const GradientRequest& r) {
  const Values diff = r.graph.Apply(LayerNormBackward{op.axes},
                                    {r.inputs[0], r.output_gradients[0], r.outputs[1], r.outputs[2], r.inputs[1]});
  return {diff[0], diff[1], diff[2]};
}

Counts Count(const LayerNorm&, DescSpan, DescSpan outputs) { return {.scalings = outputs[0].elements()}; }

}  // namespace mathnas::kernels
