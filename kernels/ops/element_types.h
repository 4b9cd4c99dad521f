// The element types of operands where a graph of float32 has values of 16 bits, bfloat16 or float16: the one table of
// it, which graphs are checked by, lower_precision.h makes them by, and tests choose their inputs by.
#ifndef MATHNAS_KERNELS_OPS_ELEMENT_TYPES_H_
#define MATHNAS_KERNELS_OPS_ELEMENT_TYPES_H_

#include "absl/status/status.h"
#include "kernels/ops/operator.h"

namespace mathnas::kernels {

enum class OperandType : uint8_t {
  kReal,       // the type of the graph, or integers, whatever the others are
  kLikeFirst,  // as input 0, which may be of 16 bits
  kWeights,    // as input 0, or of the graph's type: kernels round them once more where that is wider
};
// What flows back into a value in training is of its type, but for weights: their gradients are sums, which stay of the
// graph's type.

// Of an input, or an output. An operator that takes no values of 16 bits has kReal alone.
OperandType TypeOfInput(const Operator& op, size_t input);
OperandType TypeOfOutput(const Operator& op, size_t output);
// Whether it takes such values at all.
inline bool TakesLow(const Operator& op) { return TypeOfInput(op, 0) == OperandType::kLikeFirst; }

// What output `output` is of inputs of these types. `real`: the graph's type; with kF64 there is no other.
DType OutputType(const Operator& op, DescSpan inputs, size_t output, DType real);

// InvalidArgument names an input of a type that the operator does not take there.
absl::Status CheckTypes(const Operator& op, DescSpan inputs, DType real);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_ELEMENT_TYPES_H_
