#include "supernet/data/pixel_operations.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace mathnas::supernet {
namespace {

using Table = std::array<uint8_t, 256>;
using Histogram = std::array<int64_t, 256>;

uint8_t Clipped(int64_t v) { return static_cast<uint8_t>(std::clamp<int64_t>(v, 0, 255)); }

// Pillow cuts fractions off.
uint8_t Clipped(float v) { return static_cast<uint8_t>(std::clamp(v, 0.0F, 255.0F)); }
uint8_t Clipped(double v) { return static_cast<uint8_t>(std::clamp(v, 0.0, 255.0)); }

template <typename Level>
Table TableOf(Level level) {
  Table table{};
  for (size_t v = 0; v < table.size(); ++v) table[v] = level(static_cast<int>(v));
  return table;
}

void Map(const Table& table, PixelImage& image) {
  for (uint8_t& v : image.values) v = table[v];
}

// Every channel through a table made of its histogram.
template <typename MakeTable>
void MapByHistogram(PixelImage& image, MakeTable make) {
  const auto channels = static_cast<size_t>(image.channels);
  for (size_t c = 0; c < channels; ++c) {
    Histogram histogram{};
    for (size_t i = c; i < image.values.size(); i += channels) ++histogram[image.values[i]];
    const Table table = make(histogram);
    for (size_t i = c; i < image.values.size(); i += channels) image.values[i] = table[image.values[i]];
  }
}

Table Stretched(const Histogram& histogram) {
  int low = 0, high = 255;
  while (low < 255 && histogram[static_cast<size_t>(low)] == 0) ++low;
  while (high > 0 && histogram[static_cast<size_t>(high)] == 0) --high;
  if (high <= low) return TableOf([](int v) { return static_cast<uint8_t>(v); });
  const double scale = 255.0 / (high - low), offset = -low * scale;
  return TableOf([&](int v) { return Clipped(v * scale + offset); });
}

Table Flattened(const Histogram& histogram) {
  int64_t sum = 0, last = 0;
  for (int64_t count : histogram) {
    sum += count;
    if (count != 0) last = count;
  }
  const int64_t step = (sum - last) / 255;
  if (step == 0) return TableOf([](int v) { return static_cast<uint8_t>(v); });
  int64_t n = step / 2;
  return TableOf([&](int v) {
    const int64_t level = n / step;
    n += histogram[static_cast<size_t>(v)];
    return Clipped(level);
  });
}

// ITU-R 601.
int Grey(const uint8_t* rgb) { return (rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16; }

// from + factor (v - from); fractions are cut off.
uint8_t Blended(int from, int v, float factor) {
  return Clipped(static_cast<float>(from) + factor * static_cast<float>(v - from));
}

void Color(float factor, PixelImage& image) {
  if (image.channels != 3) return;
  for (size_t i = 0; i < image.values.size(); i += 3) {
    const int grey = Grey(&image.values[i]);
    for (size_t c = 0; c < 3; ++c) image.values[i + c] = Blended(grey, image.values[i + c], factor);
  }
}

void Contrast(float factor, PixelImage& image) {
  const bool colours = image.channels == 3;
  const size_t step = colours ? 3 : 1, pixels = image.values.size() / step;
  int64_t sum = 0;
  for (size_t i = 0; i < image.values.size(); i += step) {
    sum += colours ? Grey(&image.values[i]) : image.values[i];
  }
  const int mean = static_cast<int>(static_cast<double>(sum) / static_cast<double>(std::max<size_t>(1, pixels)) + 0.5);
  Map(TableOf([&](int v) { return Blended(mean, v, factor); }), image);
}

// The smoothed image is the mean of the eight neighbours and five times the pixel, but at the edges the image itself.
void Sharpness(float factor, PixelImage& image) {
  image.before = image.values;
  const int64_t row = image.width * image.channels;
  for (int64_t y = 1; y + 1 < image.height; ++y) {
    for (int64_t i = y * row + image.channels; i < (y + 1) * row - image.channels; ++i) {
      const uint8_t* v = image.before.data() + i;
      int sum = 4 * v[0];
      for (int64_t dy : {-row, int64_t{0}, row}) sum += v[dy - image.channels] + v[dy] + v[dy + image.channels];
      image.values[static_cast<size_t>(i)] = Blended((2 * sum + 13) / 26, v[0], factor);
    }
  }
}

// Pixel (x, y) of the result is (a x + b y + c, d x + e y + f) of the image, in coordinates of which pixels are the
// unit squares.
struct Affine {
  double a = 1, b = 0, c = 0, d = 0, e = 1, f = 0;
};

// Cubic through four values, at `at` between the second and the third; its slopes there are the differences of their
// neighbours.
double Cubic(double v1, double v2, double v3, double v4, double at) {
  const double p2 = v3 - v1, p3 = 2 * (v1 - v2) + v3 - v4, p4 = -v1 + v2 - v3 + v4;
  return v2 + at * (p2 + at * (p3 + at * p4));
}

void Transform(const Affine& map, std::span<const uint8_t> fill, PixelImage& image) {
  std::swap(image.before, image.values);
  image.values.resize(image.before.size());
  const int64_t height = image.height, width = image.width, channels = image.channels;
  uint8_t* to = image.values.data();
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x, to += channels) {
      const double px = static_cast<double>(x) + 0.5, py = static_cast<double>(y) + 0.5;
      const double from_x = map.a * px + map.b * py + map.c, from_y = map.d * px + map.e * py + map.f;
      if (!(from_x >= 0 && from_x < static_cast<double>(width) && from_y >= 0 &&
            from_y < static_cast<double>(height))) {
        std::copy_n(fill.begin(), channels, to);
        continue;
      }
      const double left = std::floor(from_x - 0.5), top = std::floor(from_y - 0.5);
      const double dx = from_x - 0.5 - left, dy = from_y - 0.5 - top;
      std::array<int64_t, 4> columns{}, rows{};
      for (int64_t i = 0; i < 4; ++i) {
        columns[static_cast<size_t>(i)] = std::clamp<int64_t>(static_cast<int64_t>(left) + i - 1, 0, width - 1);
        rows[static_cast<size_t>(i)] = std::clamp<int64_t>(static_cast<int64_t>(top) + i - 1, 0, height - 1);
      }
      for (int64_t c = 0; c < channels; ++c) {
        std::array<double, 4> across{};
        for (size_t i = 0; i < 4; ++i) {
          const uint8_t* row = image.before.data() + rows[i] * width * channels + c;
          across[i] = Cubic(row[columns[0] * channels], row[columns[1] * channels], row[columns[2] * channels],
                            row[columns[3] * channels], dx);
        }
        to[c] = Clipped(Cubic(across[0], across[1], across[2], across[3], dy));
      }
    }
  }
}

