#include "kernels/random.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace mathnas::kernels {
namespace {

// Ten rounds of Philox 4x32 with the multipliers and Weyl constants of the paper's table 2.
std::array<uint32_t, 4> Philox(uint64_t key, uint64_t low, uint64_t high) {
  std::array<uint32_t, 4> c = {static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32),
                               static_cast<uint32_t>(high), static_cast<uint32_t>(high >> 32)};
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

}  // namespace

uint32_t Random::Next() {
  if (used_ == 4) {
    block_ = Philox(seed_, counter_++, stream_);
    used_ = 0;
  }
  return block_[used_++];
}

double Random::Uniform() { return Next() * 0x1p-32; }

uint32_t Random::Below(uint32_t n) {
  const uint32_t limit = static_cast<uint32_t>((uint64_t{1} << 32) / n * n - 1);
  uint32_t x = Next();
  while (x > limit) x = Next();
  return x % n;
}

double Random::Normal() {
  const double u = (Next() + 1.0) * 0x1p-32;  // in (0, 1], so that the logarithm is finite
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * Uniform());
}

void Random::Shuffle(std::span<uint32_t> items) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[Below(static_cast<uint32_t>(i))]);
}

DropoutMask::DropoutMask(uint64_t seed, int32_t stream, double rate) {
  constexpr uint8_t kDropoutPurpose = 0x40;
  Random random(seed, Random::Stream(kDropoutPurpose, 0, static_cast<uint32_t>(stream)));
  keys_.first = random.Next();
  keys_.second = random.Next();
  keys_.threshold = static_cast<uint32_t>(std::min(std::round(rate * 0x1p32), 0x1p32 - 1));
}

}  // namespace mathnas::kernels
