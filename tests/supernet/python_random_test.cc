#include "supernet/python_random.h"

#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <sstream>
#include <vector>

#include "gtest/gtest.h"

namespace mathnas::supernet {
namespace {

// What python3 (3.11) says: getrandbits(32) thrice; getrandbits of 1, 5, 33 and 64; _randbelow of 1, 2, 3, 5, 1000,
// 2**32 and 2**40 + 1; random(); and, 2000 words later, getrandbits(32).
TEST(PythonRandom, DrawsWhatPythonDraws) {
  const struct {
    uint64_t seed;
    std::array<uint64_t, 3> words;
    std::array<uint64_t, 4> bits;
    std::array<uint64_t, 7> below;
    double uniform;
    uint64_t later;
  } drawn[] = {{0U,
                {3626764237U, 1654615998U, 3255389356U},
                {1U, 13U, 173879092U, 9431353882395063546U},
                {0U, 1U, 1U, 3U, 366U, 3900315155U, 307110291574U},
                0.28183784439970383,
                2164333659U},
               {1U,
                {577090037U, 2444712010U, 3639700191U},
                {1U, 24U, 271041745U, 9139164268605729673U},
                {0U, 1U, 2U, 3U, 807U, 901749037U, 62224870530U},
                0.8933170425576351,
                2062215470U},
               {88U,
                {1707201716U, 4182107318U, 813946014U},
                {0U, 28U, 5089453911U, 9715381332610154394U},
                {0U, 1U, 2U, 3U, 138U, 4089063259U, 307898951913U},
                0.60170975456625,
                25878136U},
               {2147483648U,
                {1455117090U, 1620553392U, 2169224728U},
                {1U, 28U, 3836444491U, 2071320544698434461U},
                {0U, 0U, 1U, 2U, 772U, 3575145360U, 1020969804294U},
                0.08530225312262096,
                2686087862U},
               {4294967295U,
                {2728839433U, 2661025012U, 872737089U},
                {0U, 19U, 2243681748U, 6272406001566189819U},
                {0U, 1U, 1U, 3U, 420U, 276052667U, 303269410385U},
                0.8587483823604755,
                2298500207U},
               {4294967296U,
                {485306839U, 1508871100U, 1794561286U},
                {1U, 0U, 4392986381U, 14861564313759884179U},
                {0U, 1U, 0U, 1U, 77U, 4109391884U, 689346906573U},
                0.34269594950266047,
                3395778300U},
               {5004001000U,
                {2638482683U, 824568728U, 526986873U},
                {1U, 19U, 237539158U, 5793068531008406372U},
                {0U, 1U, 1U, 4U, 381U, 240359923U, 269660613717U},
                0.785262147154479,
                4041829277U},
               {9223372036854775808U,
                {2377109768U, 1691753470U, 4039908392U},
                {0U, 7U, 8457709179U, 1563467281580459875U},
                {0U, 1U, 2U, 2U, 469U, 4140643018U, 56878221287U},
                0.6700492880760924,
                1957126090U},
               {18446744073709551615U,
                {93740670U, 1068495656U, 1452108352U},
                {1U, 6U, 6253746770U, 16963090519847801214U},
                {0U, 0U, 2U, 1U, 747U, 2286593340U, 175877875469U},
                0.8010450775162563,
                3357649737U}};
  constexpr std::array<int, 4> kBits = {1, 5, 33, 64};
  constexpr std::array<uint64_t, 7> kBelow = {1, 2, 3, 5, 1000, uint64_t{1} << 32, (uint64_t{1} << 40) + 1};
  for (const auto& d : drawn) {
    PythonRandom random(d.seed);
    for (const uint64_t word : d.words) EXPECT_EQ(random.Bits(32), word) << d.seed;
    for (size_t i = 0; i < kBits.size(); ++i) EXPECT_EQ(random.Bits(kBits[i]), d.bits[i]) << d.seed;
    for (size_t i = 0; i < kBelow.size(); ++i) EXPECT_EQ(random.Below(kBelow[i]), d.below[i]) << d.seed;
    EXPECT_EQ(random.Uniform(), d.uniform) << d.seed;
    for (int i = 0; i < 2000; ++i) random.Bits(32);
    EXPECT_EQ(random.Bits(32), d.later) << d.seed;
  }
}

// Recurrence and tempering are those of the standard library, which seeds in another way: what comes 624 words later is
// a function of the 624 words before.
TEST(PythonRandom, GoesOnAsMersenneTwister) {
  PythonRandom random(123456789);
  // Undo the tempering of the first 624 words, and hand the state to the standard generator as text.
  std::vector<uint32_t> drawn;
  for (int i = 0; i < 3 * 624; ++i) drawn.push_back(static_cast<uint32_t>(random.Bits(32)));
  const auto undo_right = [](uint32_t y, int shift) {
    uint32_t x = y;
    for (int i = 0; i < 32; ++i) x = y ^ (x >> shift);
    return x;
  };
  const auto undo_left = [](uint32_t y, int shift, uint32_t mask) {
    uint32_t x = y;
    for (int i = 0; i < 32; ++i) x = y ^ ((x << shift) & mask);
    return x;
  };
  std::stringstream state;
  for (int i = 0; i < 624; ++i) {
    uint32_t y = undo_right(drawn[i], 18);
    y = undo_left(y, 15, 0xefc60000U);
    y = undo_left(y, 7, 0x9d2c5680U);
    state << undo_right(y, 11) << ' ';
  }
  state << 624;
  std::mt19937 standard;
  state >> standard;
  for (int i = 624; i < 3 * 624; ++i) ASSERT_EQ(drawn[i], standard()) << i;
}

TEST(PythonRandom, ChoosesFromAList) {
  const std::vector<int> items = {3, 5, 7};
  PythonRandom random(7), same(7);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(random.Choice(std::span<const int>(items)), items[same.Below(3)]);
  }
}

}  // namespace
}  // namespace mathnas::supernet
