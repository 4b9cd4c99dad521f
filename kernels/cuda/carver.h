// Pieces of a kernel's scratch.
#ifndef MATHNAS_KERNELS_CUDA_CARVER_H_
#define MATHNAS_KERNELS_CUDA_CARVER_H_

#include <cstddef>
#include <cstdint>

namespace mathnas::kernels::cuda {

// 64-byte aligned pieces, one behind the other. Of null: null pointers, to learn the bytes.
class Carver {
 public:
  explicit Carver(void* memory) : memory_(static_cast<std::byte*>(memory)) {}
  template <typename T>
  T* Take(int64_t count) {
    constexpr size_t kLine = 64;
    std::byte* piece = memory_ != nullptr ? memory_ + bytes_ : nullptr;
    bytes_ += (static_cast<size_t>(count) * sizeof(T) + kLine - 1) / kLine * kLine;
    return reinterpret_cast<T*>(piece);
  }
  size_t bytes() const { return bytes_; }

 private:
  std::byte* memory_;
  size_t bytes_ = 0;
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_CARVER_H_
