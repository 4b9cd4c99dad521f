#include "kernels/tensor.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/large_pages.h"

namespace mathnas::kernels {
namespace {

constexpr size_t kAlignment = 64;  // one cache line, one AVX-512 register

struct TypeInfo {
  DType dtype;
  std::string_view name;
  size_t size;
};
constexpr TypeInfo kTypes[] = {
    {DType::kF32, "F32", 4}, {DType::kF64, "F64", 8},   {DType::kI64, "I64", 8}, {DType::kI32, "I32", 4},
    {DType::kU8, "U8", 1},   {DType::kBf16, "BF16", 2}, {DType::kF16, "F16", 2},
};

}  // namespace

size_t SizeOf(DType dtype) { return kTypes[static_cast<size_t>(dtype)].size; }

std::string_view Name(DType dtype) { return kTypes[static_cast<size_t>(dtype)].name; }

absl::StatusOr<DType> ParseDType(std::string_view name) {
  for (const TypeInfo& t : kTypes) {
    if (t.name == name) return t.dtype;
  }
  return absl::InvalidArgumentError(
      fmt::format("element type \"{}\": expected F32, F64, I64, I32, U8, BF16 or F16", name));
}

int64_t NumElements(const Shape& shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

int64_t TensorDesc::row_elements() const {
  if (!dense()) return row_stride;
  int64_t elements = 1;
  for (size_t axis = 1; axis < shape.size(); ++axis) elements *= shape[axis];
  return elements;
}

std::string ToString(const Shape& shape) { return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x")); }

namespace {

// Bytes of the memory of a tensor.
size_t Allocated(const TensorDesc& desc) {
  return (std::max<size_t>(desc.bytes(), 1) + kAlignment - 1) / kAlignment * kAlignment;
}

void* Allocate(const TensorDesc& desc) { return internal::AllocatePreferringLargePages(kAlignment, Allocated(desc)); }

}  // namespace

Tensor::Tensor(TensorDesc desc) {
  memory_.reset(Allocate(desc));
  std::memset(memory_.get(), 0, Allocated(desc));
  view_ = {std::move(desc), memory_.get()};
}

void Tensor::Free::operator()(void* p) const { std::free(p); }

Tensor Tensor::Borrow(TensorView view, std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.view_ = std::move(view);
  tensor.owner_ = std::move(owner);
  return tensor;
}

Tensor Tensor::Uninitialized(TensorDesc desc) {
  Tensor tensor;
  tensor.memory_.reset(Allocate(desc));
  tensor.view_ = {std::move(desc), tensor.memory_.get()};
  return tensor;
}

Tensor Tensor::Clone() const {
  Tensor copy = Uninitialized(desc());
  if (desc().bytes() > 0) std::memcpy(copy.data(), data(), desc().bytes());
  return copy;
}

absl::StatusOr<TensorView> TensorMap::Add(std::string name, TensorDesc desc) {
  if (contains(name)) return absl::AlreadyExistsError(fmt::format("tensor \"{}\" exists already", name));
  index_.emplace(name, entries_.size());
  entries_.push_back({std::move(name), Tensor(std::move(desc))});
  return entries_.back().tensor.view();
}

void TensorMap::Put(std::string name, Tensor tensor) {
  if (auto it = index_.find(name); it != index_.end()) {
    entries_[it->second].tensor = std::move(tensor);
    return;
  }
  index_.emplace(name, entries_.size());
  entries_.push_back({std::move(name), std::move(tensor)});
}

Tensor TensorMap::Take(std::string_view name) { return std::exchange(entries_[index_.find(name)->second].tensor, {}); }

const Tensor* TensorMap::Find(std::string_view name) const {
  auto it = index_.find(name);
  return it == index_.end() ? nullptr : &entries_[it->second].tensor;
}

absl::StatusOr<TensorView> TensorMap::Get(std::string_view name) const {
  const Tensor* t = Find(name);
  if (t == nullptr) return absl::NotFoundError(fmt::format("tensor \"{}\": not found", name));
  return t->view();
}

TensorMap TensorMap::Clone() const {
  TensorMap copy;
  for (const Entry& e : entries_) copy.Put(e.name, e.tensor.Clone());
  return copy;
}

}  // namespace mathnas::kernels
