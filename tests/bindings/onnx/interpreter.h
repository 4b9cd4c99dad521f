// Runs ONNX files: each operator as the specification of operator set 17 has it (onnx.ai/onnx/operators), naively and
// in double, without a look at the code under test.
#ifndef MATHNAS_TESTS_BINDINGS_ONNX_INTERPRETER_H_
#define MATHNAS_TESTS_BINDINGS_ONNX_INTERPRETER_H_

#include <map>
#include <string>

#include "tests/bindings/onnx/onnx_file.h"

namespace mathnas::onnx::testing {

// A file that is run many times: what does not depend on inputs is computed once.
//
// Both functions throw std::runtime_error for what is not of the operator set, for inputs whose types or extents are
// not those of the file, for axes of one name that have two extents, for values that are used before they are there or
// set twice, and for outputs of other extents than the file says.
class Session {
 public:
  explicit Session(const File& file);
  std::map<std::string, Array> Run(const std::map<std::string, Array>& inputs) const;

  const File& file() const { return file_; }
  // An initialiser, or computed of such alone.
  bool IsConstant(const std::string& name) const {
    return file_.initializers.contains(name) || constants_.contains(name);
  }

 private:
  const File& file_;
  std::map<std::string, Array> constants_;
};

inline std::map<std::string, Array> Run(const File& file, const std::map<std::string, Array>& inputs) {
  return Session(file).Run(inputs);
}

}  // namespace mathnas::onnx::testing

#endif  // MATHNAS_TESTS_BINDINGS_ONNX_INTERPRETER_H_
