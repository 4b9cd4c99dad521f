// Splitting work on plain ranges of elements, and on scratch memory.
#ifndef MATHNAS_KERNELS_CPU_ELEMENTS_H_
#define MATHNAS_KERNELS_CPU_ELEMENTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/parallel.h"

namespace mathnas::kernels::cpu {

// Elements that are worth a thread of their own: 128 KB, which one thread copies within its second cache in about the
// time that OpenMP takes to wake another.
inline constexpr int64_t kElementsPerThread = 32768;

// Items to give a thread at least, where an item is a loop over `elements` elements.
inline int64_t GrainOf(int64_t elements) {
  return std::max<int64_t>(1, kElementsPerThread / std::max<int64_t>(1, elements));
}

// Calls body(begin, size) for parts of 0 .. count-1 that begin on a cache line. `cost` is that of an element in copies.
template <typename Body>
void ParallelElements(int threads, int64_t count, const Body& body, int64_t cost = 1) {
  constexpr int64_t kPiece = 1024;
  ParallelFor(threads, (count + kPiece - 1) / kPiece, GrainOf(kPiece * cost), [&](int, int64_t begin, int64_t end) {
    body(begin * kPiece, std::min(end * kPiece, count) - begin * kPiece);
  });
}

// Calls body(item, begin, size) for parts of the elements of all items, item.*elements being those of one: small
// tensors together are worth the threads that none of them is alone. No part begins or ends within a piece that
// ParallelElements would leave whole.
template <typename Items, typename Member, typename Body>
void ParallelElementsOfAll(int threads, const Items& items, Member elements, const Body& body) {
  constexpr int64_t kPiece = 1024;
  const auto pieces_of = [&](const auto& item) {
    return (static_cast<int64_t>((item.*elements).size()) + kPiece - 1) / kPiece;
  };
  int64_t pieces = 0;
  for (const auto& item : items) pieces += pieces_of(item);
  ParallelFor(threads, pieces, GrainOf(kPiece), [&](int, int64_t begin, int64_t end) {
    int64_t first = 0;  // piece of the item
    for (const auto& item : items) {
      const int64_t last = first + pieces_of(item), from = std::max(begin, first), to = std::min(end, last);
      if (from < to) {
        const int64_t at = (from - first) * kPiece;
        body(item, at, std::min((to - first) * kPiece, static_cast<int64_t>((item.*elements).size())) - at);
      }
      first = last;
    }
  });
}

// Hands out pieces of scratch memory, each on a cache line. With null it only counts: the same code books and takes.
class Carver {
 public:
  explicit Carver(void* memory) : memory_(static_cast<std::byte*>(memory)) {}
  template <typename T>
  T* Take(int64_t count) {
    constexpr size_t kLine = 64;
    std::byte* piece = memory_ ? memory_ + bytes_ : nullptr;
    bytes_ += (static_cast<size_t>(count) * sizeof(T) + kLine - 1) / kLine * kLine;
    return reinterpret_cast<T*>(piece);
  }
  size_t bytes() const { return bytes_; }

 private:
  std::byte* memory_;
  size_t bytes_ = 0;
};

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_ELEMENTS_H_
