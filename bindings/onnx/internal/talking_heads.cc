// NASViT's attention (kernels/ops/talking_heads.h).
#include <cmath>

#include "bindings/onnx/internal/operators.h"
#include "fmt/format.h"

namespace mathnas::onnx::internal {
namespace {

using kernels::Tensor;
using Integers = std::vector<int64_t>;

// What an ONNX file can hold of a matrix of pixels by pixels, roughly; nothing that anybody trains comes near.
constexpr int64_t kMostPixels = 1 << 14;

// {query,key}: the row of the table of relative positions.
Tensor RelativePositions(const kernels::TalkingHeadsShape& s) {
  Tensor index(kernels::DType::kI32, {s.pixels(), s.pixels()});
  int32_t* to = index.as<int32_t>().data();
  for (int64_t query = 0; query < s.pixels(); ++query) {
    for (int64_t key = 0; key < s.pixels(); ++key) {
      *to++ = static_cast<int32_t>(s.TableRow(query) - key / s.width * (2 * s.window - 1) - key % s.width);
    }
  }
  return index;
}

}  // namespace

// Channels lie outside of pixels, so heads need no transposing. Mixing heads is a 1x1 convolution over the maps of
// queries and keys.
absl::Status Emit(const kernels::TalkingHeads& op, const Step& step, Emitter& e) {
  const kernels::TalkingHeadsShape s(op.window, e.graph().DescsOf(step.inputs));
  if (s.pixels() > kMostPixels) {
    return NotInOnnx(
        fmt::format("{} pixels, expected at most {}: it has a matrix of all pairs", s.pixels(), kMostPixels));
  }
  const auto& in = step.inputs;
  const auto heads_apart = [&](kernels::Value v, int64_t size) {
    return e.Add("Reshape", {e.Read(v, Layout::kChannelsFirst), e.Integers({0, s.heads, size, s.pixels()})});
  };
  const auto exchanged = [&](const std::string& x) {
    return e.Add("Transpose", {x}, {{"perm", Integers{0, 1, 3, 2}}});
  };
  const auto mixed = [&](const std::string& x, kernels::Value weights, kernels::Value bias) {
    return e.Add("Conv", {x, e.Weight(weights, {s.heads, s.heads, 1, 1}), e.Weight(bias)},
                 {{"kernel_shape", Integers{1, 1}}});
  };
  const std::string index = e.Constant(fmt::format("relative_position_index.{}.{}.{}", s.height, s.width, s.window),
                                       [&] { return RelativePositions(s); });
  const std::string bias = e.Add("Gather", {e.Transposed(in[3]), index}, {{"axis", int64_t{1}}});

  std::string q = heads_apart(in[0], s.key_size());
  q = e.Add("Mul", {q, e.Float(1 / std::sqrt(static_cast<double>(s.key_size())))});
  std::string scores = e.Add("MatMul", {exchanged(q), heads_apart(in[1], s.key_size())});
  scores = mixed(e.Add("Add", {scores, bias}), in[4], in[5]);
  const std::string p = mixed(e.Add("Softmax", {scores}, {{"axis", int64_t{-1}}}), in[6], in[7]);
  // y' = v' p', where v' is as it lies.
  const std::string y = e.Add("MatMul", {heads_apart(in[2], s.value_size()), exchanged(p)});
  e.Set(step.outputs[0], Layout::kChannelsFirst,
        e.Add("Reshape", {y, e.Integers({0, s.value_channels, s.height, s.width})}));
  return absl::OkStatus();
}

}  // namespace mathnas::onnx::internal
