// Files are written by libpng and libjpeg from known pixels; PNG is lossless, so expectations are exact.
#include "supernet/data/decode.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "image_files.h"
#include "test_files.h"

namespace mathnas::supernet {
namespace {

using testing::BigEndian32;
using testing::Bytes;
using testing::EncodeJpeg;
using testing::EncodePng;
using testing::JpegKind;
using testing::Noise;
using testing::PngKind;

RgbImage Decode(const std::string& file) {
  RgbImage image;
  const absl::Status status = DecodeImage(Bytes(file), "file", kMaxImagePixels, image);
  EXPECT_TRUE(status.ok()) << status;
  return image;
}

std::string Refusal(const std::string& file, int64_t max_pixels = kMaxImagePixels) {
  RgbImage image;
  const absl::Status status = DecodeImage(Bytes(file), "a/b.jpg", max_pixels, image);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(image.height, 0);
  EXPECT_EQ(image.width, 0);
  EXPECT_EQ(status.message().substr(0, 9), "a/b.jpg: ");
  return std::string(status.message());
}

// The sample `i` of a row of samples of `bits` bits.
int Sample(const uint8_t* row, int i, int bits) {
  if (bits == 16) return row[2 * i] << 8 | row[2 * i + 1];
  const int at = i * bits;
  return row[at / 8] >> (8 - bits - at % 8) & ((1 << bits) - 1);
}

// Every kind of PNG against samples looked up one by one.
TEST(DecodePng, EveryKind) {
  const struct {
    int color_type, channels;
    std::vector<int> depths;
  } kKinds[] = {{PNG_COLOR_TYPE_GRAY, 1, {1, 2, 4, 8, 16}},
                {PNG_COLOR_TYPE_RGB, 3, {8, 16}},
                {PNG_COLOR_TYPE_PALETTE, 1, {1, 2, 4, 8}},
                {PNG_COLOR_TYPE_GRAY_ALPHA, 2, {8, 16}},
                {PNG_COLOR_TYPE_RGB_ALPHA, 4, {8, 16}}};
  const int width = 13, height = 11;
  for (const auto& k : kKinds) {
    for (const int bits : k.depths) {
      for (const bool interlaced : {false, true}) {
        for (const bool transparent : {false, true}) {
          PngKind kind{.color_type = k.color_type, .bit_depth = bits, .interlaced = interlaced};
          if (k.color_type == PNG_COLOR_TYPE_PALETTE) {
            const std::vector<uint8_t> colours = Noise(size_t{3} << bits, 5);
            for (int i = 0; i < 1 << bits; ++i) {
              const uint8_t* c = colours.data() + 3 * i;
              kind.palette.push_back({c[0], c[1], c[2]});
            }
            if (transparent) kind.palette_alpha = Noise(kind.palette.size(), 6);
          } else if (transparent) {
            continue;
          }
          const int stride = (width * k.channels * bits + 7) / 8;
          const std::vector<uint8_t> rows = Noise(static_cast<size_t>(stride * height), 7);
          const RgbImage image = Decode(EncodePng(width, height, rows, kind));
          ASSERT_EQ(image.height, height);
          ASSERT_EQ(image.width, width);
          ASSERT_EQ(image.pixels.size(), 3u * width * height);
          for (int y = 0; y < height; ++y) {
            for (int x = 0; x < width; ++x) {
              for (int c = 0; c < 3; ++c) {
                const int sample = Sample(rows.data() + y * stride, x * k.channels + (k.channels >= 3 ? c : 0), bits);
                int expected = static_cast<int>(std::lround(sample * 255.0 / ((1 << bits) - 1)));
                if (!kind.palette.empty()) {
                  const png_color& p = kind.palette[static_cast<size_t>(sample)];
                  expected = c == 0 ? p.red : c == 1 ? p.green : p.blue;
                }
                ASSERT_EQ(image.pixels[static_cast<size_t>((y * width + x) * 3 + c)], expected)
                    << "type " << k.color_type << ", " << bits << " bits, interlaced " << interlaced << " at " << y
                    << "," << x << "," << c;
              }
            }
          }
        }
      }
    }
  }
}

// A surface without edges, so that quantisation at quality 100 stays small.
std::vector<uint8_t> Smooth(int width, int height, int channels) {
  std::vector<uint8_t> pixels;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        const double v = 128 + 90 * std::sin(0.11 * x + 0.7 * c) * std::cos(0.07 * y - 0.4 * c);
        pixels.push_back(static_cast<uint8_t>(std::lround(v)));
      }
    }
  }
  return pixels;
}

