// Runs one operator on a device, outside of any plan: the half of the operator harness that knows no operator.
#ifndef MATHNAS_KERNELS_TESTING_OPERATOR_RUNNER_H_
#define MATHNAS_KERNELS_TESTING_OPERATOR_RUNNER_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/random.h"

namespace mathnas::kernels::testing {

// What an input is, and which random values it gets.
struct InputSpec {
  enum Role { kActivation, kParameter, kState, kLabels } role = kActivation;
  Shape shape;
  double low = -1, high = 1;  // labels: 0 .. high - 1
  double away_from_zero = 0;  // added to the absolute value: keeps finite differences clear of kinks
  double saturation = 0;      // where |x| has a kink of its own, to be kept clear of
};

// One operator with the shapes of its inputs.
struct Problem {
  Operator op;
  std::vector<InputSpec> inputs;
  // kBf16 or kF16: what ops/element_types.h lets have 16 bits is of this type, on devices that compute in it.
  DType compute = DType::kF32;
};

// The type of 16 bits that is among its operands on a device that computes in it, or kF32.
DType LowTypeOf(const Problem& problem);

// InvalidArgument when an input is empty, breaks the shape rule of the operator, or leaves no id to draw, and when all
// operands together are more than `most_bytes`. A problem that passes can be run.
absl::Status CheckProblem(const Problem& problem, double most_bytes);

using Tensors = std::vector<Tensor>;

// Random float32 inputs (labels: int64); what will have 16 bits has such values, so that all devices start alike.
Tensors RandomInputs(const Problem& problem, Random random);
// A copy with every floating element replaced by f(element), as `real`.
template <typename F>
Tensor Mapped(const Tensor& tensor, DType real, F f);
// The elements of a floating tensor.
std::vector<double> ToDoubles(const Tensor& tensor);

// The shapes of the inputs, floating ones as `real`; and of the outputs that the operator makes of them. With `low`,
// those of the device's own types: some of a problem in 16 bits have these.
Descs InputDescs(const Problem& problem, DType real, bool low = false);
absl::StatusOr<Descs> OutputDescs(const Operator& op, DescSpan inputs, DType real, bool low = false);

// The input that output 0 has to be written over: a fused convolution adds to what its output holds, so plans always
// put the addend there.
std::optional<size_t> AlwaysInPlace(const Problem& problem);

struct RunOptions {
  std::optional<size_t> in_place;  // output 0 is written over this input
  bool constant_weights = false;   // parameters and states are declared constant, so a kernel may pack them
  int runs = 1;                    // of the same bound kernel
};

struct RunResults {
  Tensors results;  // the outputs, then the states in the order of the inputs, after the last run
  std::string implementation;
};

// Prepares, binds and runs. Outputs and scratch hold NaN before, and bytes behind them are watched. Internal when a
// kernel writes behind an output or its scratch, changes an input that is no state, or claims another shape.
absl::StatusOr<RunResults> RunOperator(Device& device, const Problem& problem, const Tensors& inputs,
                                       const RunOptions& options = {});

// ---- implementation ----

template <typename F>
Tensor Mapped(const Tensor& tensor, DType real, F f) {
  if (tensor.desc().dtype == DType::kI64) return tensor.Clone();
  const std::vector<double> from = ToDoubles(tensor);
  Tensor to(real, tensor.shape());
  for (size_t i = 0; i < from.size(); ++i) {
    if (real == DType::kF64) {
      to.as<double>()[i] = f(from[i]);
    } else if (real == DType::kF16) {
      to.as<Float16>()[i] = Float16::Rounded(static_cast<float>(f(from[i])));
    } else if (real == DType::kBf16) {
      to.as<Bfloat16>()[i] = Bfloat16::Rounded(static_cast<float>(f(from[i])));
    } else {
      to.as<float>()[i] = static_cast<float>(f(from[i]));
    }
  }
  return to;
}

}  // namespace mathnas::kernels::testing

#endif  // MATHNAS_KERNELS_TESTING_OPERATOR_RUNNER_H_
