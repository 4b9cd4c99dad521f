// Arrays that come in through the buffer protocol or DLPack, and arrays of NumPy that go out. Nothing is copied on the
// way in; what goes out owns its memory, or keeps its owner alive.
#ifndef MATHNAS_BINDINGS_PYTHON_ARRAYS_H_
#define MATHNAS_BINDINGS_PYTHON_ARRAYS_H_

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>

#include "absl/types/span.h"
#include "kernels/tensor.h"

namespace mathnas::python {

// Any array, to be read; to be written.
using Array = nanobind::ndarray<nanobind::ro>;
using WritableArray = nanobind::ndarray<>;

// "float32", ...: what NumPy calls an element type of the library.
std::string NumpyName(kernels::DType dtype);

// Whether elements are of type T, which is one of the machine's own.
template <typename T, typename... Kind>
bool IsOf(const nanobind::ndarray<Kind...>& array) {
  return array.dtype() == nanobind::dtype<T>();
}

// ValueError that names the argument, what was found ("float64 {2,3}") and what was expected.
[[noreturn]] void RaiseUnexpected(const char* name, const Array& array, const std::string& expected);
// ValueError unless the array is in the machine's memory, dense and row-major.
void RequireDense(const char* name, const Array& array);

// A dense array as a tensor of the library, which only reads it. ValueError: dense and in memory it is not, or of an
// element type that the library does not have.
kernels::TensorView ViewOf(const char* name, const Array& array);
// Its elements, for any shape. ValueError unless they are of type T.
template <typename T>
std::span<const T> Elements(const char* name, const Array& array) {
  const kernels::TensorView view = ViewOf(name, array);
  if (view.desc.dtype != kernels::DTypeOf<T>()) {
    RaiseUnexpected(name, array, NumpyName(kernels::DTypeOf<T>()));
  }
  return view.as<const T>();
}

// Uninitialised memory for an array of NumPy, aligned for vector units. Made without the GIL, too.
template <typename T>
class Result {
 public:
  static constexpr std::align_val_t kAlignment{64};

  explicit Result(size_t elements) : data_(static_cast<T*>(::operator new(elements * sizeof(T), kAlignment))) {}
  T* data() const { return data_.get(); }
  // Hands the memory over, to the arrays that this is the owner of. Needs the GIL.
  nanobind::capsule Release() {
    nanobind::capsule owner(data_.get(), [](void* memory) noexcept { ::operator delete(memory, kAlignment); });
    data_.release();
    return owner;
  }
  // The same as an array of this shape.
  nanobind::object ToArray(absl::Span<const size_t> shape) {
    T* data = data_.get();
    return nanobind::ndarray<nanobind::numpy, T>(data, shape.size(), shape.data(), Release()).cast();
  }

 private:
  struct Free {
    void operator()(T* memory) const { ::operator delete(memory, kAlignment); }
  };
  std::unique_ptr<T, Free> data_;
};

// Memory for results {rows, columns} that the caller gave as `name`. TypeError: it cannot be written to; ValueError: it
// is not float32, dense, of that shape.
float* FloatsIn(const char* name, nanobind::handle array, size_t rows, size_t columns);
// The place of the largest of each row, int64 {rows}.
nanobind::object LargestOf(std::span<const float> values, size_t rows, size_t columns);

// An array of NumPy in the memory of a tensor, which `owner` keeps alive; writing to it writes to the tensor. Needs the
// GIL.
nanobind::object ArrayIn(const kernels::TensorView& view, nanobind::handle owner);
// A copy.
nanobind::object CopyOf(const kernels::TensorView& view);

// An owner for ArrayIn.
template <typename T>
nanobind::capsule Holding(std::shared_ptr<T> object) {
  auto held = std::make_unique<std::shared_ptr<T>>(std::move(object));
  nanobind::capsule capsule(held.get(), [](void* p) noexcept { delete static_cast<std::shared_ptr<T>*>(p); });
  held.release();
  return capsule;
}

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_ARRAYS_H_
