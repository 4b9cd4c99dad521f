#include "supernet/data/resizing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/random.h"
#include "naive_resample.h"

namespace mathnas::supernet {
namespace {

constexpr double kMean[] = {120, 110.5, 100}, kStddev[] = {60, 55.25, 70};

ImageDataset Images(int64_t count, int64_t height, int64_t width, int64_t channels) {
  ImageDataset d;
  d.name = "noise";
  d.count = count;
  d.height = height;
  d.width = width;
  d.channels = channels;
  d.classes = 1;
  d.labels.resize(static_cast<size_t>(count));
  d.mean.assign(kMean, kMean + channels);
  d.stddev.assign(kStddev, kStddev + channels);
  kernels::Random random(8);
  d.images.resize(static_cast<size_t>(count) * d.image_bytes());
  for (uint8_t& b : d.images) b = static_cast<uint8_t>(random.Next() >> 24);
  return d;
}

ResizingTransform Transform(const ResizingOptions& options, int64_t channels = 3) {
  return *ResizingTransform::Create(*InMemory(Images(1, 8, 8, channels)), options);
}

ImageView View(const ImageDataset& d) { return {d.height, d.width, d.channels, d.images.data()}; }

// Bins of equal probability: the chi-square of `kBins` of them exceeds 40 (9 degrees of freedom) once in 10^5.
constexpr int kBins = 10;
double ChiSquare(const std::vector<double>& values, double least, double most) {
  std::array<double, kBins> counts{};
  for (double v : values) {
    EXPECT_GE(v, least);
    EXPECT_LE(v, most);
    const auto bin = static_cast<size_t>((v - least) / (most - least) * kBins);
    ++counts[std::min<size_t>(bin, kBins - 1)];
  }
  const double expected = static_cast<double>(values.size()) / kBins;
  double sum = 0;
  for (double c : counts) sum += (c - expected) * (c - expected) / expected;
  return sum;
}

// Crops that always fit: area and logarithm of the ratio are uniform, and so are the places. The image is large, so
// that rounding to pixels does not show.
TEST(ResizingDraw, CropStatistics) {
  const int64_t height = 30000, width = 40000;
  const ResizingTransform t = Transform({.min_area = 0.1, .max_area = 0.4, .min_ratio = 0.5, .max_ratio = 2});
  std::vector<double> area, log_ratio, top, left;
  int flips = 0;
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    const ResizingDraw draw = t.Draw(i % 7, i, height, width);
    const Rectangle& r = draw.crop;
    ASSERT_TRUE(r.top >= 0 && r.left >= 0 && r.top + r.height <= height && r.left + r.width <= width);
    area.push_back(static_cast<double>(r.height) * static_cast<double>(r.width) / (30000.0 * 40000.0));
    log_ratio.push_back(std::log(static_cast<double>(r.width) / static_cast<double>(r.height)));
    top.push_back(static_cast<double>(r.top) / static_cast<double>(height - r.height));
    left.push_back(static_cast<double>(r.left) / static_cast<double>(width - r.width));
    flips += draw.flip;
  }
  EXPECT_LT(ChiSquare(area, 0.1 - 1e-4, 0.4 + 1e-4), 40);
  EXPECT_LT(ChiSquare(log_ratio, std::log(0.5) - 1e-4, std::log(2.0) + 1e-4), 40);
  EXPECT_LT(ChiSquare(top, 0, 1), 40);
  EXPECT_LT(ChiSquare(left, 0, 1), 40);
  EXPECT_NEAR(flips, n / 2, 4 * std::sqrt(n) / 2);
}

// The options of ImageNet: what does not fit is drawn again, so that large areas are rarer. The expected distribution
// comes from a rejection by hand with another generator.
TEST(ResizingDraw, CropOfPhotographs) {
  const int64_t height = 375, width = 500;
  const ResizingTransform t = Transform({});
  const int n = 20000;
  std::array<double, kBins> counts{}, expected{};
  auto bin = [](double area) {
    return std::clamp<size_t>(static_cast<size_t>((area - 0.08) / 0.92 * kBins), 0, kBins - 1);
  };
  for (int i = 0; i < n; ++i) {
    const Rectangle r = t.Draw(1, i, height, width).crop;
    ++counts[bin(static_cast<double>(r.height * r.width) / static_cast<double>(height * width))];
    const double ratio = static_cast<double>(r.width) / static_cast<double>(r.height);
    ASSERT_GT(ratio, 0.74);
    ASSERT_LT(ratio, 1.35);
  }
  uint64_t state = 88172645463325252u;  // xorshift64
  auto uniform = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<double>(state >> 11) * 0x1p-53;
  };
  for (int drawn = 0; drawn < 50 * n;) {
    const double area = 0.08 + 0.92 * uniform();
    const double ratio = std::exp(std::log(0.75) + uniform() * (std::log(4.0 / 3) - std::log(0.75)));
    if (std::sqrt(area * 375 * 500 * ratio) > 500.5 || std::sqrt(area * 375 * 500 / ratio) > 375.5) continue;
    ++expected[bin(area)];
    ++drawn;
  }
  double chi_square = 0;
  for (size_t b = 0; b < kBins; ++b) {
    const double e = expected[b] / 50;
    chi_square += (counts[b] - e) * (counts[b] - e) / e;
  }
  EXPECT_LT(chi_square, 45);  // more than 40: bins that rounding to pixels moves
}

