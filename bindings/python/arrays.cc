#include "bindings/python/arrays.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "bindings/python/status.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace mathnas::python {
namespace {

namespace nb = nanobind;
using kernels::DType;

struct ElementType {
  DType dtype;
  nb::dlpack::dtype python;
  const char* name;
};

const ElementType kElementTypes[] = {
    {DType::kF32, nb::dtype<float>(), "float32"}, {DType::kF64, nb::dtype<double>(), "float64"},
    {DType::kI64, nb::dtype<int64_t>(), "int64"}, {DType::kI32, nb::dtype<int32_t>(), "int32"},
    {DType::kU8, nb::dtype<uint8_t>(), "uint8"},
};

std::optional<DType> TypeOf(const Array& array) {
  for (const ElementType& t : kElementTypes) {
    if (array.dtype() == t.python) return t.dtype;
  }
  return std::nullopt;
}

std::string NameOf(nb::dlpack::dtype type) {
  const auto code = static_cast<nb::dlpack::dtype_code>(type.code);
  const char* kind = code == nb::dlpack::dtype_code::Int      ? "int"
                     : code == nb::dlpack::dtype_code::UInt   ? "uint"
                     : code == nb::dlpack::dtype_code::Float  ? "float"
                     : code == nb::dlpack::dtype_code::Bfloat ? "bfloat"
                     : code == nb::dlpack::dtype_code::Bool   ? "bool"
                                                              : "another type of bits: ";
  return fmt::format("{}{}", kind, type.bits);
}

bool IsDense(const Array& array) {
  int64_t expected = 1;
  for (size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) > 1 && array.stride(i) != expected) return false;
    expected *= static_cast<int64_t>(array.shape(i));
  }
  return true;
}

nb::ndarray<nb::numpy> Wrapped(const kernels::TensorView& view, nb::handle owner) {
  for (const ElementType& t : kElementTypes) {
    if (t.dtype != view.desc.dtype) continue;
    const std::vector<size_t> shape(view.desc.shape.begin(), view.desc.shape.end());
    return {view.data, shape.size(), shape.data(), owner, nullptr, t.python};
  }
  RaiseValueError(fmt::format("a tensor of {}, which NumPy does not have", Name(view.desc.dtype)));
}

}  // namespace

std::string NumpyName(DType dtype) {
  for (const ElementType& t : kElementTypes) {
    if (t.dtype == dtype) return t.name;
  }
  return std::string(Name(dtype));
}

void RaiseUnexpected(const char* name, const Array& array, const std::string& expected) {
  const std::span<const int64_t> shape(array.shape_ptr(), array.ndim());
  RaiseValueError(
      fmt::format("{}: {} {{{}}}, expected {}", name, NameOf(array.dtype()), fmt::join(shape, ","), expected));
}

void RequireDense(const char* name, const Array& array) {
  if (array.device_type() != nb::device::cpu::value) {
    RaiseValueError(fmt::format("{}: an array on another device, expected one in the memory of the CPU", name));
  }
  if (!IsDense(array)) {
    RaiseUnexpected(name, array, "a contiguous array (numpy.ascontiguousarray makes one)");
  }
}

kernels::TensorView ViewOf(const char* name, const Array& array) {
  RequireDense(name, array);
  const std::optional<DType> dtype = TypeOf(array);
  if (!dtype) RaiseUnexpected(name, array, "float32, float64, int64, int32 or uint8");
  kernels::TensorView view;
  view.desc.dtype = *dtype;
  view.desc.shape.assign(array.shape_ptr(), array.shape_ptr() + array.ndim());
  view.data = const_cast<void*>(array.data());
  return view;
}

float* FloatsIn(const char* name, nb::handle array, size_t rows, size_t columns) {
  WritableArray target;
  if (!nb::try_cast(array, target)) {
    throw nb::type_error(fmt::format("{}: expected an array that can be written to", name).c_str());
  }
  const Array seen(target);
  RequireDense(name, seen);
  if (!IsOf<float>(seen) || seen.ndim() != 2 || seen.shape(0) != rows || seen.shape(1) != columns) {
    RaiseUnexpected(name, seen, fmt::format("float32 {{{},{}}}", rows, columns));
  }
  return static_cast<float*>(target.data());
}

nb::object LargestOf(std::span<const float> values, size_t rows, size_t columns) {
  Result<int64_t> largest(rows);
  for (size_t i = 0; i < rows; ++i) {
    const auto row = values.subspan(i * columns, columns);
    largest.data()[i] = std::ranges::max_element(row) - row.begin();
  }
  return largest.ToArray({rows});
}

nb::object ArrayIn(const kernels::TensorView& view, nb::handle owner) { return Wrapped(view, owner).cast(); }

nb::object CopyOf(const kernels::TensorView& view) { return Wrapped(view, nb::none()).cast(nb::rv_policy::copy); }

}  // namespace mathnas::python
