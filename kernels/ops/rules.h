// What an operator has to state about itself. An operator is a struct of parameters with value semantics; its meaning
// is given by overloads next to it:
//
//   StatusOr<Descs> InferOutputs(const Op&, DescSpan inputs)
//       shape rule; the error says which input and what was expected
//   Gradients Gradient(const Op&, const GradientRequest&)
//       adds operators to the graph; absent when not differentiable
//   Counts Count(const Op&, DescSpan inputs, DescSpan outputs)
//       its work; absent when there is none
//
// Devices hold the kernels, kernels/ref the naive ones that all others are compared with.
#ifndef MATHNAS_KERNELS_OPS_RULES_H_
#define MATHNAS_KERNELS_OPS_RULES_H_

#include <string_view>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/tensor.h"

namespace mathnas::kernels {

class Graph;

// A value of a graph: an input, a parameter, a state or an output of an operator. Invalid values mean "none".
struct Value {
  int32_t id = -1;

  bool valid() const { return id >= 0; }
  bool operator==(const Value&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const Value& v) {
    return H::combine(std::move(h), v.id);
  }
};

using Values = absl::InlinedVector<Value, 4>;
using Descs = absl::InlinedVector<TensorDesc, 4>;
using DescSpan = absl::Span<const TensorDesc>;

// Work of one operator. Multiply-adds count convolutions, linear layers and attention. What some conventions add:
// bias_adds, the additions of their biases (spec/search-spaces.md 2.7); scalings, multiplications of single values as
// torchprofile counts them (4.4): normalised, embedded and scaled ones.
struct Counts {
  int64_t macs = 0;
  int64_t bias_adds = 0;
  int64_t scalings = 0;
};

// One node of the forward graph and what flows back into it.
struct GradientRequest {
  Graph& graph;
  absl::Span<const Value> inputs;
  absl::Span<const Value> outputs;
  absl::Span<const Value> output_gradients;  // the sum of what flows; invalid where nothing does
  // For operators that add by themselves (kAddsFlows): what flows into each output, in place of the sum.
  absl::Span<const Values> flows;
};

// One gradient per input; invalid where none flows (labels, states).
using Gradients = Values;

// InvalidArgument "OP: WHAT".
absl::Status OperatorError(std::string_view op, std::string_view what);
// Ranks that CheckInputs knows besides numbers.
constexpr int kAnyRank = -1;
constexpr int kIntegers = -2;  // int64 of any rank
// Checks the number of inputs, that input i has the given rank, and that all but labels are floating.
absl::Status CheckInputs(std::string_view op, DescSpan inputs, absl::Span<const int> ranks);
// Checks that all inputs are floating.
absl::Status CheckFloating(std::string_view op, DescSpan inputs);
// All axes but the last together: how many rows of features there are. 1 for rank 0.
int64_t RowsOf(const Shape& shape);
// Checks that two shapes are the same.
absl::Status CheckSame(std::string_view op, std::string_view what, const Shape& shape, const Shape& expected);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_RULES_H_
