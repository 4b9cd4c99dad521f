#include "kernels/ops/dropout.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {

absl::Status CheckDropout(std::string_view op, double rate, int32_t stream, const Shape& seed, int64_t draws) {
  constexpr int64_t kMaxDraws = int64_t{1} << 32;
  if (!(rate >= 0 && rate < 1)) return OperatorError(op, fmt::format("rate {}, expected at least 0 and below 1", rate));
  if (stream < 0) return OperatorError(op, fmt::format("stream {}, expected at least 0", stream));
  if (draws > kMaxDraws) return OperatorError(op, fmt::format("{} draws, expected at most {}", draws, kMaxDraws));
  return CheckSame(op, "seed", seed, {1});
}

absl::StatusOr<Descs> InferOutputs(const Dropout& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank, kIntegers}); !s.ok()) return s;
  const int64_t elements = inputs[0].elements();
  if (op.group < 1 || elements % op.group != 0) {
    return OperatorError(op.kName, fmt::format("group {} does not divide the {} elements of {}", op.group, elements,
                                               ToString(inputs[0].shape)));
  }
  if (auto s = CheckDropout(op.kName, op.rate, op.stream, inputs[1].shape, elements / op.group); !s.ok()) return s;
  return Descs{inputs[0]};
}

Gradients Gradient(const Dropout& op, const GradientRequest& r) {
  Gradients gradients(2);
  gradients[0] = r.graph.Apply(op, {r.output_gradients[0], r.inputs[1]})[0];
  return gradients;
}

}  // namespace mathnas::kernels
