#include "kernels/ops/talking_heads.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

absl::Status CheckOperands(std::string_view op, int32_t window, DescSpan inputs) {
  const Shape &q = inputs[0].shape, &v = inputs[2].shape, &table = inputs[3].shape;
  if (auto s = CheckSame(op, "k", inputs[1].shape, q); !s.ok()) return s;
  if (auto s = CheckSame(op, "v", v, {q[0], q[1], q[2], v[3]}); !s.ok()) return s;
  if (window < 1 || q[1] < 1 || q[2] < 1 || q[1] > window || q[2] > window) {
    return OperatorError(op, fmt::format("images of {}x{}, expected 1x1 to the window of {}", q[1], q[2], window));
  }
  const int64_t side = 2 * int64_t{window} - 1, heads = table[1];
  if (auto s = CheckSame(op, "table", table, {side * side, heads}); !s.ok()) return s;
  if (heads < 1 || q[3] < 1 || v[3] < 1 || q[3] % heads != 0 || v[3] % heads != 0) {
    return OperatorError(op,
                         fmt::format("{} heads do not divide {} channels of keys and {} of values", heads, q[3], v[3]));
  }
  for (size_t i : {4, 6}) {
    const std::string_view what = i == 4 ? "before" : "after";
    if (auto s = CheckSame(op, what, inputs[i].shape, {heads, heads}); !s.ok()) return s;
    if (auto s = CheckSame(op, fmt::format("{}_bias", what), inputs[i + 1].shape, {heads}); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace

TalkingHeadsShape::TalkingHeadsShape(int32_t window_, DescSpan inputs)
    : images(inputs[0].shape[0]),
      height(inputs[0].shape[1]),
      width(inputs[0].shape[2]),
      heads(inputs[3].shape[1]),
      window(window_),
      key_channels(inputs[0].shape[3]),
      value_channels(inputs[2].shape[3]) {}

absl::StatusOr<Descs> InferOutputs(const TalkingHeads& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4, 4, 4, 2, 2, 1, 2, 1}); !s.ok()) return s;
  if (auto s = CheckOperands(op.kName, op.window, inputs); !s.ok()) return s;
  return Descs{inputs[2]};
}

absl::StatusOr<Descs> InferOutputs(const TalkingHeadsBackward& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4, 4, 4, 2, 2, 1, 2, 1, 4}); !s.ok()) return s;
  if (auto s = CheckOperands(op.kName, op.window, inputs); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "diff_y", inputs[8].shape, inputs[2].shape); !s.ok()) return s;
  return Descs(inputs.begin(), inputs.end() - 1);
}

Gradients Gradient(const TalkingHeads& op, const GradientRequest& r) {
  Values inputs(r.inputs.begin(), r.inputs.end());
  inputs.push_back(r.output_gradients[0]);
  return r.graph.Apply(TalkingHeadsBackward{op.window}, inputs);
}

Counts Count(const TalkingHeads& op, DescSpan inputs, DescSpan) {
  const TalkingHeadsShape a(op.window, inputs);
  return {.macs = a.images * a.pixels() * a.pixels() * (a.key_channels + a.value_channels + 2 * a.heads * a.heads)};
}

Counts Count(const TalkingHeadsBackward& op, DescSpan inputs, DescSpan outputs) {
  return {.macs = 2 * Count(TalkingHeads{op.window}, inputs, outputs).macs};
}

}  // namespace mathnas::kernels
