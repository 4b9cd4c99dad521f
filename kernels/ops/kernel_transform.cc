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

// Inputs of rank 4 and, if there is one, the matrix of a k x k kernel.
absl::Status CheckMatrix(std::string_view op, bool has_matrix, DescSpan inputs, int64_t k) {
  if (!has_matrix) return absl::OkStatus();
  return CheckSame(op, "matrix", inputs[1].shape, {k * k, k * k});
}
absl::Status CheckRanks(std::string_view op, bool has_matrix, DescSpan inputs) {
  return has_matrix ? CheckInputs(op, inputs, {4, 2}) : CheckInputs(op, inputs, {4});
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const KernelTransform& op, DescSpan inputs) {
  if (auto s = CheckRanks(op.kName, op.has_matrix, inputs); !s.ok()) return s;
  const Shape& weights = inputs[0].shape;
  const int64_t k = op.kernel;
  if (auto s = CheckCentre(op.kName, weights, k); !s.ok()) return s;
  if (auto s = CheckMatrix(op.kName, op.has_matrix, inputs, k); !s.ok()) return s;
  return Descs{{inputs[0].dtype, {weights[0], 1, k, k}}};
}

absl::StatusOr<Descs> InferOutputs(const KernelTransformBackwardWeights& op, DescSpan inputs) {
  if (auto s = CheckRanks(op.kName, op.has_matrix, inputs); !s.ok()) return s;
  const int64_t k = inputs[0].shape[2], source = op.source_kernel;
  const Shape weights = {inputs[0].shape[0], 1, source, source};
  if (auto s = CheckCentre(op.kName, weights, k); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_y", inputs[0].shape, {weights[0], 1, k, k}); !s.ok()) return s;
  if (auto s = CheckMatrix(op.kName, op.has_matrix, inputs, k); !s.ok()) return s;
  return Descs{{inputs[0].dtype, weights}};
}

absl::StatusOr<Descs> InferOutputs(const KernelTransformBackwardMatrix& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4, 4}); !s.ok()) return s;
  const int64_t k = inputs[1].shape[2];
  if (auto s = CheckCentre(op.kName, inputs[0].shape, k); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_y", inputs[1].shape, {inputs[0].shape[0], 1, k, k}); !s.ok()) return s;
  return Descs{{inputs[0].dtype, {k * k, k * k}}};
}

Gradients Gradient(const KernelTransform& op, const GradientRequest& r) {
  const Value weights = r.inputs[0], diff_y = r.output_gradients[0];
  Gradients gradients(r.inputs.size());
  if (r.graph.NeedsGradient(weights)) {
    const auto source = static_cast<int32_t>(r.graph.desc(weights).shape[2]);
    Values inputs = {diff_y};
    inputs.insert(inputs.end(), r.inputs.begin() + 1, r.inputs.end());
    gradients[0] = r.graph.Apply(KernelTransformBackwardWeights{source, op.has_matrix}, inputs)[0];
  }
  if (op.has_matrix && r.graph.NeedsGradient(r.inputs[1])) {
    gradients[1] = r.graph.Apply(KernelTransformBackwardMatrix{}, {weights, diff_y})[0];
  }
  return gradients;
}

}  // namespace mathnas::kernels
