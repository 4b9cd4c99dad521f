// Mixup and CutMix against loops over pixels, and what is drawn against the moments of its distribution, within five
// standard deviations; seeds are fixed.
#include "supernet/data/mixing.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::Tensor;

TEST(Mixing, DrawsOfTheBetaDistribution) {
  constexpr int kBatches = 20000;
  for (double a : {0.01, 0.4, 1.0, 3.0}) {
    double sum = 0, squares = 0, ends = 0;
    for (int i = 0; i < kBatches; ++i) {
      const MixingDraw draw = DrawMixing({.mixup = a}, 5, 1, i, 8, 8);
      ASSERT_FALSE(draw.cutmix);
      ASSERT_GE(draw.kept, 0);
      ASSERT_LE(draw.kept, 1);
      sum += draw.kept, squares += (draw.kept - 0.5) * (draw.kept - 0.5);
      ends += draw.kept < 0.01 || draw.kept > 0.99;
    }
    const double variance = 1 / (4 * (2 * a + 1));
    EXPECT_NEAR(sum / kBatches, 0.5, 5 * std::sqrt(variance / kBatches)) << a;
    // (x - 1/2)^2 lies between 0 and 1/4.
    EXPECT_NEAR(squares / kBatches, variance, 5 * 0.125 / std::sqrt(kBatches)) << a;
    if (a == 0.01) {
      EXPECT_GT(ends, 0.9 * kBatches) << "nearly all batches stay as they are, or turn round";
    }
    if (a == 1) {
      EXPECT_NEAR(ends, 0.02 * kBatches, 5 * std::sqrt(0.02 * 0.98 * kBatches));
    }
  }
}

TEST(Mixing, DrawsOfCutMix) {
  constexpr int kBatches = 4000;
  int cuts = 0;
  double kept = 0;
  for (int i = 0; i < kBatches; ++i) {
    const MixingDraw draw = DrawMixing({.mixup = 1, .cutmix = 1, .switch_probability = 0.3}, 5, 1, i, 30, 50);
    cuts += draw.cutmix;
    if (!draw.cutmix) continue;
    EXPECT_GE(std::min({draw.cut.top, draw.cut.left, draw.cut.height, draw.cut.width}), 0);
    EXPECT_LE(draw.cut.top + draw.cut.height, 30);
    EXPECT_LE(draw.cut.left + draw.cut.width, 50);
    EXPECT_DOUBLE_EQ(draw.kept, 1 - static_cast<double>(draw.cut.height * draw.cut.width) / 1500);
    kept += draw.kept;
  }
  EXPECT_NEAR(cuts, 0.3 * kBatches, 5 * std::sqrt(0.3 * 0.7 * kBatches));
  EXPECT_GT(kept / cuts, 0.5) << "rectangles are cut off at the edges";
  EXPECT_TRUE(DrawMixing({.cutmix = 1}, 5, 1, 0, 30, 50).cutmix) << "nothing to switch";
}

TEST(Mixing, OfImages) {
  const auto pixel = [](int64_t n, int64_t y, int64_t x, int64_t c) {
    return static_cast<float>(1000 * n + 100 * y + 10 * x + c);
  };
  for (const MixingDraw& draw : {MixingDraw{false, 0.3, {}}, MixingDraw{true, 0.8, {1, 2, 2, 2}}}) {
    for (int64_t count : {4, 5}) {
      Tensor images(DType::kF32, {count, 4, 5, 2});
      size_t i = 0;
      for (int64_t n = 0; n < count; ++n) {
        for (int64_t y = 0; y < 4; ++y) {
          for (int64_t x = 0; x < 5; ++x) {
            for (int64_t c = 0; c < 2; ++c) images.as<float>()[i++] = pixel(n, y, x, c);
          }
        }
      }
      MixImages(draw, images.view());
      i = 0;
      for (int64_t n = 0; n < count; ++n) {
        for (int64_t y = 0; y < 4; ++y) {
          for (int64_t x = 0; x < 5; ++x) {
            for (int64_t c = 0; c < 2; ++c) {
              const float own = pixel(n, y, x, c), other = pixel(count - 1 - n, y, x, c);
              const bool cut = y >= 1 && y < 3 && x >= 2 && x < 4;
              const double expected = draw.cutmix ? (cut ? other : own) : 0.3 * own + 0.7 * other;
              ASSERT_NEAR(images.as<float>()[i++], expected, 1e-3) << n << " " << y << " " << x;
            }
          }
        }
      }
    }
  }
}

TEST(Mixing, OfLabels) {
  const std::vector<int64_t> labels = {0, 2, 2, 3};
  Tensor targets(DType::kF32, {4, 4});
  MixLabels({false, 0.75, {}}, labels, 0.1, targets.view());
  // (1 - 0.1) of 0.75 or 0.25, and 0.1 / 4 for every class.
  const double expected[4][4] = {
      {0.7, 0.025, 0.025, 0.25}, {0.025, 0.025, 0.925, 0.025}, {0.025, 0.025, 0.925, 0.025}, {0.25, 0.025, 0.025, 0.7}};
  for (size_t i = 0; i < 16; ++i) EXPECT_NEAR(targets.as<float>()[i], expected[i / 4][i % 4], 1e-6) << i;
}

TEST(Mixing, WhatMakesNoSenseIsRefused) {
  for (const auto& [options, words] : {std::pair(MixingOptions{.mixup = -1}, "mixup: -1, expected 0 to 100"),
                                       {MixingOptions{.mixup = std::nan("")}, "mixup: nan"},
                                       {MixingOptions{.cutmix = 101}, "cutmix: 101"},
                                       {MixingOptions{.switch_probability = 2}, "mix switch: 2, expected 0 to 1"}}) {
    EXPECT_NE(kernels::Message(Check(options)).find(words), std::string::npos) << words;
  }
  EXPECT_TRUE(Check(MixingOptions{}).ok());
}

}  // namespace
}  // namespace mathnas::supernet
