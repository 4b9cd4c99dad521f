#include "kernels/ops/element_types.h"

#include "fmt/format.h"

namespace mathnas::kernels {
namespace {

using enum OperandType;

// By operator: the type of an input. What is summed, compared or gated in place is like the first; biases are added to
// sums in float32 and stay that.
struct InputTypes {
  size_t input;

  OperandType Convolution(size_t addend) const {
    return input == 1 ? kWeights : input == 0 || input == addend ? kLikeFirst : kReal;
  }
  OperandType operator()(const Conv2d& op) const { return Convolution(op.has_bias ? 3 : 2); }
  OperandType operator()(const Linear&) const { return Convolution(0); }
  OperandType operator()(const Convert&) const { return kLikeFirst; }
  OperandType operator()(const Relu&) const { return kLikeFirst; }
  OperandType operator()(const HardSwish&) const { return kLikeFirst; }
  OperandType operator()(const HardSigmoid&) const { return kLikeFirst; }
  OperandType operator()(const Swish&) const { return kLikeFirst; }
  OperandType operator()(const Add&) const { return kLikeFirst; }
  OperandType operator()(const Scale&) const { return kLikeFirst; }
  OperandType operator()(const Zero&) const { return kLikeFirst; }
  OperandType operator()(const ScaleChannels&) const { return kLikeFirst; }
  OperandType operator()(const AvgPool2d&) const { return kLikeFirst; }
  OperandType operator()(const GlobalAvgPool&) const { return kLikeFirst; }
  OperandType operator()(const Concat&) const { return kLikeFirst; }
  OperandType operator()(const Part&) const { return kLikeFirst; }
  template <typename Other>
  OperandType operator()(const Other&) const {
    return kReal;
  }
};

}  // namespace

OperandType TypeOfInput(const Operator& op, size_t input) { return std::visit(InputTypes{input}, op); }

OperandType TypeOfOutput(const Operator& op, size_t) {
  const auto* linear = std::get_if<Linear>(&op);
  if (linear != nullptr && linear->wide_dst) return kReal;
  return TypeOfInput(op, 0);
}

DType OutputType(const Operator& op, DescSpan inputs, size_t output, DType real) {
  if (real != DType::kF32) return real;
  if (const auto* convert = std::get_if<Convert>(&op)) return convert->to;
  const bool low = !inputs.empty() && inputs[0].dtype == DType::kBf16;
  return low && TypeOfOutput(op, output) != kReal ? DType::kBf16 : real;
}

absl::Status CheckTypes(const Operator& op, DescSpan inputs, DType real) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const DType type = inputs[i].dtype;
    if (type == DType::kI64) continue;  // the operator's own rule knows where those belong
    const OperandType rule = TypeOfInput(op, i);
    const bool may_be_low = rule != kReal && real == DType::kF32 && (i == 0 || inputs[0].dtype == DType::kBf16);
    const bool must_be_low = may_be_low && i > 0 && rule == kLikeFirst;
    if ((type == real && !must_be_low) || (type == DType::kBf16 && may_be_low)) continue;
    return OperatorError(NameOf(op), fmt::format("input {} is {}, expected {}", i, Name(type),
                                                 must_be_low ? Name(DType::kBf16) : Name(real)));
  }
  return absl::OkStatus();
}

}  // namespace mathnas::kernels
