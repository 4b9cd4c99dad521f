// The oracle harness's list of operators: for every operator one entry that says how to build it from a line of a shape
// file, how far a device may be from exact arithmetic and why, and how to check its gradient.
#ifndef MATHNAS_TESTS_KERNELS_OPERATOR_CASES_H_
#define MATHNAS_TESTS_KERNELS_OPERATOR_CASES_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/kernels/error_bounds.h"
#include "tests/kernels/operator_runner.h"

namespace mathnas::kernels::testing {

// A line of a shape file: "key=number" separated by blanks. '#' starts a comment.
class ShapeLine {
 public:
  // InvalidArgument when a word is no key=number or the key is not among `keys` (separated by blanks).
  static absl::StatusOr<ShapeLine> Parse(std::string_view text, std::string_view keys);

  double Number(std::string_view key, double otherwise) const;
  int64_t Get(std::string_view key, int64_t otherwise) const {
    return static_cast<int64_t>(Number(key, static_cast<double>(otherwise)));
  }
  bool Has(std::string_view key) const { return Get(key, 0) != 0; }
  // "n2_h7_w9_i16": usable in the name of a test.
  std::string name() const { return name_; }

 private:
  std::map<std::string, double, std::less<>> values_;
  std::string name_;
};

struct OperatorCase {
  std::string_view name;                            // the operator's kName
  std::string_view shapes;                          // tests/shapes/<shapes>.txt
  std::string_view keys;                            // that a line may have
  Problem (*build)(const ShapeLine&);               // its graph: the operator and its inputs, with their ranges
  ErrorBound bound;                                 // tolerance; error_bounds.h derives each
  std::vector<size_t> in_place = {};                // inputs whose buffer output 0 may take over
  double gradient_step = 0;                         // of central differences; 0: no gradient
  bool (*has_gradient)(const Operator&) = nullptr;  // null: always, if gradient_step is not 0
};

// One entry per operator.
const std::vector<OperatorCase>& OperatorCases();

// The lines of tests/shapes/<name>.txt. NotFound, or InvalidArgument with file and line.
absl::StatusOr<std::vector<ShapeLine>> ReadShapes(std::string_view name, std::string_view keys);

// An entry with one of its lines.
struct OperatorShape {
  const OperatorCase* entry;
  ShapeLine line;

  std::string name() const { return std::string(entry->name) + "_" + line.name(); }
  Problem problem() const { return entry->build(line); }
};

// Every line of every entry. Files that cannot be read are missing (a test of its own says so).
std::vector<OperatorShape> AllOperatorShapes();
// Those with a gradient.
std::vector<OperatorShape> DifferentiableShapes();

}  // namespace mathnas::kernels::testing

#endif  // MATHNAS_TESTS_KERNELS_OPERATOR_CASES_H_
