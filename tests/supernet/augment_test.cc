#include "supernet/data/augment.h"

#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/random.h"

namespace mathnas::supernet {
namespace {

ImageDataset Images(int64_t count, int64_t height, int64_t width, int64_t channels) {
  ImageDataset d;
  d.name = "images";
  d.count = count;
  d.height = height;
  d.width = width;
  d.channels = channels;
  d.classes = 2;
  kernels::Random random(3);
  for (int64_t i = 0; i < count * height * width * channels; ++i) {
    d.images.push_back(static_cast<uint8_t>(random.Below(256)));
  }
  for (int64_t i = 0; i < count; ++i) d.labels.push_back(static_cast<int32_t>(i % 2));
  for (int64_t c = 0; c < channels; ++c) {
    d.mean.push_back(100 + 10.5 * static_cast<double>(c));
    d.stddev.push_back(50 + 3.25 * static_cast<double>(c));
  }
  return d;
}

// torchvision's order of steps, each on its own array: flip, pad with zeros, crop, normalise in double.
std::vector<double> Naive(const ImageDataset& d, int64_t index, const AugmentDraw& draw, int64_t padding) {
  const int64_t h = d.height, w = d.width, n = d.channels;
  std::vector<int> flipped(d.image_bytes());
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) {
      for (int64_t c = 0; c < n; ++c) {
        const int64_t from = draw.flip ? w - 1 - x : x;
        flipped[static_cast<size_t>((y * w + x) * n + c)] = d.image(index)[static_cast<size_t>((y * w + from) * n + c)];
      }
    }
  }
  const int64_t padded_w = w + 2 * padding;
  std::vector<int> padded(static_cast<size_t>((h + 2 * padding) * padded_w * n), 0);
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) {
      for (int64_t c = 0; c < n; ++c) {
        padded[static_cast<size_t>(((y + padding) * padded_w + x + padding) * n + c)] =
            flipped[static_cast<size_t>((y * w + x) * n + c)];
      }
    }
  }
  std::vector<double> out;
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) {
      for (int64_t c = 0; c < n; ++c) {
        const int v = padded[static_cast<size_t>(((y + draw.top) * padded_w + x + draw.left) * n + c)];
        out.push_back((v - d.mean[static_cast<size_t>(c)]) / d.stddev[static_cast<size_t>(c)]);
      }
    }
  }
  return out;
}

void ExpectNear(const std::vector<float>& got, const std::vector<double>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  // One rounding to float.
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-6 * (1 + std::abs(expected[i]))) << i;
}

TEST(Augment, EveryFlipAndCropAgainstNaive) {
  const std::pair<int64_t, int64_t> sizes[] = {{5, 7}, {8, 8}};
  for (int64_t channels : {1, 2, 3, 4}) {
    for (const auto& [height, width] : sizes) {
      const ImageDataset d = Images(2, height, width, channels);
      for (int padding : {0, 1, 2, 4}) {
        absl::StatusOr<ImageTransform> t = ImageTransform::Create(*Referring(d), {.crop_padding = padding});
        ASSERT_TRUE(t.ok()) << t.status();
        for (bool flip : {false, true}) {
          for (int top = 0; top <= 2 * padding; ++top) {
            for (int left = 0; left <= 2 * padding; ++left) {
              std::vector<float> out(d.image_bytes(), std::numeric_limits<float>::quiet_NaN());
              const AugmentDraw draw{flip, top, left};
              t->Apply(d.image(1), draw, out);
              ExpectNear(out, Naive(d, 1, draw, padding));
            }
          }
        }
      }
    }
  }
}

TEST(Augment, NormaliseOnly) {
  const ImageDataset d = Images(1, 6, 4, 3);
  absl::StatusOr<ImageTransform> t = ImageTransform::Create(*Referring(d), {});
  ASSERT_TRUE(t.ok()) << t.status();
  std::vector<float> out(d.image_bytes());
  t->Normalise(d.image(0), out);
  ExpectNear(out, Naive(d, 0, {}, 0));
}

TEST(Augment, PaddingIsPixelZero) {
  ImageDataset d = Images(1, 4, 4, 1);
  d.mean = {255};
  d.stddev = {51};
  absl::StatusOr<ImageTransform> t = ImageTransform::Create(*Referring(d), {.crop_padding = 1});
  std::vector<float> out(16);
  t->Apply(d.image(0), {false, 0, 0}, out);
  for (size_t x = 0; x < 4; ++x) EXPECT_EQ(out[x], -5.0f);
}

TEST(Augment, DefaultPadding) {
  EXPECT_EQ(DefaultCropPadding(32), 4);
  EXPECT_EQ(DefaultCropPadding(28), 4);
  EXPECT_EQ(DefaultCropPadding(16), 2);
}

TEST(Augment, DrawsDependOnSeedEpochAndImageAlone) {
  const ImageDataset d = Images(1, 32, 32, 3);
  const ImageTransform a = *ImageTransform::Create(*Referring(d), {.seed = 1});
  const ImageTransform b = *ImageTransform::Create(*Referring(d), {.seed = 2});
  const ImageTransform no_flip = *ImageTransform::Create(*Referring(d), {.flip = false, .seed = 1});
  auto key = [](const AugmentDraw& r) { return r.flip * 10000 + r.top * 100 + r.left; };
  std::map<int, int> tops, lefts;
  int flips = 0, same_epoch = 0, same_seed = 0;
  constexpr int kDraws = 9000;
  for (int i = 0; i < kDraws; ++i) {
    const AugmentDraw r = a.Draw(3, i);
    EXPECT_EQ(key(r), key(a.Draw(3, i)));
    same_epoch += key(r) == key(a.Draw(4, i));
    same_seed += key(r) == key(b.Draw(3, i));
    EXPECT_FALSE(no_flip.Draw(3, i).flip);
    EXPECT_EQ(no_flip.Draw(3, i).top, r.top);
    EXPECT_EQ(no_flip.Draw(3, i).left, r.left);
    flips += r.flip;
    ++tops[r.top];
    ++lefts[r.left];
  }
  EXPECT_LT(same_epoch, kDraws / 50);  // 1 of 162 by chance
  EXPECT_LT(same_seed, kDraws / 50);
  EXPECT_NEAR(flips, kDraws / 2, 5 * std::sqrt(kDraws / 4.0));
  // Nine places each, 1000 expected, five standard deviations.
  for (const auto& places : {tops, lefts}) {
    EXPECT_EQ(places.size(), 9u);
    for (const auto& [place, n] : places) {
      EXPECT_GE(place, 0);
      EXPECT_LE(place, 8);
      EXPECT_NEAR(n, 1000, 150);
    }
  }
}

TEST(Augment, Refuses) {
  ImageDataset d = Images(1, 8, 6, 2);
  auto message = [&](const AugmentOptions& options) {
    return std::string(ImageTransform::Create(*Referring(d), options).status().message());
  };
  EXPECT_NE(message({.crop_padding = 6}).find("crop padding 6, expected -1 (by size) to 5"), std::string::npos);
  EXPECT_NE(message({.crop_padding = -2}).find("crop padding -2"), std::string::npos);
  d.stddev[1] = 0;
  EXPECT_NE(message({}).find("channel 1: mean 110.5, stddev 0"), std::string::npos);
  d.stddev[1] = std::nan("");
  EXPECT_NE(message({}).find("channel 1"), std::string::npos);
  d.stddev.pop_back();
  EXPECT_NE(message({}).find("mean and stddev of 2 and 1 channels, expected 2"), std::string::npos);
}

}  // namespace
}  // namespace mathnas::supernet
