// The one source of randomness: a counter-based generator (Philox 4x32-10; Salmon et al., "Parallel random numbers:
// as easy as 1, 2, 3", SC 2011). The numbers of a stream depend on (seed, stream, position) alone, so whatever is drawn
// can be drawn again after a restart, and by any thread.
#ifndef MATHNAS_KERNELS_RANDOM_H_
#define MATHNAS_KERNELS_RANDOM_H_

#include <array>
#include <cstdint>
#include <span>

#include "kernels/dropout_keys.h"

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

// Which of up to 2^32 elements dropout sets to zero. Each is drawn on its own from (seed, stream, index), by two rounds
// of a 32-bit hash with a key before each; the keys are Random's. Random itself draws four numbers at a time: code that
// begins anywhere in a tensor would have to sort them, and the hash costs a fourth of it.
class DropoutMask {
 public:
  // 0 <= rate < 1, the probability of each to be dropped, rounded to a multiple of 2^-32.
  DropoutMask(uint64_t seed, int32_t stream, double rate);

  // Of the steps of the hash every input gives another output, and a changed bit changes each other with a probability
  // of almost 1/2: the multipliers are Wellons' of least bias (hash-prospector, "lowbias32").
  static constexpr uint32_t Mix(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7FEB352D;
    x ^= x >> 15;
    x *= 0x846CA68B;
    x ^= x >> 16;
    return x;
  }
  bool Drops(uint32_t index) const { return Mix(Mix(index + keys_.first) + keys_.second) < keys_.threshold; }
  const DropoutKeys& keys() const { return keys_; }

 private:
  DropoutKeys keys_;
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_RANDOM_H_
