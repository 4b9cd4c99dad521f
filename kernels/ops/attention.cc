#include "kernels/ops/attention.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

// What q, k, v and ids must be to each other.
absl::Status CheckOperands(std::string_view op, int32_t heads, bool masked, DescSpan inputs) {
  const Shape &q = inputs[0].shape, &k = inputs[1].shape, &v = inputs[2].shape;
  if (auto s = CheckSame(op, "k", k, {q[0], k[1], q[2]}); !s.ok()) return s;
  if (auto s = CheckSame(op, "v", v, {k[0], k[1], v[2]}); !s.ok()) return s;
  if (heads < 1 || q[2] % heads != 0 || v[2] % heads != 0 || q[2] < 1 || v[2] < 1) {
    return OperatorError(op,
                         fmt::format("{} heads do not divide {} features of keys and {} of values", heads, q[2], v[2]));
  }
  if (!masked) return absl::OkStatus();
  const Shape& ids = inputs[3].shape;
  if (ids.size() == 2 && ids[0] == q[0] && ids[1] > 0 && k[1] % ids[1] == 0) return absl::OkStatus();
  return OperatorError(
      op, fmt::format("ids are {}, expected {}xR, where R divides the {} keys", ToString(ids), q[0], k[1]));
}

}  // namespace

AttentionShape::AttentionShape(int32_t heads_, bool masked, DescSpan inputs)
    : batch(inputs[0].shape[0]),
      queries(inputs[0].shape[1]),
      keys(inputs[1].shape[1]),
      heads(heads_),
      key_features(inputs[0].shape[2]),
      value_features(inputs[2].shape[2]),
      ids(masked ? inputs[3].shape[1] : keys) {}

absl::StatusOr<Descs> InferOutputs(const Attention& op, DescSpan inputs) {
  absl::InlinedVector<int, 4> ranks = {3, 3, 3};
  if (op.masked) ranks.push_back(kIntegers);
  if (auto s = CheckInputs(op.kName, inputs, ranks); !s.ok()) return s;
  if (auto s = CheckOperands(op.kName, op.heads, op.masked, inputs); !s.ok()) return s;
  const AttentionShape a(op.heads, op.masked, inputs);
  return Descs{{inputs[0].dtype, {a.batch, a.queries, a.value_features}},
               {inputs[0].dtype, {a.batch, a.heads, a.queries}}};
}

absl::StatusOr<Descs> InferOutputs(const AttentionBackward& op, DescSpan inputs) {
  absl::InlinedVector<int, 7> ranks = {3, 3, 3};
  if (op.masked) ranks.push_back(kIntegers);
  ranks.insert(ranks.end(), {3, 3, 3});
  if (auto s = CheckInputs(op.kName, inputs, ranks); !s.ok()) return s;
  if (auto s = CheckOperands(op.kName, op.heads, op.masked, inputs); !s.ok()) return s;
  const AttentionShape a(op.heads, op.masked, inputs);
  const size_t y = op.masked ? 4 : 3;
  const Shape outputs = {a.batch, a.queries, a.value_features};
  if (auto s = CheckSame(op.kName, "y", inputs[y].shape, outputs); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "log_sums", inputs[y + 1].shape, {a.batch, a.heads, a.queries}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_y", inputs[y + 2].shape, outputs); !s.ok()) return s;
  return Descs{inputs[0], inputs[1], inputs[2]};
}

Gradients Gradient(const Attention& op, const GradientRequest& r) {
  Values inputs(r.inputs.begin(), r.inputs.end());
  inputs.insert(inputs.end(), {r.outputs[0], r.outputs[1], r.output_gradients[0]});
  const Values diff = r.graph.Apply(AttentionBackward{op.heads, op.causal, op.masked, op.padding}, inputs);
  Gradients gradients = {diff[0], diff[1], diff[2]};
  gradients.resize(r.inputs.size());
  return gradients;
}

Counts Count(const Attention& op, DescSpan inputs, DescSpan) {
  const AttentionShape a(op.heads, op.masked, inputs);
  return {.macs = a.batch * a.queries * a.keys * (a.key_features + a.value_features)};
}

}  // namespace mathnas::kernels
