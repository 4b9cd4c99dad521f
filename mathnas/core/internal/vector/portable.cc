#include <cstring>

#include "mathnas/core/internal/vector/kernels.h"

namespace mathnas::core::internal::portable {
namespace {

// One network at a time; the compiler makes of it what it can.
constexpr char kName[] = "portable";
constexpr bool kFused = false;  // fma() would be a call
constexpr int kLanes = 1;
constexpr int kRegisterEntries = 0;
constexpr int kChannelsAtOnce = 2;
using Doubles = double;
using Words = uint64_t;
using Mask = bool;

Words Fill(uint64_t word) { return word; }
Words LoadWords(const uint64_t* words) { return *words; }
void StoreWords(uint64_t* words, Words x) { *words = x; }
Words GatherRows(const uint8_t* row, int64_t) {
  Words word;
  std::memcpy(&word, row, sizeof word);
  return word;
}
struct DenseRows {
  explicit DenseRows(int64_t) {}
  Words Load(const uint8_t* row) const { return GatherRows(row, 0); }
};
Words MinCodes(Words x, Words limit, bool wide) {
  const int bits = wide ? 16 : 8;
  const uint64_t ones = (uint64_t{1} << bits) - 1;
  Words least = 0;
  for (int shift = 0; shift < 64; shift += bits) {
    const uint64_t a = x >> shift & ones, b = limit >> shift & ones;
    least |= (a < b ? a : b) << shift;
  }
  return least;
}
// The sum of the weights at the codes that differ.
Words WeighDifferent(Words x, Words none, Words weights, bool wide) {
  const int bits = wide ? 16 : 8;
  const uint64_t ones = (uint64_t{1} << bits) - 1;
  Words sum = 0;
  for (int shift = 0; shift < 64; shift += bits) sum += ((x ^ none) >> shift & ones) != 0 ? weights >> shift & ones : 0;
  return sum;
}
bool AnyBit(Words x) { return x != 0; }
Words ShiftRight(Words x, uint32_t bits) { return x >> bits; }
Words ShiftLeft(Words x, uint32_t bits) { return x << bits; }
Words And(Words x, Words y) { return x & y; }
Words Or(Words x, Words y) { return x | y; }
Words Xor(Words x, Words y) { return x ^ y; }
Mask Equal(Words x, Words y) { return x == y; }
Words Select(Mask mask, Words yes, Words no) { return mask ? yes : no; }
Words GatherWords(const uint64_t* table, Words index) { return table[index]; }

Doubles Fill(double x) { return x; }
Doubles LoadDoubles(const double* x) { return *x; }
void StoreDoubles(double* x, Doubles value) { *x = value; }
void StreamDoubles(double* x, Doubles value) { *x = value; }
void StoreFloats(float* x, Doubles value) { *x = static_cast<float>(value); }
void StreamFloats(float* x, Doubles value) { *x = static_cast<float>(value); }
void StreamFence() {}
Doubles Add(Doubles x, Doubles y) { return x + y; }
Doubles Subtract(Doubles x, Doubles y) { return x - y; }
Doubles Multiply(Doubles x, Doubles y) { return x * y; }
Doubles Divide(Doubles x, Doubles y) { return x / y; }
Doubles DivideByScale(Doubles x, const Scale& scale) { return x / scale.scale; }
Doubles SelectPositive(Doubles x, Doubles yes, Doubles no) { return x > 0 ? yes : no; }
Doubles LookUp8(const double* table, Words code) { return table[code]; }
Doubles LookUp16(const double* table, Words code) { return table[code]; }
Doubles LookUp(const double* table, Words code) { return table[code]; }

class Numbering {
 public:
  Numbering(const NumberWeights& weights, int64_t stride) {
    for (int b = 0; b < 8; ++b) {
      const int64_t weight = int64_t{weights.codes[b]} * weights.pairs[b / 2] * (b < 4 ? 1 : weights.second);
      weights_[b] = static_cast<uint64_t>(weight * stride);
    }
  }
  Words Of(Words codes) const {
    Words number = 0;
    for (int b = 0; b < 8; ++b) number += (codes >> 8 * b & 0xff) * weights_[b];
    return number;
  }

 private:
  uint64_t weights_[8];
};

}  // namespace

#include "mathnas/core/internal/vector/predict.inc"
#include "mathnas/core/internal/vector/sweep.inc"

}  // namespace mathnas::core::internal::portable
