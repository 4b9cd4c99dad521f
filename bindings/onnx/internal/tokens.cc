// What reads rows of tokens: embeddings, positions, attention, and keys and values that are kept.
#include <cmath>
#include <limits>

#include "bindings/onnx/internal/operators.h"
#include "fmt/format.h"

namespace mathnas::onnx::internal {
namespace {

using kernels::Tensor;
using kernels::Value;
using Integers = std::vector<int64_t>;

constexpr auto kBool = static_cast<int64_t>(ElementType::kBool), kInt64 = static_cast<int64_t>(ElementType::kInt64),
               kFloat = static_cast<int64_t>(ElementType::kFloat);

std::string Cast(Emitter& e, const std::string& x, int64_t to) { return e.Add("Cast", {x}, {{"to", to}}); }

// The leading columns of the table that SinusoidalPositions describes.
Tensor Positions(const kernels::SinusoidalPositions& op) {
  Tensor table(kernels::DType::kF32, {op.rows, op.columns});
  float* to = table.as<float>().data();
  const int half = op.width / 2;
  for (int row = 0; row < op.rows; ++row) {
    for (int c = 0; c < op.columns; ++c) {
      const double angle = row * std::exp(c % half * -std::log(10000.0) / (half - 1));
      *to++ = row == op.padding ? 0 : static_cast<float>(c < half ? std::sin(angle) : std::cos(angle));
    }
  }
  return table;
}

// Which keys take no part, {B,1,1,S}: those of padding, the ids of one memory repeated for several.
std::string PaddingMask(Emitter& e, const kernels::Attention& op, Value ids, int64_t memories) {
  return e.Once(fmt::format("mask {} {} {}", ids.id, op.padding, memories), [&] {
    const std::string one = e.Add("Equal", {e.Read(ids, Layout::kPlain), e.Integer(op.padding)});
    std::string all = one;
    if (memories > 1) {
      all = e.Add("Concat", std::vector<std::string>(static_cast<size_t>(memories), one), {{"axis", int64_t{1}}});
    }
    return e.Add("Unsqueeze", {all, e.Integers({1, 2})});
  });
}

// Which keys lie after a query, {T,S}.
std::string CausalMask(Emitter& e, const std::string& scores, int64_t first) {
  const std::string shape = e.Add("Shape", {scores}, {{"start", int64_t{2}}});
  const std::string ones = e.Add("Expand", {e.Float(1), shape});
  return Cast(e, e.Add("Trilu", {ones, e.Integer(first)}, {{"upper", int64_t{1}}}), kBool);
}

}  // namespace

absl::Status Emit(const kernels::Embedding& op, const Step& step, Emitter& e) {
  std::string y = e.Add("Gather", {e.Weight(step.inputs[1]), e.Read(step.inputs[0], Layout::kPlain)});
  if (op.scale != 1) y = e.Add("Mul", {y, e.Float(op.scale)});
  e.Set(step.outputs[0], Layout::kPlain, y);
  return absl::OkStatus();
}

absl::Status Emit(const kernels::SinusoidalPositions& op, const Step& step, Emitter& e) {
  const std::string table = e.Constant(fmt::format("positions.{}.{}.{}.{}", op.rows, op.columns, op.width, op.padding),
                                       [&] { return Positions(op); });
  std::string ids = e.Read(step.inputs[0], Layout::kPlain);
  if (op.from_tokens) {
    const std::string padding = e.Integer(op.padding);
    const std::string counts = Cast(e, e.Add("Not", {e.Add("Equal", {ids, padding})}), kInt64);
    const std::string count = e.Add("CumSum", {counts, e.Integer(-1)});
    ids = e.Add("Add", {e.Add("Mul", {count, counts}), padding});
  }
  e.Set(step.outputs[0], Layout::kPlain, e.Add("Gather", {table, ids}));
  return absl::OkStatus();
}

// Keys that take no part have the least score, and where there are no others the outcome is multiplied by 0.
absl::Status Emit(const kernels::Attention& op, const Step& step, Emitter& e) {
  if (op.rate > 0) return NotInOnnx("dropout");
  const kernels::AttentionShape s(op, e.graph().DescsOf(step.inputs));
  const kernels::Shape& q_shape = e.shape(step.inputs[0]);
  const bool beams = s.batch != q_shape[0];  // several rows of queries for one of keys
  if (op.causal && beams) return NotInOnnx("a causal mask for several rows of queries to one of keys");
  const auto heads_apart = [&](Value v, const Integers& rows, int64_t size, const Integers& order) {
    const Integers shape = {rows[0], rows[1], s.heads, size};
    return e.Add("Transpose", {e.Add("Reshape", {e.Read(v, Layout::kPlain), e.Integers(shape)})}, {{"perm", order}});
  };
  const Integers same = {0, 0};
  std::string q =
      heads_apart(step.inputs[0], beams ? Integers{-1, s.queries} : same, s.key_size(), Integers{0, 2, 1, 3});
  q = e.Add("Mul", {q, e.Float(1 / std::sqrt(static_cast<double>(s.key_size())))});
  const std::string k = heads_apart(step.inputs[1], same, s.key_size(), Integers{0, 2, 3, 1});
  const std::string v = heads_apart(step.inputs[2], same, s.value_size(), Integers{0, 2, 1, 3});
  std::string scores = e.Add("MatMul", {q, k});

  std::string mask;
  if (op.masked) mask = PaddingMask(e, op, step.inputs[3], s.keys / s.ids);
  if (op.causal) {
    const std::string later = CausalMask(e, scores, s.keys - s.queries + 1);
    mask = op.masked ? e.Add("Or", {mask, later}) : later;
  }
  if (!mask.empty()) scores = e.Add("Where", {mask, e.Float(std::numeric_limits<float>::lowest()), scores});
  std::string y = e.Add("MatMul", {e.Add("Softmax", {scores}, {{"axis", int64_t{-1}}}), v});
  if (!mask.empty()) {
    const std::string any = e.Once("any " + mask, [&] {
      return e.Add("ReduceMax", {Cast(e, e.Add("Not", {mask}), kFloat)},
                   {{"axes", Integers{-1}}, {"keepdims", int64_t{1}}});
    });
    y = e.Add("Mul", {y, any});
  }
  y = e.Add("Transpose", {y}, {{"perm", Integers{0, 2, 1, 3}}});
  const Integers rows = beams ? Integers{-1, q_shape[1], s.value_features} : Integers{0, 0, s.value_features};
  e.Set(step.outputs[0], Layout::kPlain, e.Add("Reshape", {y, e.Integers(rows)}));
  return absl::OkStatus();
}

// What is before, what is new, and what is after.
absl::Status Emit(const kernels::Store&, const Step& step, Emitter& e) {
  const Value state = step.inputs[0];
  if (!e.IsWritten(state)) return NotInOnnx("a part of a state");
  const std::string old = e.Read(state, Layout::kPlain), at = e.Read(step.inputs[2], Layout::kPlain);
  const std::string axes = e.Integers({1});
  const std::string before = e.Add("Slice", {old, e.Integers({0}), at, axes});
  const std::string end = e.Add("Add", {at, e.Integers({e.shape(step.inputs[1])[1]})});
  const std::string after = e.Add("Slice", {old, end, e.Integers({std::numeric_limits<int64_t>::max()}), axes});
  e.Set(state, Layout::kPlain,
        e.Add("Concat", {before, e.Read(step.inputs[1], Layout::kPlain), after}, {{"axis", int64_t{1}}}));
  return absl::OkStatus();
}

}  // namespace mathnas::onnx::internal
