#include "supernet/data/resizing.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "kernels/random.h"
#include "kernels/status.h"

namespace mathnas::supernet {
namespace {

using kernels::Random;

constexpr int kCropTries = 10;

double UniformIn(double least, double most, double uniform) { return least + (most - least) * uniform; }

// torchvision's RandomResizedCrop.get_params.
Rectangle DrawCrop(const ResizingOptions& o, int64_t height, int64_t width, Random& random) {
  const double area = static_cast<double>(height) * static_cast<double>(width);
  const double log_min = std::log(o.min_ratio), log_max = std::log(o.max_ratio);
  for (int i = 0; i < kCropTries; ++i) {
    const double target = area * UniformIn(o.min_area, o.max_area, random.Uniform());
    const double ratio = std::exp(UniformIn(log_min, log_max, random.Uniform()));
    const auto w = static_cast<int64_t>(std::nearbyint(std::sqrt(target * ratio)));
    const auto h = static_cast<int64_t>(std::nearbyint(std::sqrt(target / ratio)));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const int64_t top = random.Below(static_cast<uint32_t>(height - h + 1));
    const int64_t left = random.Below(static_cast<uint32_t>(width - w + 1));
    return {top, left, h, w};
  }
  // The largest crop in the middle whose ratio is allowed.
  int64_t w = width, h = height;
  const double ratio = static_cast<double>(width) / static_cast<double>(height);
  if (ratio < o.min_ratio) {
    h = static_cast<int64_t>(std::nearbyint(static_cast<double>(w) / o.min_ratio));
  } else if (ratio > o.max_ratio) {
    w = static_cast<int64_t>(std::nearbyint(static_cast<double>(h) * o.max_ratio));
  }
  h = std::clamp<int64_t>(h, 1, height);
  w = std::clamp<int64_t>(w, 1, width);
  return {(height - h) / 2, (width - w) / 2, h, w};
}

void Brighten(float factor, std::span<float> pixels) {
  for (float& v : pixels) v = std::min(v * factor, 255.0f);
}

// `pixels`: {n, 3}.
void Saturate(float factor, std::span<float> pixels) {
  for (size_t i = 0; i < pixels.size(); i += 3) {
    float* p = pixels.data() + i;
    const float grey = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];  // ITU-R 601, as Pillow's
    for (int c = 0; c < 3; ++c) p[c] = std::min(std::max(grey + (p[c] - grey) * factor, 0.0f), 255.0f);
  }
}

}  // namespace

absl::StatusOr<ResizingTransform> ResizingTransform::Create(const ImageSource& source, const ResizingOptions& options) {
  auto fail = [&](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("{}: {}", source.name(), what));
  };
  const auto channels = static_cast<size_t>(source.channels());
  if (source.mean().size() != channels || source.stddev().size() != channels) {
    return fail(fmt::format("mean and stddev of {} and {} channels, expected {}", source.mean().size(),
                            source.stddev().size(), channels));
  }
  // Written so that what is no number is refused too.
  const ResizingOptions& o = options;
  if (!(o.min_area > 0 && o.min_area <= o.max_area && o.max_area <= 1)) {
    return fail(fmt::format("crop of {} to {} of the area, expected 0 < least <= most <= 1", o.min_area, o.max_area));
  }
  if (!(o.min_ratio > 0 && o.min_ratio <= o.max_ratio && std::isfinite(o.max_ratio))) {
    return fail(fmt::format("crop ratio of {} to {}, expected 0 < least <= most", o.min_ratio, o.max_ratio));
  }
  if (!(o.brightness >= 0 && o.brightness <= 1 && o.saturation >= 0 && o.saturation <= 1)) {
    return fail(fmt::format("brightness {} and saturation {}, expected 0 to 1", o.brightness, o.saturation));
  }
  if (!(o.evaluation_crop >= 0.1 && o.evaluation_crop <= 1)) {
    return fail(fmt::format("evaluation crop of {}, expected 0.1 to 1", o.evaluation_crop));
  }
  if (o.repeat_grey && channels != 1 && channels != 3) {
    return fail(fmt::format("{} channels, expected 1 or 3 to make three of grey", channels));
  }
  if (auto s = Check(o.rand_augment); !s.ok()) return fail(kernels::Message(s));
  ResizingTransform t;
  t.options_ = options;
  for (size_t c = 0; c < channels; ++c) {
    const double mean = source.mean()[c], stddev = source.stddev()[c];
    if (!std::isfinite(mean) || !std::isfinite(stddev) || stddev <= 0) {
      return fail(fmt::format("channel {}: mean {}, stddev {}, expected finite numbers and a positive stddev", c, mean,
                              stddev));
    }
    t.mean_.push_back(static_cast<float>(mean));
    t.fill_.push_back(static_cast<uint8_t>(std::clamp(std::nearbyint(mean), 0.0, 255.0)));
    t.scale_.push_back(static_cast<float>(1 / stddev));
  }
  if (options.repeat_grey && channels == 1) {
    t.mean_.resize(3, t.mean_[0]);
    t.scale_.resize(3, t.scale_[0]);
  }
  return t;
}