// Without loss but for rounding: the quantisation steps of quality 100 are 1, so the error of a pixel is that of
// YCbCr (up to 1.8 levels in blue for half a level in Cb) and of the rounded coefficients.
TEST(DecodeJpeg, ColourAndGrey) {
  for (const bool progressive : {false, true}) {
    const std::vector<uint8_t> rgb = Smooth(37, 29, 3);
    const RgbImage image = Decode(EncodeJpeg(37, 29, rgb, {.progressive = progressive}));
    ASSERT_EQ(image.height, 29);
    ASSERT_EQ(image.width, 37);
    for (size_t i = 0; i < rgb.size(); ++i) ASSERT_NEAR(image.pixels[i], rgb[i], 4) << i;

    const std::vector<uint8_t> grey = Smooth(37, 29, 1);
    const RgbImage from_grey = Decode(EncodeJpeg(37, 29, grey, {.space = JCS_GRAYSCALE, .progressive = progressive}));
    ASSERT_EQ(from_grey.pixels.size(), 3 * grey.size());
    for (size_t i = 0; i < rgb.size(); ++i) ASSERT_NEAR(from_grey.pixels[i], grey[i / 3], 2) << i;
  }
}

// The same coefficients in another order of the file give the same pixels, to the bit.
TEST(DecodeJpeg, ProgressiveIsBaseline) {
  const std::vector<uint8_t> noise = Noise(50 * 33 * 3, 1);
  for (const bool full_chroma : {false, true}) {
    const RgbImage a = Decode(EncodeJpeg(50, 33, noise, {.quality = 80, .full_chroma = full_chroma}));
    const RgbImage b =
        Decode(EncodeJpeg(50, 33, noise, {.quality = 80, .progressive = true, .full_chroma = full_chroma}));
    EXPECT_EQ(a.pixels, b.pixels);
  }
}

// Cyan, magenta, yellow and black as Adobe's programs store them: inverted.
TEST(DecodeJpeg, Cmyk) {
  const std::vector<uint8_t> inverted = Smooth(24, 16, 4);
  for (const bool ycck : {false, true}) {
    JpegKind kind{.space = JCS_CMYK};
    if (ycck) kind.also = [](jpeg_compress_struct& jpeg) { jpeg_set_colorspace(&jpeg, JCS_YCCK); };
    const RgbImage image = Decode(EncodeJpeg(24, 16, inverted, kind));
    for (size_t p = 0; p < 24 * 16; ++p) {
      for (size_t c = 0; c < 3; ++c) {
        const double expected = inverted[p * 4 + c] * inverted[p * 4 + 3] / 255.0;
        ASSERT_NEAR(image.pixels[p * 3 + c], expected, 4) << p << " " << c << " " << ycck;
      }
    }
  }
}

TEST(DecodeImage, BufferIsReused) {
  RgbImage image;
  for (const int side : {40, 7, 23}) {
    const std::vector<uint8_t> rgb = Noise(static_cast<size_t>(side * side * 3), 9);
    ASSERT_TRUE(DecodeImage(Bytes(EncodePng(side, side, rgb)), "", kMaxImagePixels, image).ok());
    EXPECT_EQ(image.height, side);
    EXPECT_EQ(image.pixels, rgb);
    EXPECT_GE(image.pixels.capacity(), 40u * 40 * 3);
  }
}

// No part of a file passes for the whole.
TEST(DecodeImage, EveryTruncationIsRefused) {
  const std::vector<uint8_t> noise = Noise(20 * 12 * 3, 2);
  const std::string files[] = {EncodePng(20, 12, noise), EncodePng(20, 12, noise, {.interlaced = true}),
                               EncodeJpeg(20, 12, noise), EncodeJpeg(20, 12, noise, {.progressive = true}),
                               EncodeJpeg(20, 12, Noise(20 * 12 * 4, 3), {.space = JCS_CMYK})};
  for (const std::string& file : files) {
    for (size_t n = 0; n < file.size(); ++n) Refusal(file.substr(0, n));
    Decode(file);
  }
  EXPECT_NE(Refusal("").find("0 bytes that are neither JPEG nor PNG"), std::string::npos);
  EXPECT_NE(Refusal("GIF89a....").find("neither JPEG nor PNG"), std::string::npos);
}

