#include "kernels/ops/normalized_sum.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

constexpr int32_t kMostTerms = 1024;

bool NeedsOneTerm(Activation activation) {
  return activation == Activation::kHardSwish || activation == Activation::kSwish;
}

// The terms, and that what follows them are `least` tensors or more of their shape.
template <typename Op>
absl::Status CheckTerms(const Op& op, DescSpan inputs, size_t least) {
  if (op.terms < 1 || op.terms > kMostTerms) {
    return OperatorError(op.kName, fmt::format("{} terms, expected 1 to {}", op.terms, kMostTerms));
  }
  const size_t per_term = op.inputs_per_term(), first = static_cast<size_t>(op.terms) * per_term;
  if (inputs.size() < first + least) {
    return OperatorError(op.kName, fmt::format("{} inputs, expected at least {}", inputs.size(), first + least));
  }
  if (NeedsOneTerm(op.activation) && op.terms != 1) {
    return OperatorError(op.kName, fmt::format("{} terms with {}, expected 1", op.terms, Name(op.activation)));
  }
  if (auto s = CheckFloating(op.kName, inputs); !s.ok()) return s;
  const Shape& shape = inputs[0].shape;
  if (shape.empty()) return OperatorError(op.kName, "input 0 is a scalar, expected a channel axis");
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool is_vector = i < first && i % per_term != 0;
    const Shape expected = is_vector ? Shape{shape.back()} : shape;
    if (auto s = CheckSame(op.kName, fmt::format("input {}", i), inputs[i].shape, expected); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const NormalizedSum& op, DescSpan inputs) {
  if (auto s = CheckTerms(op, inputs, 0); !s.ok()) return s;
  if (NeedsOneTerm(op.activation) && inputs.size() != op.term_inputs()) {
    return OperatorError(op.kName, fmt::format("addends with {}, expected none", Name(op.activation)));
  }
  return Descs{inputs[0]};
}

absl::StatusOr<Descs> InferOutputs(const NormalizedSumBackward& op, DescSpan inputs) {
  if (auto s = CheckTerms(op, inputs, op.has_y() ? 2 : 1); !s.ok()) return s;
  const TensorDesc vector = {inputs[0].dtype, {inputs[0].shape.back()}};
  Descs outputs;
  for (int32_t t = 0; t < op.terms; ++t) {
    outputs.push_back(inputs[0]);
    if (op.affine) outputs.insert(outputs.end(), 2, vector);
  }
  if (op.has_total) outputs.push_back(inputs[0]);
  return outputs;
}

Gradients Gradient(const NormalizedSum& op, const GradientRequest& request) {
  const size_t addends = op.term_inputs();
  const Values& flows = request.flows[0];
  // What flows in is added once for the two passes of the backward kernel, or read twice if it is one tensor.
  const NormalizedSumBackward backward = {
      .terms = op.terms,
      .affine = op.affine,
      .activation = op.activation,
      .has_total = flows.size() > 1 || (request.inputs.size() > addends && op.activation != Activation::kNone)};
  Values inputs(request.inputs.begin(), request.inputs.begin() + static_cast<ptrdiff_t>(addends));
  if (backward.has_y()) inputs.push_back(request.outputs[0]);
  inputs.insert(inputs.end(), flows.begin(), flows.end());
  const Values diff = request.graph.Apply(backward, inputs);
  Gradients gradients(request.inputs.size());
  for (size_t t = 0; t < static_cast<size_t>(op.terms); ++t) {
    const size_t in = t * op.inputs_per_term(), out = t * backward.outputs_per_term();
    gradients[in] = diff[out];
    if (op.affine) gradients[in + 3] = diff[out + 1], gradients[in + 4] = diff[out + 2];
  }
  const Value total = backward.has_total ? diff[backward.total_output()] : flows[0];
  for (size_t i = addends; i < request.inputs.size(); ++i) gradients[i] = total;
  return gradients;
}

}  // namespace mathnas::kernels
