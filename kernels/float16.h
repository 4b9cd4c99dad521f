// float16, IEEE 754's binary16: precision of 11 bits, so that rounding to nearest is off by at most 2^-11 of the value;
// but 5 bits of exponent. The largest is 65504, the least normal one 2^-14, the least 2^-24.
#ifndef MATHNAS_KERNELS_FLOAT16_H_
#define MATHNAS_KERNELS_FLOAT16_H_

#include <bit>
#include <cstdint>

namespace mathnas::kernels {

// As memory holds it; arithmetic is done in float.
struct Float16 {
  uint16_t bits = 0;

  // To nearest, ties to even, as the instructions of processors do; NaN stays NaN, what is too large becomes infinite.
  static constexpr Float16 Rounded(float x) {
    const auto bits = std::bit_cast<uint32_t>(x);
    const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
    const auto with_sign = [sign](uint32_t rest) { return Float16{static_cast<uint16_t>(sign | rest)}; };
    if (magnitude > kInfinity) return with_sign(0x7E00 | (magnitude >> 13 & 0x3FF));  // quiet
    if (magnitude >= kTooLarge) return with_sign(0x7C00);
    if (magnitude < kLeastNormal) {
      // Next to 1/2 floats are 2^-24 apart: the sum is rounded to a multiple of that, which its last bits count.
      const float sum = std::bit_cast<float>(magnitude) + 0.5F;
      return with_sign(std::bit_cast<uint32_t>(sum) - std::bit_cast<uint32_t>(0.5F));
    }
    return with_sign((magnitude - kExponents + 0xFFF + (magnitude >> 13 & 1)) >> 13);
  }
  constexpr float ToFloat() const {
    const uint32_t sign = uint32_t{bits & 0x8000U} << 16, magnitude = bits & 0x7FFFU;
    if (magnitude < 0x400) {  // below the normal ones
      return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(static_cast<float>(magnitude) * 0x1p-24F));
    }
    // The exponent of infinities and NaN is the last one here as there.
    return std::bit_cast<float>(sign | ((magnitude << 13) + (magnitude < 0x7C00 ? kExponents : 2 * kExponents)));
  }
  bool operator==(const Float16&) const = default;

 private:
  // Of floats, as their bits.
  static constexpr uint32_t kInfinity = 0x7F800000, kTooLarge = 0x477FF000, kLeastNormal = 0x38800000;
  static constexpr uint32_t kExponents = 112 << 23;  // between the two biases, 127 and 15
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_FLOAT16_H_
