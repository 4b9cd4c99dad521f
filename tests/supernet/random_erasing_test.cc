// Random erasing: how often, where, and what takes the place. Counts and means are within five standard deviations of
// what is expected; seeds are fixed.
#include "supernet/data/random_erasing.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace mathnas::supernet {
namespace {

TEST(RandomErasing, Rectangles) {
  constexpr int kImages = 20000;
  constexpr int64_t kHeight = 60, kWidth = 100;
  const ErasingOptions options = {.probability = 0.25, .seed = 4};
  double erased = 0, least = 1, most = 0, area = 0, log_ratio = 0;
  for (int i = 0; i < kImages; ++i) {
    const Rectangle r = DrawErasing(options, 2, i, kHeight, kWidth);
    if (r.height == 0) continue;
    ++erased;
    EXPECT_GE(std::min(r.top, r.left), 0);
    EXPECT_LE(r.top + r.height, kHeight);
    EXPECT_LE(r.left + r.width, kWidth);
    EXPECT_LT(r.height, kHeight);
    const double share = static_cast<double>(r.height * r.width) / (kHeight * kWidth);
    least = std::min(least, share), most = std::max(most, share), area += share;
    const double ratio = static_cast<double>(r.height) / static_cast<double>(r.width);
    log_ratio += std::log(ratio);
    EXPECT_GT(ratio, 0.3 * 0.9) << "sides are rounded";
    EXPECT_LT(ratio, 1 / 0.3 * 1.1);
  }
  EXPECT_NEAR(erased, kImages * 0.25, 5 * std::sqrt(kImages * 0.25 * 0.75));
  EXPECT_NEAR(least, 0.02, 0.002);
  EXPECT_GT(most, 0.32);
  EXPECT_LT(most, 0.35);
  EXPECT_LT(log_ratio, 0) << "tall ones do not fit into a wide image as often";
  EXPECT_EQ(DrawErasing({.probability = 0}, 2, 1, kHeight, kWidth).height, 0);
  // In a square all that are drawn fit: area and logarithm of the ratio are uniform.
  double square = 0, ratios = 0;
  area = 0;
  for (int i = 0; i < kImages; ++i) {
    const Rectangle r = DrawErasing({.probability = 1, .max_area = 0.1, .seed = 1}, 0, i, 1000, 1000);
    ASSERT_GT(r.height, 0);
    ++square, area += static_cast<double>(r.height * r.width) / 1e6;
    ratios += std::log(static_cast<double>(r.height) / static_cast<double>(r.width));
  }
  EXPECT_NEAR(area / square, 0.06, 5 * 0.08 / std::sqrt(12 * square));
  EXPECT_NEAR(ratios / square, 0, 5 * 2 * std::log(1 / 0.3) / std::sqrt(12 * square));
}

TEST(RandomErasing, NoiseTakesThePlaceOfARectangleAlone) {
  const Rectangle erased = {10, 20, 30, 25};
  std::vector<float> image(50 * 60 * 3, 7), again = image;
  Erase(erased, 3, 1, 5, 60, 3, image);
  Erase(erased, 3, 1, 5, 60, 3, again);
  EXPECT_EQ(image, again);
  Erase(erased, 3, 2, 5, 60, 3, again);
  EXPECT_NE(image, again);
  double sum = 0, squares = 0, count = 0;
  for (int64_t y = 0; y < 50; ++y) {
    for (int64_t x = 0; x < 60; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        const float v = image[static_cast<size_t>((y * 60 + x) * 3 + c)];
        const bool inside = y >= 10 && y < 40 && x >= 20 && x < 45;
        ASSERT_EQ(v == 7, !inside) << y << " " << x;
        if (inside) ++count, sum += v, squares += double{v} * v;
      }
    }
  }
  EXPECT_EQ(count, 30 * 25 * 3);
  EXPECT_NEAR(sum / count, 0, 5 / std::sqrt(count));
  EXPECT_NEAR(squares / count, 1, 5 * std::sqrt(2 / count));
}

}  // namespace
}  // namespace mathnas::supernet
