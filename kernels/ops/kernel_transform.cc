#include "kernels/ops/kernel_transform.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

// That a k x k kernel is the centre of each of weights{C,1,K,K}.
absl::Status CheckCentre(std::string_view op, const Shape& weights, int64_t kernel) {
  const int64_t around = weights[2] - kernel;
  if (weights[1] == 1 && weights[2] == weights[3] && kernel >= 1 && around >= 0 && around % 2 == 0) {
    return absl::OkStatus();
  }
  return OperatorError(op, fmt::format("weights {} have no {} x {} kernels at their centres, expected Cx1xKxK",
                                       ToString(weights), kernel, kernel));
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const KernelTransform& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4, 2}); !s.ok()) return s;
  const Shape& weights = inputs[0].shape;
  const int64_t k = op.kernel;
  if (auto s = CheckCentre(op.kName, weights, k); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "matrix", inputs[1].shape, {k * k, k * k}); !s.ok()) return s;
  return Descs{{inputs[0].dtype, {weights[0], 1, k, k}}};
}

absl::StatusOr<Descs> InferOutputs(const KernelTransformBackwardWeights& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4, 2}); !s.ok()) return s;
  const int64_t k = inputs[0].shape[2], source = op.source_kernel;
  const Shape weights = {inputs[0].shape[0], 1, source, source};
  if (auto s = CheckCentre(op.kName, weights, k); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_y", inputs[0].shape, {weights[0], 1, k, k}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "matrix", inputs[1].shape, {k * k, k * k}); !s.ok()) return s;
  return Descs{{inputs[0].dtype, weights}};
}

absl::StatusOr<Descs> InferOutputs(const KernelTransformBackwardMatrix& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4, 4}); !s.ok()) return s;
  const int64_t k = inputs[1].shape[2];
  if (auto s = CheckCentre(op.kName, inputs[0].shape, k); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_y", inputs[1].shape, {inputs[0].shape[0], 1, k, k}); !s.ok()) return s;
  return Descs{{inputs[0].dtype, {k * k, k * k}}};
}

Gradients Gradient(const KernelTransform&, const GradientRequest& r) {
  const Value weights = r.inputs[0], matrix = r.inputs[1], diff_y = r.output_gradients[0];
  Gradients gradients(2);
  if (r.graph.NeedsGradient(weights)) {
    const auto source = static_cast<int32_t>(r.graph.desc(weights).shape[2]);
    gradients[0] = r.graph.Apply(KernelTransformBackwardWeights{source}, {diff_y, matrix})[0];
  }
  if (r.graph.NeedsGradient(matrix)) {
    gradients[1] = r.graph.Apply(KernelTransformBackwardMatrix{}, {weights, diff_y})[0];
  }
  return gradients;
}

}  // namespace mathnas::kernels
