#include "supernet/python_random.h"

#include <algorithm>
#include <bit>

namespace mathnas::supernet {

// The constants are those of the MT19937 reference.
void PythonRandom::Seed(uint32_t seed) {
  state_[0] = seed;
  for (uint32_t i = 1; i < kWords; ++i) {
    state_[i] = 1812433253U * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  }
}

PythonRandom::PythonRandom(uint64_t seed) {
  const std::array<uint32_t, 2> key = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  const size_t words = key[1] != 0 ? 2 : 1;
  Seed(19650218U);
  size_t at = 1;
  const auto advance = [&] {
    if (++at < kWords) return;
    state_[0] = state_[kWords - 1];
    at = 1;
  };
  const auto mixed = [&] { return state_[at - 1] ^ (state_[at - 1] >> 30); };
  for (size_t i = 0; i < kWords; ++i) {
    const size_t word = i % words;
    state_[at] = (state_[at] ^ (mixed() * 1664525U)) + key[word] + static_cast<uint32_t>(word);
    advance();
  }
  for (size_t i = 1; i < kWords; ++i) {
    state_[at] = (state_[at] ^ (mixed() * 1566083941U)) - static_cast<uint32_t>(at);
    advance();
  }
  state_[0] = 0x80000000U;
}

void PythonRandom::Refill() {
  constexpr size_t kMiddle = 397;
  constexpr uint32_t kUpper = 0x80000000U, kLower = 0x7fffffffU, kMatrix = 0x9908b0dfU;
  for (size_t i = 0; i < kWords; ++i) {
    const uint32_t y = (state_[i] & kUpper) | (state_[(i + 1) % kWords] & kLower);
    state_[i] = state_[(i + kMiddle) % kWords] ^ (y >> 1) ^ ((y & 1) != 0 ? kMatrix : 0);
  }
  used_ = 0;
}

uint32_t PythonRandom::Next() {
  if (used_ == kWords) Refill();
  uint32_t y = state_[used_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680U;
  y ^= (y << 15) & 0xefc60000U;
  return y ^ (y >> 18);
}

uint64_t PythonRandom::Bits(int bits) {
  // Whole words first, the low one in front, and of the last word its upper bits.
  uint64_t result = 0;
  for (int at = 0; at < bits; at += 32) {
    result |= static_cast<uint64_t>(Next() >> (32 - std::min(32, bits - at))) << at;
  }
  return result;
}

uint64_t PythonRandom::Below(uint64_t n) {
  const int bits = std::bit_width(n);
  uint64_t r = Bits(bits);
  while (r >= n) r = Bits(bits);
  return r;
}

double PythonRandom::Uniform() {
  const uint32_t high = Next() >> 5, low = Next() >> 6;  // 27 and 26 bits
  return (high * 67108864.0 + low) * (1.0 / 9007199254740992.0);
}

}  // namespace mathnas::supernet