// When nothing fits in ten tries: the largest crop of an allowed ratio, in the middle.
TEST(ResizingDraw, CropOfStripes) {
  const ResizingTransform t = Transform({});
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(t.Draw(0, i, 10, 1000).crop, (Rectangle{0, 493, 10, 13}));
    EXPECT_EQ(t.Draw(0, i, 1000, 10).crop, (Rectangle{493, 0, 13, 10}));
    EXPECT_EQ(t.Draw(0, i, 1, 1).crop, (Rectangle{0, 0, 1, 1}));
    EXPECT_EQ(t.Draw(0, i, 1, 65535).crop.height, 1);
  }
}

TEST(ResizingDraw, DependsOnSeedEpochAndImageAlone) {
  const ResizingTransform a = Transform({.seed = 1}), b = Transform({.seed = 2});
  const ResizingTransform plain = Transform({.brightness = 0, .saturation = 0, .flip = false, .seed = 1});
  auto key = [](const ResizingDraw& d) {
    return std::tuple(d.crop.top, d.crop.left, d.crop.height, d.crop.width, d.flip, d.brightness, d.saturation,
                      d.saturation_first);
  };
  std::set<decltype(key({}))> seen;
  for (int64_t epoch = 0; epoch < 5; ++epoch) {
    for (int64_t index = 0; index < 20; ++index) {
      const ResizingDraw draw = a.Draw(epoch, index, 300, 400);
      EXPECT_EQ(key(draw), key(a.Draw(epoch, index, 300, 400)));
      EXPECT_NE(key(draw), key(b.Draw(epoch, index, 300, 400)));
      seen.insert(key(draw));
      // One option does not change what another one gets.
      const ResizingDraw other = plain.Draw(epoch, index, 300, 400);
      EXPECT_EQ(other.crop, draw.crop);
      EXPECT_FALSE(other.flip);
      EXPECT_EQ(other.brightness, 1);
      EXPECT_EQ(other.saturation, 1);
    }
  }
  EXPECT_EQ(seen.size(), 100u);
}

TEST(ResizingDraw, JitterStatistics) {
  const ResizingTransform t = Transform({});
  std::vector<double> brightness, saturation;
  int saturation_first = 0;
  for (int i = 0; i < 20000; ++i) {
    const ResizingDraw draw = t.Draw(0, i, 100, 100);
    brightness.push_back(draw.brightness);
    saturation.push_back(draw.saturation);
    saturation_first += draw.saturation_first;
  }
  EXPECT_LT(ChiSquare(brightness, 1 - 32.0 / 255 - 1e-6, 1 + 32.0 / 255 + 1e-6), 40);
  EXPECT_LT(ChiSquare(saturation, 0.5, 1.5), 40);
  EXPECT_NEAR(saturation_first, 10000, 300);
}

// Crop, flip, colours and normalisation against the same in double, one pixel at a time.
TEST(ResizingTransform, EqualsNaive) {
  const ImageDataset d = Images(1, 29, 41, 3);
  const ResizingTransform t = *ResizingTransform::Create(*InMemory(d), {});
  Resampler resampler;
  for (const ResizingDraw& draw :
       {ResizingDraw{{3, 5, 20, 30}, false, 1, 1, false}, ResizingDraw{{3, 5, 20, 30}, true, 1.1f, 1.4f, false},
        ResizingDraw{{0, 0, 29, 41}, false, 0.9f, 0.6f, true}, ResizingDraw{{7, 1, 5, 4}, true, 1.12f, 1.5f, true}}) {
    for (const int64_t size : {1, 16, 44}) {
      std::vector<float> out(static_cast<size_t>(size * size * 3));
      t.Apply(View(d), draw, size, resampler, out);
      const std::vector<double> pixels =
          testing::NaiveResample(View(d), {draw.crop, size, size, {0, 0, size, size}, draw.flip});
      for (size_t i = 0; i < pixels.size(); i += 3) {
        std::array<double, 3> v = {pixels[i], pixels[i + 1], pixels[i + 2]};
        for (const bool saturation : {draw.saturation_first, !draw.saturation_first}) {
          const double grey = 0.299 * v[0] + 0.587 * v[1] + 0.114 * v[2];
          for (double& x : v) {
            x = saturation ? grey * (1 - draw.saturation) + x * draw.saturation : x * draw.brightness;
            x = std::clamp(x, 0.0, 255.0);
          }
        }
        for (size_t c = 0; c < 3; ++c)
          ASSERT_NEAR(out[i + c], (v[c] - kMean[c]) / kStddev[c], 1e-4) << size << " " << i;
      }
    }
  }
}

