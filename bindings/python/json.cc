#include "bindings/python/json.h"

#include <nanobind/stl/string.h>

namespace mathnas::python {

namespace nb = nanobind;
using namespace nb::literals;  // NOLINT: "name"_a

nb::object FromJson(std::string_view text) {
  return nb::module_::import_("json").attr("loads")(nb::str(text.data(), text.size()));
}

std::string ToJson(nb::handle object) {
  const nb::object others = nb::cpp_function([](nb::handle value) -> nb::object {
    if (nb::hasattr(value, "tolist")) return value.attr("tolist")();
    throw nb::type_error("expected what JSON has: numbers, texts, lists, dicts, None, or arrays");
  });
  return nb::cast<std::string>(nb::module_::import_("json").attr("dumps")(object, "default"_a = others));
}

}  // namespace mathnas::python
