// bfloat16: the upper half of a float. Its exponent is a float's, its precision 8 bits: rounding to nearest is off by
// at most 2^-8 of the value.
#ifndef MATHNAS_KERNELS_BFLOAT16_H_
#define MATHNAS_KERNELS_BFLOAT16_H_

#include <bit>
#include <cstdint>

namespace mathnas::kernels {

// As memory holds it; arithmetic is done in float.
struct Bfloat16 {
  uint16_t bits = 0;

  // To nearest, ties to even, as the instructions of processors do; NaN stays NaN, what is too large becomes infinite.
  static constexpr Bfloat16 Rounded(float x) {
    const auto bits = std::bit_cast<uint32_t>(x);
    if (x != x) return {static_cast<uint16_t>(bits >> 16 | 0x40)};  // quiet: its lower half alone may have said NaN
    return {static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)};
  }
  constexpr float ToFloat() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
  bool operator==(const Bfloat16&) const = default;
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_BFLOAT16_H_
