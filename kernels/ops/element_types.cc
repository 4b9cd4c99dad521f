#include "kernels/ops/element_types.h"

#include "fmt/format.h"

namespace mathnas::kernels {
namespace {

using enum OperandType;

// By operator: the type of an input. What is summed, compared or gated in place is like the first; biases are added to
// sums in float32 and stay that, as what belongs to channels does: statistics, scales, shifts and their gradients.
struct InputTypes {
  size_t input;

  OperandType Convolution(size_t addend) const {
    return input == 1 ? kWeights : input == 0 || input == addend ? kLikeFirst : kReal;
  }
  OperandType operator()(const Conv2d& op) const { return Convolution(op.has_bias ? 3 : 2); }
  OperandType operator()(const Conv2dBackwardData&) const { return Convolution(0); }
  OperandType operator()(const Conv2dBackwardWeights&) const { return kLikeFirst; }
  OperandType operator()(const Linear&) const { return Convolution(0); }
  OperandType operator()(const LinearBackwardData&) const { return Convolution(0); }
  OperandType operator()(const LinearBackwardWeights&) const { return kLikeFirst; }
  OperandType Images(size_t count) const { return input < count ? kLikeFirst : kReal; }
  OperandType operator()(const BatchNormTraining&) const { return Images(1); }
  OperandType operator()(const BatchNormMoments&) const { return Images(1); }
  OperandType operator()(const BatchNormBackward&) const { return Images(2); }
  template <typename Sum>
  OperandType Terms(const Sum& op) const {
    const bool in_terms = input < static_cast<size_t>(op.terms) * op.inputs_per_term();
    return in_terms && input % op.inputs_per_term() != 0 ? kReal : kLikeFirst;
  }
  OperandType operator()(const NormalizedSum& op) const { return Terms(op); }
  OperandType operator()(const NormalizedSumBackward& op) const { return Terms(op); }
  OperandType operator()(const Convert&) const { return kLikeFirst; }
  OperandType operator()(const Relu&) const { return kLikeFirst; }
  OperandType operator()(const ReluBackward&) const { return kLikeFirst; }
  OperandType operator()(const HardSwish&) const { return kLikeFirst; }
  OperandType operator()(const HardSwishBackward&) const { return kLikeFirst; }
  OperandType operator()(const HardSigmoid&) const { return kLikeFirst; }
  OperandType operator()(const HardSigmoidBackward&) const { return kLikeFirst; }
  OperandType operator()(const Swish&) const { return kLikeFirst; }
  OperandType operator()(const SwishBackward&) const { return kLikeFirst; }
  OperandType operator()(const Add&) const { return kLikeFirst; }
  OperandType operator()(const Scale&) const { return kLikeFirst; }
  OperandType operator()(const Zero&) const { return kLikeFirst; }
  OperandType operator()(const ScaleChannels&) const { return kLikeFirst; }
  OperandType operator()(const ScaleChannelsBackwardScale&) const { return kLikeFirst; }
  OperandType operator()(const AvgPool2d&) const { return kLikeFirst; }
  OperandType operator()(const AvgPool2dBackward&) const { return kLikeFirst; }
  OperandType operator()(const GlobalAvgPool&) const { return kLikeFirst; }
  OperandType operator()(const GlobalAvgPoolBackward&) const { return kLikeFirst; }
  OperandType operator()(const Concat&) const { return kLikeFirst; }
  OperandType operator()(const Part&) const { return kLikeFirst; }
  template <typename Other>
  OperandType operator()(const Other&) const {
    return kReal;
  }
};

// By operator: the type of an output, where not all are like input 0.
struct OutputTypes {
  size_t output;

  OperandType First() const { return output == 0 ? kLikeFirst : kReal; }
  OperandType operator()(const Conv2dBackwardWeights&) const { return kReal; }
  OperandType operator()(const Linear& op) const { return op.wide_dst ? kReal : kLikeFirst; }
  OperandType operator()(const LinearBackwardWeights&) const { return kReal; }
  OperandType operator()(const BatchNormTraining&) const { return First(); }
  OperandType operator()(const BatchNormMoments&) const { return kReal; }
  OperandType operator()(const BatchNormBackward&) const { return First(); }
  OperandType operator()(const NormalizedSumBackward& op) const {
    const bool is_image = output == op.total_output() || output % op.outputs_per_term() == 0;
    return is_image ? kLikeFirst : kReal;
  }
  template <typename Other>
  OperandType operator()(const Other& op) const {
    return InputTypes{0}(op);
  }
};

}  // namespace

OperandType TypeOfInput(const Operator& op, size_t input) { return std::visit(InputTypes{input}, op); }

OperandType TypeOfOutput(const Operator& op, size_t output) { return std::visit(OutputTypes{output}, op); }

DType OutputType(const Operator& op, DescSpan inputs, size_t output, DType real) {
  if (real != DType::kF32) return real;
  if (const auto* convert = std::get_if<Convert>(&op)) return convert->to;
  const bool low = !inputs.empty() && IsLow(inputs[0].dtype);
  return low && TypeOfOutput(op, output) != kReal ? inputs[0].dtype : real;
}

absl::Status CheckTypes(const Operator& op, DescSpan inputs, DType real) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const DType type = inputs[i].dtype, first = inputs[0].dtype;
    if (type == DType::kI64) continue;  // the operator's own rule knows where those belong
    const OperandType rule = TypeOfInput(op, i);
    const bool may_be_low = rule != kReal && real == DType::kF32 && IsLow(first);
    const bool must_be_low = may_be_low && i > 0 && rule == kLikeFirst;
    if ((type == real && !must_be_low) || (type == first && may_be_low)) continue;
    return OperatorError(NameOf(op),
                         fmt::format("input {} is {}, expected {}", i, Name(type), Name(must_be_low ? first : real)));
  }
  return absl::OkStatus();
}

}  // namespace mathnas::kernels
