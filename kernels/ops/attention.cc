#include "kernels/ops/attention.h"

#include "fmt/format.h"
#include "kernels/graph.h"
#include "kernels/ops/dropout.h"

namespace mathnas::kernels {
namespace {

// The ranks of q, k, v and of what follows from the attributes.
template <typename Op>
absl::InlinedVector<int, 8> RanksOf(const Op& op) {
  absl::InlinedVector<int, 8> ranks = {3, 3, 3};
  if (op.masked) ranks.push_back(kIntegers);
  if (op.rate > 0) ranks.push_back(kIntegers);
  return ranks;
}

// What q, k, v, ids and the seed must be to each other.
template <typename Op>
absl::Status CheckOperands(const Op& op, DescSpan inputs) {
  const Shape &q = inputs[0].shape, &k = inputs[1].shape, &v = inputs[2].shape;
  if (k[0] < 1 ? q[0] > 0 : q[0] % k[0] != 0) {
    return OperatorError(op.kName,
                         fmt::format("k is {}, expected a batch that divides that of q, {}", ToString(k), q[0]));
  }
  if (auto s = CheckSame(op.kName, "k", k, {k[0], k[1], q[2]}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "v", v, {k[0], k[1], v[2]}); !s.ok()) return s;
  if (op.causal && q[0] != k[0]) {
    return OperatorError(op.kName,
                         fmt::format("{} rows of q share {} of k, expected as many where it is causal", q[0], k[0]));
  }
  if (op.heads < 1 || q[2] % op.heads != 0 || v[2] % op.heads != 0 || q[2] < 1 || v[2] < 1) {
    return OperatorError(
        op.kName, fmt::format("{} heads do not divide {} features of keys and {} of values", op.heads, q[2], v[2]));
  }
  const AttentionShape a(op, inputs);
  if (op.masked) {
    const Shape& ids = inputs[3].shape;
    if (ids.size() != 2 || ids[0] != k[0] || ids[1] < 1 || k[1] % ids[1] != 0) {
      return OperatorError(
          op.kName, fmt::format("ids are {}, expected {}xR, where R divides the {} keys", ToString(ids), k[0], k[1]));
    }
  }
  const int64_t draws = op.rate > 0 ? a.batch * a.heads * a.queries * a.keys : 0;
  return CheckDropout(op.kName, op.rate, op.stream, op.rate > 0 ? inputs[a.seed_input].shape : Shape{1}, draws);
}

}  // namespace

AttentionShape::AttentionShape(int32_t heads_, bool masked, bool has_seed, DescSpan inputs)
    : batch(inputs[1].shape[0]),
      queries(inputs[0].shape[1] * (batch > 0 ? inputs[0].shape[0] / batch : 1)),
      keys(inputs[1].shape[1]),
      heads(heads_),
      key_features(inputs[0].shape[2]),
      value_features(inputs[2].shape[2]),
      ids(masked && inputs[3].shape.size() == 2 ? inputs[3].shape[1] : keys),
      seed_input(masked ? 4 : 3),
      result_input(seed_input + (has_seed ? 1 : 0)) {}

absl::StatusOr<Descs> InferOutputs(const Attention& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, RanksOf(op)); !s.ok()) return s;
  if (auto s = CheckOperands(op, inputs); !s.ok()) return s;
  const AttentionShape a(op, inputs);
  const Shape& q = inputs[0].shape;
  return Descs{{inputs[0].dtype, {q[0], q[1], a.value_features}}, {inputs[0].dtype, {a.batch, a.heads, a.queries}}};
}

absl::StatusOr<Descs> InferOutputs(const AttentionBackward& op, DescSpan inputs) {
  absl::InlinedVector<int, 8> ranks = RanksOf(op);
  ranks.insert(ranks.end(), {3, 3, 3});
  if (auto s = CheckInputs(op.kName, inputs, ranks); !s.ok()) return s;
  if (auto s = CheckOperands(op, inputs); !s.ok()) return s;
  const AttentionShape a(op, inputs);
  const size_t y = a.result_input;
  const Shape outputs = {inputs[0].shape[0], inputs[0].shape[1], a.value_features};
  if (auto s = CheckSame(op.kName, "y", inputs[y].shape, outputs); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "log_sums", inputs[y + 1].shape, {a.batch, a.heads, a.queries}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_y", inputs[y + 2].shape, outputs); !s.ok()) return s;
  return Descs{inputs[0], inputs[1], inputs[2]};
}

Gradients Gradient(const Attention& op, const GradientRequest& r) {
  Values inputs(r.inputs.begin(), r.inputs.end());
  inputs.insert(inputs.end(), {r.outputs[0], r.outputs[1], r.output_gradients[0]});
  const AttentionBackward backward = {op.heads, op.causal, op.masked, op.padding, op.rate, op.stream};
  const Values diff = r.graph.Apply(backward, inputs);
  Gradients gradients = {diff[0], diff[1], diff[2]};
  gradients.resize(r.inputs.size());
  return gradients;
}

Counts Count(const Attention& op, DescSpan inputs, DescSpan) {
  const AttentionShape a(op, inputs);
  return {.macs = a.batch * a.queries * a.keys * (a.key_features + a.value_features),
          .scalings = inputs[0].elements() + 3};
}

Counts Count(const AttentionBackward& op, DescSpan inputs, DescSpan) {
  const AttentionShape a(op, inputs);
  return {.macs = 2 * a.batch * a.queries * a.keys * (a.key_features + a.value_features)};
}

}  // namespace mathnas::kernels
