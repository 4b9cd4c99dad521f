// The extents of a constant as an attribute of an operator.
#ifndef MATHNAS_KERNELS_OPS_EXTENTS_H_
#define MATHNAS_KERNELS_OPS_EXTENTS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>

#include "kernels/tensor.h"

namespace mathnas::kernels {

// A shape held in place. With it, all operators are plain bytes: a graph copies them without allocating, and no source
// that does so compiles a copy for each kind.
class Extents {
 public:
  static constexpr size_t kMaxRank = 8;

  Extents() = default;
  // Extents beyond kMaxRank are counted and not kept: the shape rule of an operator refuses them.
  Extents(const Shape& shape) : Extents(std::span(shape.data(), shape.size())) {}  // a shape is what it stands for
  Extents(std::initializer_list<int64_t> extents) : Extents(std::span(extents.begin(), extents.size())) {}

  // As given, so more than kMaxRank where that is too many.
  size_t rank() const { return rank_; }
  Shape shape() const { return Shape(extents_.begin(), extents_.begin() + std::min(rank_, kMaxRank)); }

  bool operator==(const Extents&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const Extents& e) {
    return H::combine(std::move(h), e.rank_, e.extents_);
  }

 private:
  explicit Extents(std::span<const int64_t> extents) : rank_(extents.size()) {
    std::copy_n(extents.begin(), std::min(rank_, kMaxRank), extents_.begin());
  }

  size_t rank_ = 0;
  std::array<int64_t, kMaxRank> extents_ = {};
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_EXTENTS_H_
