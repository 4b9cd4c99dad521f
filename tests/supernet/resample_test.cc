#include "supernet/data/resample.h"

#include <vector>

#include "gtest/gtest.h"
#include "kernels/random.h"
#include "naive_resample.h"

namespace mathnas::supernet {
namespace {

std::vector<uint8_t> Noise(int64_t size) {
  kernels::Random random(3);
  std::vector<uint8_t> bytes(static_cast<size_t>(size));
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(random.Next() >> 24);
  return bytes;
}

// One resampler for all shapes, so that what it holds from the call before would show. The tolerance: weights and sums
// of float, up to 13 x 13 terms of at most 255, are off by less than 26 * 2^-24 * 255 grey levels.
TEST(Resampler, EqualsTheDefinition) {
  Resampler resampler;
  kernels::Random random(4);
  int enlarged = 0, shrunk = 0;
  for (int round = 0; round < 300; ++round) {
    auto draw = [&](int64_t least, int64_t most) {
      return least + random.Below(static_cast<uint32_t>(most - least + 1));
    };
    const int64_t height = draw(1, 40), width = draw(1, 40), channels = draw(1, 4);
    const std::vector<uint8_t> pixels = Noise(height * width * channels);
    const ImageView image{height, width, channels, pixels.data()};
    ResampleShape shape;
    shape.source.height = draw(1, height);
    shape.source.width = draw(1, width);
    shape.source.top = draw(0, height - shape.source.height);
    shape.source.left = draw(0, width - shape.source.width);
    shape.height = draw(1, 30);
    shape.width = draw(1, 30);
    shape.window.height = draw(1, shape.height);
    shape.window.width = draw(1, shape.width);
    shape.window.top = draw(0, shape.height - shape.window.height);
    shape.window.left = draw(0, shape.width - shape.window.width);
    shape.mirrored = draw(0, 1) == 1;
    enlarged += shape.height > shape.source.height && shape.width > shape.source.width;
    shrunk += shape.height < shape.source.height && shape.width < shape.source.width;

    const std::vector<double> expected = testing::NaiveResample(image, shape);
    std::vector<float> out(expected.size() + 1, -1);
    resampler.Run(image, shape, std::span(out).first(expected.size()));
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(out[i], expected[i], 4e-4) << "round " << round;
    ASSERT_EQ(out.back(), -1) << "round " << round;
  }
  EXPECT_GT(enlarged, 20);
  EXPECT_GT(shrunk, 20);
}

TEST(Resampler, SameSizeIsTheImage) {
  const std::vector<uint8_t> pixels = Noise(17 * 23 * 3);
  std::vector<float> out(pixels.size());
  Resampler().Run({17, 23, 3, pixels.data()}, {{0, 0, 17, 23}, 17, 23, {0, 0, 17, 23}, false}, out);
  EXPECT_TRUE(std::equal(out.begin(), out.end(), pixels.begin()));
}

// What Pillow 13.0 makes of an image of 7 x 9 with resize(.., BILINEAR). It rounds twice, between the axes and at the
// end: half a level each.
TEST(Resampler, EqualsPillow) {
  std::vector<uint8_t> pixels;
  for (int y = 0; y < 7; ++y) {
    for (int x = 0; x < 9; ++x) {
      for (int c = 0; c < 3; ++c) pixels.push_back(static_cast<uint8_t>((x * 37 + y * 91 + c * 53 + x * y * 13) % 256));
    }
  }
  const struct {
    int64_t width, height;
    std::vector<int> expected;
  } kCases[] = {
      {4, 3, {107, 136, 147, 138, 140, 149, 139, 141, 137, 131, 124, 110, 122, 149, 124, 148, 126, 128,
              137, 116, 148, 124, 119, 143, 109, 162, 150, 142, 116, 163, 137, 127, 134, 150, 120, 139}},
      {12, 5, {30,  83,  136, 56,  109, 162, 87,  140, 162, 118, 161, 139, 149, 128, 170, 127, 148, 201, 126, 179,
               168, 157, 189, 92,  188, 91,  123, 112, 101, 101, 79,  101, 100, 105, 73,  126, 142, 195, 105, 178,
               142, 141, 167, 131, 142, 121, 160, 113, 164, 117, 156, 135, 146, 110, 136, 135, 99,  161, 89,  142,
               98,  133, 186, 123, 176, 157, 165, 176, 104, 201, 140, 51,  64,  117, 123, 112, 135, 141, 133, 157,
               120, 132, 164, 76,  189, 100, 133, 144, 107, 131, 123, 129, 153, 145, 136, 189, 166, 72,  125, 116,
               79,  132, 95,  119, 154, 113, 166, 172, 148, 201, 141, 136, 189, 111, 111, 164, 129, 94,  133, 186,
               165, 118, 171, 165, 87,  140, 140, 104, 115, 108, 161, 115, 93,  146, 185, 150, 115, 168, 168, 90,
               143, 139, 78,  131, 89,  142, 110, 105, 158, 179, 92,  145, 198, 68,  110, 163, 151, 130, 183, 181,
               96,  149, 168, 114, 135, 133, 165, 144, 153, 56,  99,  119, 107, 160, 137, 158, 147, 206, 174, 56}},
      {2, 11, {81,  130, 165, 121, 113, 119, 111, 140, 155, 133, 127, 128, 147, 150, 141, 146, 143,
               137, 152, 140, 123, 140, 144, 128, 145, 134, 118, 135, 130, 135, 129, 131, 123, 131,
               105, 154, 122, 136, 133, 129, 99,  150, 126, 143, 141, 133, 108, 148, 145, 153, 148,
               145, 138, 148, 122, 134, 161, 149, 125, 135, 101, 118, 171, 151, 111, 124}},
  };
  for (const auto& k : kCases) {
    std::vector<float> out(static_cast<size_t>(k.height * k.width * 3));
    ASSERT_EQ(out.size(), k.expected.size());
    Resampler().Run({7, 9, 3, pixels.data()}, {{0, 0, 7, 9}, k.height, k.width, {0, 0, k.height, k.width}, false}, out);
    for (size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], k.expected[i], 1.01) << k.width << " " << i;
  }
}

}  // namespace
}  // namespace mathnas::supernet
