// The one source of randomness: a counter-based generator (Philox 4x32-10; Salmon et al., "Parallel random numbers:
// as easy as 1, 2, 3", SC 2011). The numbers of a stream depend on (seed, stream, position) alone, so whatever is drawn
// can be drawn again after a restart, and by any thread.
#ifndef MATHNAS_KERNELS_RANDOM_H_
#define MATHNAS_KERNELS_RANDOM_H_

#include <array>
#include <cstdint>
#include <span>

namespace mathnas::kernels {

class Random {
 public:
  // Streams of one seed are independent. Mix several indices into one stream number with Stream().
  explicit Random(uint64_t seed, uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  // A stream number from a purpose and up to two indices (epoch, image, step, ...); distinct inputs give distinct
  // streams while index_a < 2^24 and index_b < 2^32.
  static constexpr uint64_t Stream(uint8_t purpose, uint64_t index_a, uint64_t index_b = 0) {
    return (static_cast<uint64_t>(purpose) << 56) | ((index_a & 0xFFFFFF) << 32) | (index_b & 0xFFFFFFFF);
  }

  uint32_t Next();
  // Uniform in [0, 1), 32 bits of resolution.
  double Uniform();
  // Uniform in 0 .. n-1 without bias; n >= 1.
  uint32_t Below(uint32_t n);
  // Standard normal (Box-Muller).
  double Normal();
  // Fisher-Yates.
  void Shuffle(std::span<uint32_t> items);

 private:
  uint64_t seed_;
  uint64_t stream_;
  uint64_t counter_ = 0;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_RANDOM_H_
