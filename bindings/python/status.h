// Statuses of the library as exceptions of Python, in one place. Everything here needs the GIL.
#ifndef MATHNAS_BINDINGS_PYTHON_STATUS_H_
#define MATHNAS_BINDINGS_PYTHON_STATUS_H_

#include <filesystem>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mathnas::python {

// The library's text as ValueError (InvalidArgument, OutOfRange, AlreadyExists), LookupError (NotFound),
// PermissionError, NotImplementedError (Unimplemented) or RuntimeError.
[[noreturn]] void Raise(const absl::Status& status);
void RaiseUnless(const absl::Status& status);
[[noreturn]] void RaiseValueError(const std::string& text);

template <typename T>
T Take(absl::StatusOr<T> value) {
  RaiseUnless(value.status());
  return *std::move(value);
}

// The path as text. FileNotFoundError, as open() has it, when there is no such file: the library says NotFound of
// tensors and names too.
std::string ExistingFile(const std::filesystem::path& path);

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_STATUS_H_
