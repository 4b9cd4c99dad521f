#include "kernels/random.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace mathnas::kernels {
namespace {

using Words = std::array<uint32_t, 4>;

// Philox 4x32-10 written from the paper's section 3.3: a bijection of a 128-bit counter under a 64-bit key.
Words PaperPhilox(Words counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{counter[0]} * 0xD2511F53u, b = uint64_t{counter[2]} * 0xCD9E8D57u;
    const Words next = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
                        static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    counter = next;
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// kat_vectors of Random123, the generator's reference implementation.
TEST(Random, OracleMatchesPublishedVectors) {
  EXPECT_EQ(PaperPhilox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(PaperPhilox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(PaperPhilox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, IsPhiloxOfSeedStreamAndPosition) {
  Random zero(0, 0);
  for (uint32_t word : {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}) EXPECT_EQ(zero.Next(), word);
  for (uint64_t seed : {uint64_t{1}, uint64_t{0xa4093822299f31d0}}) {
    for (uint64_t stream : {uint64_t{0}, uint64_t{7}, uint64_t{0x13198a2e03707344}}) {
      Random random(seed, stream);
      for (uint32_t block = 0; block < 5; ++block) {
        const Words expected =
            PaperPhilox({block, 0, static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)},
                        {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
        for (uint32_t word : expected) EXPECT_EQ(random.Next(), word);
      }
    }
  }
}

TEST(Random, SameSeedSameNumbersOtherStreamOthers) {
  Random a(3, 5), b(3, 5), stream(3, 6), seed(4, 5);
  int same_stream = 0, same_seed = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint32_t x = a.Next();
    EXPECT_EQ(x, b.Next());
    same_stream += x == stream.Next();
    same_seed += x == seed.Next();
  }
  EXPECT_LE(same_stream, 1);
  EXPECT_LE(same_seed, 1);
}

// Correlation of neighbouring streams and seeds: a sum of n products of independent centred uniforms has the standard
// deviation sqrt(n) / 12; five of them are one chance in two million.
TEST(Random, StreamsAreUncorrelated) {
  constexpr int kCount = 20000;
  const std::vector<std::pair<Random, Random>> pairs = {
      {Random(1, 0), Random(1, 1)},
      {Random(1, 0), Random(2, 0)},
      {Random(1, Random::Stream(1, 0, 0)), Random(1, Random::Stream(1, 0, 1))},
      {Random(1, Random::Stream(1, 0, 0)), Random(1, Random::Stream(1, 1, 0))},
      {Random(1, Random::Stream(1, 0, 0)), Random(1, Random::Stream(2, 0, 0))},
  };
  for (auto [a, b] : pairs) {
    double sum = 0;
    for (int i = 0; i < kCount; ++i) sum += (a.Uniform() - 0.5) * (b.Uniform() - 0.5);
    EXPECT_LT(std::abs(sum), 5 * std::sqrt(kCount) / 12);
  }
}

TEST(Random, StreamNumbersAreDistinct) {
  std::set<uint64_t> streams;
  for (uint8_t purpose : {0, 1, 255}) {
    for (uint64_t a : {uint64_t{0}, uint64_t{1}, uint64_t{0xFFFFFF}}) {
      for (uint64_t b : {uint64_t{0}, uint64_t{1}, uint64_t{0xFFFFFFFF}}) {
        EXPECT_TRUE(streams.insert(Random::Stream(purpose, a, b)).second);
      }
    }
  }
}

// Chi-squared over 64 cells: mean 63, standard deviation sqrt(126) = 11.2; 120 is 5 of them above.
TEST(Random, UniformIsUniform) {
  Random random(11);
  std::array<int, 64> cells{};
  constexpr int kCount = 64 * 1000;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.Uniform();
    ASSERT_GE(x, 0);
    ASSERT_LT(x, 1);
    ++cells[static_cast<size_t>(x * 64)];
  }
  double chi = 0;
  for (int c : cells) chi += (c - 1000.0) * (c - 1000.0) / 1000;
  EXPECT_LT(chi, 120);
  EXPECT_GT(chi, 20);
}

TEST(Random, BelowCoversItsRangeEvenly) {
  Random random(12);
  EXPECT_EQ(random.Below(1), 0u);
  for (uint32_t n : {3u, 7u, 10u}) {
    std::vector<int> count(n);
    for (uint32_t i = 0; i < n * 10000; ++i) {
      const uint32_t x = random.Below(n);
      ASSERT_LT(x, n);
      ++count[x];
    }
    for (int c : count) EXPECT_NEAR(c, 10000, 500);  // five standard deviations of 100
  }
  // With n = 3 * 2^30 a plain remainder would draw the lowest third twice as often.
  int low = 0;
  for (int i = 0; i < 30000; ++i) low += random.Below(3u << 30) < (1u << 30);
  EXPECT_NEAR(low, 10000, 5 * std::sqrt(30000 * 2.0 / 9));
}

TEST(Random, NormalHasItsMoments) {
  Random random(13);
  constexpr int kCount = 100000;
  double m1 = 0, m2 = 0, m4 = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.Normal();
    ASSERT_TRUE(std::isfinite(x));
    m1 += x, m2 += x * x, m4 += x * x * x * x;
  }
  // Five standard deviations of the sample moments: variances 1, 2 and 96.
  EXPECT_NEAR(m1 / kCount, 0, 5 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(m2 / kCount, 1, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(m4 / kCount, 3, 5 * std::sqrt(96.0 / kCount));
}

TEST(Random, ShuffleReachesEveryOrderEvenly) {
  Random random(14);
  std::array<std::array<int, 4>, 4> at{};  // at[item][position]
  for (int i = 0; i < 40000; ++i) {
    std::array<uint32_t, 4> items = {0, 1, 2, 3};
    random.Shuffle(items);
    for (size_t p = 0; p < 4; ++p) ++at[items[p]][p];
  }
  for (const auto& positions : at) {
    for (int count : positions) EXPECT_NEAR(count, 10000, 5 * std::sqrt(40000 * 3.0 / 16));
  }
  random.Shuffle({});
}

}  // namespace
}  // namespace mathnas::kernels