// The whole image to the short side, then its centre.
TEST(ResizingTransform, EvaluationEqualsNaive) {
  Resampler resampler;
  const struct {
    int64_t height, width, size, resized_height, resized_width, top, left;
  } kCases[] = {
      {20, 30, 14, 16, 24, 1, 5},  // ceil(14 / 0.875) = 16; 16 * 30 / 20 = 24
      {30, 20, 14, 24, 16, 5, 1},
      {20, 33, 15, 18, 29, 2, 7},  // ceil(17.14); 18 * 33 / 20 = 29.7; 1.5 rounds to 2 (even)
      {9, 9, 28, 32, 32, 2, 2},
      {5, 6, 1, 2, 2, 0, 0},  // 0.5 rounds to 0 (even)
  };
  for (const auto& k : kCases) {
    for (const int64_t channels : {1, 3}) {
      const ImageDataset d = Images(1, k.height, k.width, channels);
      const ResizingTransform t = *ResizingTransform::Create(*InMemory(d), {.repeat_grey = true});
      ASSERT_EQ(t.channels(), 3);
      std::vector<float> out(static_cast<size_t>(k.size * k.size * 3));
      t.ApplyEvaluation(View(d), k.size, resampler, out);
      const std::vector<double> pixels = testing::NaiveResample(
          View(d),
          {{0, 0, k.height, k.width}, k.resized_height, k.resized_width, {k.top, k.left, k.size, k.size}, false});
      for (size_t i = 0; i < out.size(); ++i) {
        const size_t c = channels == 1 ? 0 : i % 3, p = channels == 1 ? i / 3 : i;
        ASSERT_NEAR(out[i], (pixels[p] - kMean[c]) / kStddev[c], 1e-4) << k.size << " " << i;
      }
    }
  }
}

TEST(ResizingTransform, GreyStaysGrey) {
  const ImageDataset d = Images(1, 12, 12, 1);
  Resampler resampler;
  const ResizingDraw draw{{0, 0, 12, 12}, false, 1.1f, 0.5f, true};
  const ResizingTransform one = *ResizingTransform::Create(*InMemory(d), {});
  const ResizingTransform three = *ResizingTransform::Create(*InMemory(d), {.repeat_grey = true});
  ASSERT_EQ(one.channels(), 1);
  std::vector<float> a(20 * 20), b(20 * 20 * 3);
  one.Apply(View(d), draw, 20, resampler, a);
  three.Apply(View(d), draw, 20, resampler, b);
  for (size_t i = 0; i < b.size(); ++i) ASSERT_EQ(b[i], a[i / 3]);
}

TEST(ResizingTransform, Refuses) {
  const auto message = [](const ResizingOptions& options, ImageDataset d = Images(1, 8, 8, 2)) {
    const auto t = ResizingTransform::Create(*InMemory(std::move(d)), options);
    return std::string(t.status().message());
  };
  EXPECT_EQ(message({}), "");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(message({.min_area = 0}).find("noise: crop of 0 to 1 of the area"), std::string::npos);
  EXPECT_NE(message({.min_area = nan}).find("of the area"), std::string::npos);
  EXPECT_NE(message({.max_area = 1.5}).find("of the area"), std::string::npos);
  EXPECT_NE(message({.min_ratio = 2}).find("crop ratio of 2"), std::string::npos);
  EXPECT_NE(message({.brightness = -1}).find("brightness -1"), std::string::npos);
  EXPECT_NE(message({.saturation = 2}).find("saturation 2"), std::string::npos);
  EXPECT_NE(message({.evaluation_crop = 0}).find("evaluation crop of 0"), std::string::npos);
  EXPECT_NE(message({.repeat_grey = true}).find("2 channels, expected 1 or 3"), std::string::npos);
  ImageDataset d = Images(1, 8, 8, 2);
  d.stddev[1] = 0;
  EXPECT_NE(message({}, d).find("channel 1: mean 110.5, stddev 0"), std::string::npos);
  d.stddev.pop_back();
  EXPECT_NE(message({}, d).find("2 and 1 channels, expected 2"), std::string::npos);
}

TEST(ElasticSize, DrawsEverySizeAlike) {
  for (const int64_t step : {4, 32}) {
    const ElasticSize size{.step = step, .seed = 5}, other{.step = step, .seed = 6};
    std::vector<double> counts(static_cast<size_t>(96 / step + 1));
    int different = 0;
    const int n = 20000;
    for (int i = 0; i < n; ++i) {
      const int64_t s = size(i / 100, i % 100);
      ASSERT_TRUE(s >= 128 && s <= 224 && (s - 128) % step == 0) << s;
      ASSERT_EQ(size(i / 100, i % 100), s);
      different += other(i / 100, i % 100) != s;
      ++counts[static_cast<size_t>((s - 128) / step)];
    }
    const double expected = static_cast<double>(n) / static_cast<double>(counts.size());
    for (double c : counts) EXPECT_NEAR(c, expected, 5 * std::sqrt(expected));
    EXPECT_GT(different, n / 2);
  }
  EXPECT_EQ((ElasticSize{.least = 64, .most = 64, .step = 4}(3, 5)), 64);
}

}  // namespace
}  // namespace mathnas::supernet
