// Every operator with every line of its file in tests/shapes: what tests over all operators run over.
#ifndef MATHNAS_TESTS_KERNELS_OPERATOR_SHAPES_H_
#define MATHNAS_TESTS_KERNELS_OPERATOR_SHAPES_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/testing/operator_cases.h"

namespace mathnas::kernels::testing {

// The lines of tests/shapes/<name>.txt; '#' starts a comment. NotFound, or InvalidArgument with file and line.
absl::StatusOr<std::vector<ShapeLine>> ReadShapes(std::string_view name, std::string_view keys);

// An entry with one of its lines.
struct OperatorShape {
  const OperatorCase* entry;
  ShapeLine line;

  std::string name() const { return std::string(entry->name) + "_" + line.name(); }
  Problem problem() const { return BuildProblem(*entry, line); }
};

// Every line of every entry, of operators that take 16 bits also with the words "bfloat16" and "float16". Files that
// cannot be read are missing (a test of its own says so).
std::vector<OperatorShape> AllOperatorShapes();
// Those with a gradient.
std::vector<OperatorShape> DifferentiableShapes();

}  // namespace mathnas::kernels::testing

#endif  // MATHNAS_TESTS_KERNELS_OPERATOR_SHAPES_H_
