// What the library has as JSON text, as objects of Python. Everything here needs the GIL.
#ifndef MATHNAS_BINDINGS_PYTHON_JSON_H_
#define MATHNAS_BINDINGS_PYTHON_JSON_H_

#include <nanobind/nanobind.h>

#include <string>
#include <string_view>

namespace mathnas::python {

// json.loads
nanobind::object FromJson(std::string_view text);
// json.dumps; arrays and numbers of NumPy are lists and numbers. TypeError for what JSON does not have.
std::string ToJson(nanobind::handle object);

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_JSON_H_
