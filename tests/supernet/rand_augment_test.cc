// RandAugment: its text, its arguments (timm's), what is drawn, and what becomes of an image.
#include "supernet/data/rand_augment.h"

#include <cmath>
#include <map>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/data/loader.h"

namespace mathnas::supernet {
namespace {

TEST(RandAugment, Texts) {
  const auto published = ParseRandAugment("rand-n1-m1-mstd0.5-inc1");
  ASSERT_TRUE(published.ok()) << published.status();
  EXPECT_EQ(*published, (RandAugmentOptions{.layers = 1, .magnitude = 1, .deviation = 0.5, .probability = 0.5}));
  EXPECT_EQ(ToString(*published), "rand-n1-m1-mstd0.5-inc1");
  EXPECT_EQ(*ParseRandAugment("none"), RandAugmentOptions{});
  EXPECT_EQ(ToString({}), "none");
  EXPECT_EQ(*ParseRandAugment("rand-inc1"), (RandAugmentOptions{.layers = 2, .magnitude = 10}));
  const RandAugmentOptions all = {.layers = 3, .magnitude = 9, .deviation = 1.5, .probability = 0.25};
  EXPECT_EQ(*ParseRandAugment(ToString(all)), all);
  for (const auto& [text, words] : {std::pair("", "expected \"none\" or"),
                                    {"original", "expected \"none\" or"},
                                    {"rand", "expected inc1"},
                                    {"randn1-inc1", "expected \"none\" or"},
                                    {"rand-n1-m1", "expected inc1"},
                                    {"rand-inc0", "inc: 0, expected 1"},
                                    {"rand-n0-inc1", "n: 0, expected 1 to 10"},
                                    {"rand-n1.5-inc1", "n: 1.5, expected 1 to 10"},
                                    {"rand-nnan-inc1", "part \"nnan\": expected a number"},
                                    {"rand-m11-inc1", "m 11, expected 0 to 10"},
                                    {"rand-p2-inc1", "p 2, expected 0 to 1"},
                                    {"rand-mstd1000-inc1", "mstd 1000, expected 0 to 100"},
                                    {"rand-m1-m2-inc1", "part \"m\": given twice"},
                                    {"rand-w0-inc1", "part \"w0\": expected n, m, mstd, p or inc"},
                                    {"rand--inc1", "part \"\": expected a number"},
                                    {"rand-m1x-inc1", "part \"m1x\": expected a number"}}) {
    const auto parsed = ParseRandAugment(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_NE(kernels::Message(parsed.status()).find(words), std::string::npos) << kernels::Message(parsed.status());
  }
}

// timm's arguments of its increasing operations at magnitudes 1, 4.6 and 10.
TEST(RandAugment, Arguments) {
  const struct {
    PixelOperation operation;
    double one, middle, ten, negative;
  } cases[] = {{PixelOperation::kAutoContrast, 0, 0, 0, 0},
               {PixelOperation::kEqualize, 0, 0, 0, 0},
               {PixelOperation::kInvert, 0, 0, 0, 0},
               {PixelOperation::kRotate, 3, 13.8, 30, -30},
               {PixelOperation::kPosterize, 4, 3, 0, 0},
               {PixelOperation::kSolarize, 231, 139, 0, 0},
               {PixelOperation::kSolarizeAdd, 11, 50, 110, 110},
               {PixelOperation::kColor, 1.09, 1.414, 1.9, 0.1},
               {PixelOperation::kContrast, 1.09, 1.414, 1.9, 0.1},
               {PixelOperation::kBrightness, 1.09, 1.414, 1.9, 0.1},
               {PixelOperation::kSharpness, 1.09, 1.414, 1.9, 0.1},
               {PixelOperation::kShearX, 0.03, 0.138, 0.3, -0.3},
               {PixelOperation::kShearY, 0.03, 0.138, 0.3, -0.3},
               {PixelOperation::kTranslateX, 0.045, 0.207, 0.45, -0.45},
               {PixelOperation::kTranslateY, 0.045, 0.207, 0.45, -0.45}};
  ASSERT_EQ(std::size(cases), size_t{kPixelOperations});
  for (const auto& c : cases) {
    EXPECT_NEAR(ArgumentOf(c.operation, 1, false), c.one, 1e-12) << Name(c.operation);
    EXPECT_NEAR(ArgumentOf(c.operation, 4.6, false), c.middle, 1e-12) << Name(c.operation);
    EXPECT_NEAR(ArgumentOf(c.operation, 10, false), c.ten, 1e-12) << Name(c.operation);
    EXPECT_NEAR(ArgumentOf(c.operation, 10, true), c.negative, 1e-12) << Name(c.operation);
  }
}

// Counts within five standard deviations; seeds are fixed.
TEST(RandAugment, Draws) {
  const RandAugmentOptions options = {.layers = 2, .magnitude = 5, .deviation = 0.5};
  constexpr int kImages = 20000;
  std::map<PixelOperation, double> counts;
  double shears = 0, sum = 0, squares = 0, negative = 0;
  for (int i = 0; i < kImages; ++i) {
    const auto draws = DrawRandAugment(options, 3, 1, i);
    for (const PixelOperationDraw& d : draws) {
      ++counts[d.operation];
      if (d.operation != PixelOperation::kShearX) continue;
      const double magnitude = std::abs(d.argument) / 0.03;
      ++shears, sum += magnitude, squares += (magnitude - 5) * (magnitude - 5), negative += d.argument < 0;
    }
  }
  const double expected = 2.0 * kImages / 30, deviation = std::sqrt(expected);
  ASSERT_EQ(counts.size(), size_t{kPixelOperations});
  for (const auto& [operation, count] : counts) EXPECT_NEAR(count, expected, 5 * deviation) << Name(operation);
  EXPECT_NEAR(sum / shears, 5, 5 * 0.5 / std::sqrt(shears));
  EXPECT_NEAR(squares / shears, 0.25, 5 * 0.25 * std::sqrt(2 / shears));
  EXPECT_NEAR(negative, shears / 2, 5 * std::sqrt(shears) / 2);
  EXPECT_TRUE(DrawRandAugment({}, 3, 1, 0).empty());
}

ImageDataset Images(int64_t channels) {
  ImageDataset set;
  set.name = "set", set.classes = 2;
  set.count = 12, set.height = 9, set.width = 11, set.channels = channels;
  for (int64_t i = 0; i < set.count * 99 * channels; ++i)
    set.images.push_back(static_cast<uint8_t>(i * i * 7 + i / 13));
  set.labels = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1};
  set.mean.assign(static_cast<size_t>(channels), 64);
  set.stddev.assign(static_cast<size_t>(channels), 2);
  return set;
}

// The crop in whole levels, the operations of the draw, the normalisation.
TEST(RandAugment, OfACrop) {
  for (int64_t channels : {1, 3}) {
    const ImageDataset set = Images(channels);
    const ImageSourcePtr source = Referring(set);
    ResizingOptions options = {.brightness = 0, .saturation = 0, .repeat_grey = true, .seed = 5};
    const auto plain = ResizingTransform::Create(*source, options);
    options.rand_augment = {.layers = 3, .magnitude = 9};
    const auto transform = ResizingTransform::Create(*source, options);
    ASSERT_TRUE(transform.ok()) << transform.status();
    Resampler resampler;
    int operations = 0;
    for (int64_t n = 0; n < set.count; ++n) {
      const ImageView view = {9, 11, channels, set.image(n).data()};
      const ResizingDraw draw = transform->Draw(2, n, 9, 11);
      operations += static_cast<int>(draw.operations.size());
      std::vector<float> crop(8 * 8 * 3), out(8 * 8 * 3);
      plain->Apply(view, plain->Draw(2, n, 9, 11), 8, resampler, crop);
      transform->Apply(view, draw, 8, resampler, out);
      if (draw.operations.empty()) {
        EXPECT_EQ(crop, out);
        continue;
      }
      PixelImage image = {8, 8, 3, {}, {}};
      for (float v : crop) image.values.push_back(static_cast<uint8_t>(std::nearbyint(v * 2 + 64)));
      constexpr std::array<uint8_t, 3> kFill = {64, 64, 64};
      for (const PixelOperationDraw& d : draw.operations) Apply(d.operation, d.argument, kFill, image);
      for (size_t i = 0; i < out.size(); ++i) {
        ASSERT_NEAR(out[i], (image.values[i] - 64) / 2.0, 1e-4) << channels << " " << n << " " << i;
      }
    }
    EXPECT_GT(operations, 10);
  }
  const ImageDataset set = Images(3);
  const auto refused = ResizingTransform::Create(*Referring(set), {.rand_augment = {.layers = 1, .magnitude = 12}});
  EXPECT_NE(kernels::Message(refused.status()).find("m 12, expected 0 to 10"), std::string::npos) << refused.status();
}

// Neither threads nor where a sequence begins change a bit.
TEST(RandAugment, BatchesDependOnTheirPlaceAlone) {
  static const ImageDataset set = Images(3);
  LoaderOptions options = LoaderOptions::Training(4, 9);
  options.erasing = 0.5;
  options.end_epoch = 2;
  ResolutionOptions resolution;
  resolution.largest = 16;
  resolution.resizing.rand_augment = {.layers = 2, .magnitude = 5, .deviation = 1};
  const auto values = [&](int threads, int64_t first) {
    options.threads = threads;
    options.first_epoch = first / 3;
    options.first_batch = first % 3;
    auto loader = BatchLoader::Create(Referring(set), options, resolution);
    EXPECT_TRUE(loader.ok()) << loader.status();
    std::vector<std::vector<float>> batches;
    while (const Batch* batch = (*loader)->Next()) {
      const auto pixels = batch->images.as<float>();
      batches.emplace_back(pixels.begin(), pixels.end());
    }
    return batches;
  };
  const auto whole = values(1, 0), many = values(3, 0), late = values(2, 4);
  ASSERT_EQ(whole.size(), 6u);
  EXPECT_EQ(whole, many);
  ASSERT_EQ(late.size(), 2u);
  EXPECT_EQ(late[0], whole[4]);
  EXPECT_EQ(late[1], whole[5]);
  options.erasing = 1.5;
  EXPECT_NE(kernels::Message(BatchLoader::Create(Referring(set), options, resolution).status())
                .find("erasing 1.5, expected 0 to 1"),
            std::string::npos);
}

}  // namespace
}  // namespace mathnas::supernet