TEST(DecodeImage, DamageIsRefused) {
  const std::vector<uint8_t> noise = Noise(64 * 64 * 3, 4);
  std::string png = EncodePng(64, 64, noise);
  png[png.size() / 2] ^= 4;  // in the pixels: their checksum is wrong
  EXPECT_NE(Refusal(png).find("damaged PNG: "), std::string::npos);

  const std::string jpeg = EncodeJpeg(64, 64, noise, {.quality = 90});
  std::string cut = jpeg;  // a piece is missing: the pixels do not fill the image
  cut.erase(jpeg.size() / 2, jpeg.size() / 4);
  EXPECT_NE(Refusal(cut).find("damaged JPEG: "), std::string::npos);

  // Stray bytes before a marker do no harm, and photographs have them.
  std::string stray = jpeg;
  stray.insert(jpeg.size() - 2, std::string(5, '\x11'));
  EXPECT_EQ(Decode(stray).pixels, Decode(jpeg).pixels);
}

// Sizes are refused by the header: nothing is allocated for them.
TEST(DecodeImage, HostileSizes) {
  const auto refused_without_memory = [](const std::string& file, int64_t max_pixels, const char* part) {
    RgbImage image;
    const absl::Status status = DecodeImage(Bytes(file), "x", max_pixels, image);
    EXPECT_NE(std::string(status.message()).find(part), std::string::npos) << status;
    EXPECT_EQ(image.pixels.capacity(), 0u);
  };
  const std::vector<uint8_t> noise = Noise(16 * 16 * 3, 4);
  const auto png_of = [&](uint32_t width, uint32_t height) {
    std::string file = EncodePng(16, 16, noise);
    file.replace(16, 8, BigEndian32(width) + BigEndian32(height));
    const auto* header = reinterpret_cast<const unsigned char*>(file.data()) + 12;
    return file.replace(29, 4, BigEndian32(static_cast<uint32_t>(crc32(0, header, 17))));
  };
  refused_without_memory(png_of(65535, 65535), kMaxImagePixels, "image of 65535x65535, expected");
  refused_without_memory(png_of(9000, 9000), kMaxImagePixels, "9000x9000, expected sides of 1 to 65535 and at most");
  refused_without_memory(png_of(2000000000, 1), kMaxImagePixels, "damaged PNG");
  refused_without_memory(png_of(0, 5), kMaxImagePixels, "damaged PNG");

  std::string jpeg = EncodeJpeg(16, 16, noise);
  const size_t frame = jpeg.find("\xFF\xC0");
  ASSERT_NE(frame, jpeg.npos);
  jpeg.replace(frame + 5, 4, "\xFF\xDC\xFF\xDC");  // height and width: 65500, libjpeg's largest
  refused_without_memory(jpeg, kMaxImagePixels, "image of 65500x65500, expected");
  jpeg.replace(frame + 5, 4, std::string(4, '\0'));
  refused_without_memory(jpeg, kMaxImagePixels, "damaged JPEG");

  EXPECT_NE(Refusal(EncodePng(16, 16, noise), 255).find("at most 255 pixels"), std::string::npos);
  RgbImage image;
  EXPECT_TRUE(DecodeImage(Bytes(EncodePng(16, 16, noise)), "", 256, image).ok());
}

// A text chunk that inflates to far more than its file is dropped, not held.
TEST(DecodePng, InflatedText) {
  const std::string text(size_t{64} << 20, 'a');
  uLongf size = compressBound(text.size());
  std::string packed(size, '\0');
  ASSERT_EQ(compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(text.data()),
                     text.size()),
            Z_OK);
  const std::string body = "zTXt" + std::string("key\0\0", 5) + packed.substr(0, size);
  std::string file = EncodePng(16, 16, Noise(16 * 16 * 3, 4));
  const std::string whole = file;
  file.insert(33, BigEndian32(static_cast<uint32_t>(body.size() - 4)) + body +
                      BigEndian32(static_cast<uint32_t>(
                          crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())))));
  EXPECT_EQ(Decode(file).pixels, Decode(whole).pixels);
}

// A scan that is given again and again takes the time of the whole image each time.
TEST(DecodeJpeg, TooManyScans) {
  const std::string file = EncodeJpeg(
      32, 32, Noise(32 * 32 * 3, 4), {.also = [](jpeg_compress_struct& jpeg) {
        static const jpeg_scan_info kScans[] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
        jpeg.scan_info = kScans;
        jpeg.num_scans = 3;
      }});
  Decode(file);
  const size_t last = file.rfind("\xFF\xDA");
  const std::string scan = file.substr(last, file.size() - 2 - last);
  auto repeated = [&](int times) {
    std::string s = file.substr(0, last);
    for (int i = 0; i < times; ++i) s += scan;
    return s + "\xFF\xD9";
  };
  EXPECT_EQ(Decode(repeated(50)).pixels, Decode(file).pixels);
  EXPECT_NE(Refusal(repeated(5000)).find("more than 100 scans"), std::string::npos);
}

}  // namespace
}  // namespace mathnas::supernet