ResizingDraw ResizingTransform::Draw(int64_t epoch, int64_t index, int64_t height, int64_t width) const {
  Random random(options_.seed,
                Random::Stream(kResizingPurpose, static_cast<uint64_t>(epoch), static_cast<uint64_t>(index)));
  // Everything is drawn, used or not, so that one option does not change what another one gets.
  const bool flip = random.Uniform() < 0.5;
  const double brightness = UniformIn(1 - options_.brightness, 1 + options_.brightness, random.Uniform());
  const double saturation = UniformIn(1 - options_.saturation, 1 + options_.saturation, random.Uniform());
  const bool saturation_first = random.Uniform() < 0.5;
  return {DrawCrop(options_, height, width, random),
          options_.flip && flip,
          static_cast<float>(brightness),
          static_cast<float>(saturation),
          saturation_first,
          DrawRandAugment(options_.rand_augment, options_.seed, epoch, index)};
}

void ResizingTransform::Apply(const ImageView& image, const ResizingDraw& draw, int64_t size, Resampler& resampler,
                              std::span<float> out) const {
  const std::span<float> pixels = out.first(static_cast<size_t>(size * size * image.channels));
  resampler.Run(image, {draw.crop, size, size, {0, 0, size, size}, draw.flip}, pixels);
  const bool saturate = image.channels == 3 && draw.saturation != 1;
  if (saturate && draw.saturation_first) Saturate(draw.saturation, pixels);
  if (draw.brightness != 1) Brighten(draw.brightness, pixels);
  if (saturate && !draw.saturation_first) Saturate(draw.saturation, pixels);
  if (!draw.operations.empty()) Operate(draw.operations, image.channels, size, pixels);
  Normalise(image.channels, size * size, out);
}

void ResizingTransform::Operate(const std::vector<PixelOperationDraw>& operations, int64_t channels, int64_t size,
                                std::span<float> pixels) const {
  PixelImage image = {size, size, channels, std::vector<uint8_t>(pixels.size()), {}};
  for (size_t i = 0; i < pixels.size(); ++i) image.values[i] = static_cast<uint8_t>(std::nearbyint(pixels[i]));
  for (const PixelOperationDraw& o : operations) supernet::Apply(o.operation, o.argument, fill_, image);
  std::copy(image.values.begin(), image.values.end(), pixels.begin());
}

void ResizingTransform::ApplyEvaluation(const ImageView& image, int64_t size, Resampler& resampler,
                                        std::span<float> out) const {
  const auto short_side = static_cast<int64_t>(std::ceil(static_cast<double>(size) / options_.evaluation_crop));
  const bool tall = image.height >= image.width;
  const int64_t long_side = short_side * std::max(image.height, image.width) / std::min(image.height, image.width);
  const int64_t height = tall ? long_side : short_side, width = tall ? short_side : long_side;
  auto middle = [&](int64_t side) {
    return static_cast<int64_t>(std::nearbyint(static_cast<double>(side - size) / 2));
  };
  resampler.Run(image,
                {{0, 0, image.height, image.width}, height, width, {middle(height), middle(width), size, size}, false},
                out.first(static_cast<size_t>(size * size * image.channels)));
  Normalise(image.channels, size * size, out);
}

void ResizingTransform::Normalise(int64_t image_channels, int64_t pixels, std::span<float> out) const {
  float* p = out.data();
  if (image_channels == 3 && channels() == 3) {
    const float m[] = {mean_[0], mean_[1], mean_[2]}, s[] = {scale_[0], scale_[1], scale_[2]};
    for (int64_t i = 0; i < pixels; ++i, p += 3) {
      for (int c = 0; c < 3; ++c) p[c] = (p[c] - m[c]) * s[c];
    }
  } else if (image_channels == channels()) {
    for (int64_t i = 0; i < pixels; ++i) {
      for (size_t c = 0; c < mean_.size(); ++c, ++p) *p = (*p - mean_[c]) * scale_[c];
    }
  } else {  // grey to be repeated: backwards, since the result takes the place of the pixels
    for (int64_t i = pixels - 1; i >= 0; --i) {
      const float v = (p[i] - mean_[0]) * scale_[0];
      for (int c = 0; c < 3; ++c) p[i * 3 + c] = v;
    }
  }
}

int64_t ElasticSize::operator()(int64_t epoch, int64_t batch) const {
  Random random(seed, Random::Stream(kElasticPurpose, static_cast<uint64_t>(epoch), static_cast<uint64_t>(batch)));
  return least + step * random.Below(static_cast<uint32_t>((most - least) / step + 1));
}

}  // namespace mathnas::supernet
