#include "bindings/python/status.h"

#include <nanobind/nanobind.h>

#include <cerrno>
#include <system_error>

#include "kernels/status.h"

namespace mathnas::python {
namespace {

namespace nb = nanobind;

PyObject* ExceptionOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kAlreadyExists:
      return PyExc_ValueError;
    case absl::StatusCode::kNotFound:
      return PyExc_LookupError;
    case absl::StatusCode::kPermissionDenied:
      return PyExc_PermissionError;
    case absl::StatusCode::kUnimplemented:
      return PyExc_NotImplementedError;
    default:
      return PyExc_RuntimeError;
  }
}

}  // namespace

void Raise(const absl::Status& status) {
  PyErr_SetString(ExceptionOf(status.code()), std::string(kernels::Message(status)).c_str());
  throw nb::python_error();
}

void RaiseUnless(const absl::Status& status) {
  if (!status.ok()) Raise(status);
}

void RaiseValueError(const std::string& text) { throw nb::value_error(text.c_str()); }

std::string ExistingFile(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    errno = ENOENT;
    PyErr_SetFromErrnoWithFilename(PyExc_FileNotFoundError, path.c_str());
    throw nb::python_error();
  }
  return path.string();
}

}  // namespace mathnas::python
