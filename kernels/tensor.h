// Dense, row-major tensors: the element types, shapes, views and buffers that every floor passes around.
#ifndef MATHNAS_KERNELS_TENSOR_H_
#define MATHNAS_KERNELS_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "kernels/bfloat16.h"
#include "kernels/float16.h"
#include "kernels/name_map.h"

namespace mathnas::kernels {

enum class DType : uint8_t { kF32, kF64, kI64, kI32, kU8, kBf16, kF16 };

// Bytes of one element.
size_t SizeOf(DType dtype);
// The safetensors name of a type: "F32", "F64", "I64", "I32", "U8", "BF16", "F16".
std::string_view Name(DType dtype);
// Whether it is one of the floating types of 16 bits, which graphs of float32 have in parts (lower_precision.h).
constexpr bool IsLow(DType dtype) { return dtype == DType::kBf16 || dtype == DType::kF16; }
// The inverse of Name; InvalidArgument lists the names that are known.
absl::StatusOr<DType> ParseDType(std::string_view name);

template <typename T>
constexpr DType DTypeOf();
template <>
constexpr DType DTypeOf<float>() {
  return DType::kF32;
}
template <>
constexpr DType DTypeOf<double>() {
  return DType::kF64;
}
template <>
constexpr DType DTypeOf<int64_t>() {
  return DType::kI64;
}
template <>
constexpr DType DTypeOf<int32_t>() {
  return DType::kI32;
}
template <>
constexpr DType DTypeOf<uint8_t>() {
  return DType::kU8;
}
template <>
constexpr DType DTypeOf<Bfloat16>() {
  return DType::kBf16;
}
template <>
constexpr DType DTypeOf<Float16>() {
  return DType::kF16;
}

// Extents, outermost first. Images are {N, H, W, C}; convolution weights {out, in/groups, kh, kw}; linear {out, in}.
using Shape = absl::InlinedVector<int64_t, 4>;

// Number of elements; 1 for rank 0.
int64_t NumElements(const Shape& shape);
// "64x32x32x16"; "scalar" for rank 0.
std::string ToString(const Shape& shape);

// What a tensor is, without where it is.
struct TensorDesc {
  DType dtype = DType::kF32;
  Shape shape;
  // Elements from one entry of the outermost axis to the next, for a slice of a wider tensor (ops/slice.h); each entry
  // is dense. 0: all of it is.
  int64_t row_stride = 0;

  int64_t elements() const { return NumElements(shape); }
  size_t bytes() const { return static_cast<size_t>(elements()) * SizeOf(dtype); }
  bool dense() const { return row_stride == 0; }
  // From one entry of the outermost axis to the next, dense or not.
  int64_t row_elements() const;
  bool operator==(const TensorDesc&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const TensorDesc& d) {
    return H::combine(std::move(h), d.dtype, d.shape, d.row_stride);
  }
};

// A dense row-major tensor in memory that somebody else owns. Constness is shallow, as for std::span.
struct TensorView {
  TensorDesc desc;
  void* data = nullptr;

  // Elements as T. The type must be the tensor's own.
  template <typename T>
  std::span<T> as() const {
    return {static_cast<T*>(data), static_cast<size_t>(desc.elements())};
  }
};

// A tensor that keeps its memory alive: its own, 64-byte aligned and zero-initialised, or a part of somebody else's.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(TensorDesc desc);
  Tensor(DType dtype, Shape shape) : Tensor(TensorDesc{dtype, std::move(shape)}) {}
  Tensor(Tensor&&) = default;
  Tensor& operator=(Tensor&&) = default;
  // A tensor in memory that `owner` frees (a mapped file, a buffer of the caller), alive at least as long as the
  // tensor. Aligned as that memory is, at least to its element size; not to be written if that memory is read-only.
  static Tensor Borrow(TensorView view, std::shared_ptr<const void> owner);
  // One that owns its memory, which is not zeroed: for who writes all of it.
  static Tensor Uninitialized(TensorDesc desc);

  const TensorDesc& desc() const { return view_.desc; }
  const Shape& shape() const { return view_.desc.shape; }
  void* data() const { return view_.data; }
  const TensorView& view() const { return view_; }
  template <typename T>
  std::span<T> as() const {
    return view_.as<T>();
  }
  // A copy that owns its memory.
  Tensor Clone() const;
  bool borrowed() const { return memory_ == nullptr; }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  TensorView view_;
  std::unique_ptr<void, Free> memory_;  // null when borrowed
  std::shared_ptr<const void> owner_;   // null when owned
};

// Named tensors in insertion order: the weights of a supernet, its gradients, its optimiser state.
class TensorMap {
 public:
  struct Entry {
    std::string name;
    Tensor tensor;
  };

  // Adds a zeroed tensor. AlreadyExists when the name is taken.
  absl::StatusOr<TensorView> Add(std::string name, TensorDesc desc);
  // Adds or replaces.
  void Put(std::string name, Tensor tensor);
  // Moves the tensor of this name, which must be there, out of the map; an empty one stays in its place.
  Tensor Take(std::string_view name);
  // Null when there is none of this name.
  const Tensor* Find(std::string_view name) const;
  // NotFound names the tensor that is missing.
  absl::StatusOr<TensorView> Get(std::string_view name) const;

  bool contains(std::string_view name) const { return Find(name) != nullptr; }
  size_t size() const { return entries_.size(); }
  const std::vector<Entry>& entries() const { return entries_; }
  TensorMap Clone() const;

 private:
  std::vector<Entry> entries_;
  NameMap<size_t> index_;
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_TENSOR_H_