Affine Rotation(double degrees, const PixelImage& image) {
  const double angle = -degrees * std::numbers::pi / 180;
  const double x = static_cast<double>(image.width) / 2, y = static_cast<double>(image.height) / 2;
  Affine map = {.a = std::cos(angle), .b = std::sin(angle), .d = -std::sin(angle), .e = std::cos(angle)};
  map.c = x - map.a * x - map.b * y;
  map.f = y - map.d * x - map.e * y;
  return map;
}

}  // namespace

std::string_view Name(PixelOperation operation) {
  constexpr std::array<std::string_view, kPixelOperations> kNames = {
      "AutoContrast", "Equalize",   "Invert",    "Rotate", "Posterize", "Solarize",   "SolarizeAdd", "Color",
      "Contrast",     "Brightness", "Sharpness", "ShearX", "ShearY",    "TranslateX", "TranslateY"};
  return kNames[static_cast<size_t>(operation)];
}

void Apply(PixelOperation operation, double argument, std::span<const uint8_t> fill, PixelImage& image) {
  const auto factor = static_cast<float>(argument);
  const int whole = static_cast<int>(argument);
  switch (operation) {
    case PixelOperation::kAutoContrast:
      return MapByHistogram(image, Stretched);
    case PixelOperation::kEqualize:
      return MapByHistogram(image, Flattened);
    case PixelOperation::kInvert:
      return Map(TableOf([](int v) { return static_cast<uint8_t>(255 - v); }), image);
    case PixelOperation::kPosterize:
      return Map(TableOf([&](int v) { return static_cast<uint8_t>(v >> (8 - whole) << (8 - whole)); }), image);
    case PixelOperation::kSolarize:
      return Map(TableOf([&](int v) { return static_cast<uint8_t>(v < whole ? v : 255 - v); }), image);
    case PixelOperation::kSolarizeAdd:
      return Map(TableOf([&](int v) { return v < 128 ? Clipped(int64_t{v} + whole) : static_cast<uint8_t>(v); }),
                 image);
    case PixelOperation::kColor:
      return Color(factor, image);
    case PixelOperation::kContrast:
      return Contrast(factor, image);
    case PixelOperation::kBrightness:
      return Map(TableOf([&](int v) { return Blended(0, v, factor); }), image);
    case PixelOperation::kSharpness:
      return Sharpness(factor, image);
    case PixelOperation::kRotate:
      return Transform(Rotation(argument, image), fill, image);
    case PixelOperation::kShearX:
      return Transform({.b = argument}, fill, image);
    case PixelOperation::kShearY:
      return Transform({.d = argument}, fill, image);
    case PixelOperation::kTranslateX:
      return Transform({.c = argument * static_cast<double>(image.width)}, fill, image);
    case PixelOperation::kTranslateY:
      return Transform({.f = argument * static_cast<double>(image.height)}, fill, image);
  }
}

}  // namespace mathnas::supernet
