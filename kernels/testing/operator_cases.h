// The harness's list of operators: for every operator one entry that says how to build it from a line of a shape file,
// how far a device may be from exact arithmetic and why, and how to check its gradient. Tests compare devices with
// exact arithmetic by it, `mathnas bench` times and checks by it.
#ifndef MATHNAS_KERNELS_TESTING_OPERATOR_CASES_H_
#define MATHNAS_KERNELS_TESTING_OPERATOR_CASES_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/testing/error_bounds.h"
#include "kernels/testing/operator_runner.h"
#include "kernels/testing/shape_line.h"

namespace mathnas::kernels::testing {

struct OperatorCase {
  std::string_view name;                            // the operator's kName
  std::string_view shapes;                          // tests/shapes/<shapes>.txt has what its tests run
  std::string_view keys;                            // that a line may have
  Problem (*build)(const ShapeLine&);               // its graph: the operator and its inputs, with their ranges
  ErrorBound bound;                                 // tolerance; error_bounds.h derives each
  std::vector<size_t> in_place = {};                // inputs whose buffer output 0 may take over
  double gradient_step = 0;                         // of central differences; 0: no gradient
  bool (*has_gradient)(const Operator&) = nullptr;  // null: always, if gradient_step is not 0
};

// The problem of a line: its own and the word "bfloat16" or "float16", for operators that take 16 bits.
Problem BuildProblem(const OperatorCase& entry, const ShapeLine& line);
// The keys of an entry's lines with those words.
std::string KeysOf(const OperatorCase& entry);
// The tolerance in whatever the problem is computed in.
Bounds BoundsOf(const OperatorCase& entry, const Problem& problem, const Tensors& inputs, const Tensors& results);

// One entry per operator.
const std::vector<OperatorCase>& OperatorCases();

// Null when there is none of this name.
const OperatorCase* FindOperatorCase(std::string_view name);

// The operator of a line that begins with its name, "conv2d n8 h56 w56 c24 o144 k1", with inputs that are not empty and
// fit its shape rule. InvalidArgument with the column, the input, or the bytes where those would be more than
// `most_bytes`.
absl::StatusOr<Problem> ParseProblem(std::string_view line, double most_bytes);

// The inverse: the line of an operator with the inputs of these shapes. Of tensors of other ranks than the notation
// has, one with as many elements. Unimplemented where the notation does not have it: a view, rows of unequal growth
// that are put behind each other.
absl::StatusOr<std::string> LineOf(const Operator& op, DescSpan inputs);

}  // namespace mathnas::kernels::testing

#endif  // MATHNAS_KERNELS_TESTING_OPERATOR_CASES_H_
