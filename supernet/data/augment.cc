#include "supernet/data/augment.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "fmt/format.h"
#include "kernels/random.h"

namespace mathnas::supernet {
namespace {

using kernels::Random;

// `count` pixels through the table, forwards or, mirrored, backwards from the last one.
template <int kChannels>
void Map(const uint8_t* in, int64_t count, int64_t channels, bool mirrored, const float* table, float* out) {
  const int64_t n = kChannels > 0 ? kChannels : channels;
  const int64_t step = mirrored ? -n : n;
  if (mirrored) in += (count - 1) * n;
  for (int64_t i = 0; i < count; ++i, in += step, out += n) {
    for (int64_t c = 0; c < n; ++c) out[c] = table[c * 256 + in[c]];
  }
}

void MapPixels(const uint8_t* in, int64_t count, int64_t channels, bool mirrored, const float* table, float* out) {
  if (count <= 0) return;
  switch (channels) {
    case 1:
      return Map<1>(in, count, channels, mirrored, table, out);
    case 3:
      return Map<3>(in, count, channels, mirrored, table, out);
    default:
      return Map<0>(in, count, channels, mirrored, table, out);
  }
}

}  // namespace

int DefaultCropPadding(int64_t size) { return size >= 28 ? 4 : 2; }

absl::StatusOr<ImageTransform> ImageTransform::Create(const ImageSource& images, const AugmentOptions& options) {
  auto fail = [&](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("{}: {}", images.name(), what));
  };
  ImageTransform t;
  const std::optional<ImageSize> size = images.one_size();
  if (!size) return fail("images of any size, expected all of one");
  t.height_ = size->height;
  t.width_ = size->width;
  t.channels_ = images.channels();
  t.options_ = options;
  const size_t channels = static_cast<size_t>(images.channels());
  if (images.mean().size() != channels || images.stddev().size() != channels) {
    return fail(fmt::format("mean and stddev of {} and {} channels, expected {}", images.mean().size(),
                            images.stddev().size(), channels));
  }
  for (size_t c = 0; c < channels; ++c) {
    if (!std::isfinite(images.mean()[c]) || !std::isfinite(images.stddev()[c]) || images.stddev()[c] <= 0) {
      return fail(fmt::format("channel {}: mean {}, stddev {}, expected finite numbers and a positive stddev", c,
                              images.mean()[c], images.stddev()[c]));
    }
  }
  const int64_t side = std::min(t.height_, t.width_);
  if (options.crop_padding < -1 || (options.crop_padding >= side)) {
    return fail(fmt::format("crop padding {}, expected -1 (by size) to {}", options.crop_padding, side - 1));
  }
  if (options.crop_padding == -1) {
    t.options_.crop_padding = static_cast<int>(std::min<int64_t>(DefaultCropPadding(t.height_), side - 1));
  }

  t.table_.resize(channels * 256);
  for (size_t c = 0; c < channels; ++c) {
    for (size_t v = 0; v < 256; ++v) {
      t.table_[c * 256 + v] = static_cast<float>((static_cast<double>(v) - images.mean()[c]) / images.stddev()[c]);
    }
  }
  for (int64_t x = 0; x < t.width_; ++x) {
    for (size_t c = 0; c < channels; ++c) t.padding_row_.push_back(t.table_[c * 256]);
  }
  return t;
}

AugmentDraw ImageTransform::Draw(int64_t epoch, int64_t index) const {
  Random random(options_.seed,
                Random::Stream(kAugmentPurpose, static_cast<uint64_t>(epoch), static_cast<uint64_t>(index)));
  // Everything is drawn, used or not, so that one option does not change what another one gets.
  const bool flip = random.Uniform() < 0.5;
  const auto places = static_cast<uint32_t>(2 * options_.crop_padding + 1);
  const uint32_t top = random.Below(places);
  const uint32_t left = random.Below(places);
  return {options_.flip && flip, static_cast<int>(top), static_cast<int>(left)};
}

void ImageTransform::Apply(std::span<const uint8_t> pixels, const AugmentDraw& draw, std::span<float> out) const {
  // Pixel (y, x) of the result is pixel (y + dy, x + dx) of the flipped image, or padding outside of it.
  const int64_t dy = draw.top - options_.crop_padding, dx = draw.left - options_.crop_padding;
  const int64_t row = width_ * channels_;
  const int64_t begin = std::max<int64_t>(0, -dx), end = width_ - std::max<int64_t>(0, dx);  // columns with pixels
  // The source columns begin + dx .. end + dx - 1, counted from the other side in a flipped image.
  const int64_t source = draw.flip ? width_ - (end + dx) : begin + dx;
  float* to = out.data();
  for (int64_t y = 0; y < height_; ++y, to += row) {
    const int64_t from_y = y + dy;
    if (from_y < 0 || from_y >= height_) {
      std::memcpy(to, padding_row_.data(), static_cast<size_t>(row) * sizeof(float));
      continue;
    }
    std::memcpy(to, padding_row_.data(), static_cast<size_t>(begin * channels_) * sizeof(float));
    MapPixels(pixels.data() + from_y * row + source * channels_, end - begin, channels_, draw.flip, table_.data(),
              to + begin * channels_);
    std::memcpy(to + end * channels_, padding_row_.data(),
                static_cast<size_t>((width_ - end) * channels_) * sizeof(float));
  }
}

void ImageTransform::Normalise(std::span<const uint8_t> pixels, std::span<float> out) const {
  MapPixels(pixels.data(), height_ * width_, channels_, false, table_.data(), out.data());
}

}  // namespace mathnas::supernet
