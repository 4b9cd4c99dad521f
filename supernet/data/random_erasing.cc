#include "supernet/data/random_erasing.h"

#include <cmath>

#include "kernels/random.h"
#include "supernet/data/dataset.h"

namespace mathnas::supernet {
namespace {

using kernels::Random;

constexpr int kTries = 10;

Random RandomOf(StreamPurpose purpose, uint64_t seed, int64_t epoch, int64_t index) {
  return Random(seed, Random::Stream(purpose, static_cast<uint64_t>(epoch), static_cast<uint64_t>(index)));
}

}  // namespace

Rectangle DrawErasing(const ErasingOptions& o, int64_t epoch, int64_t index, int64_t height, int64_t width) {
  Random random = RandomOf(kErasingPurpose, o.seed, epoch, index);
  if (random.Uniform() >= o.probability) return {};
  const double area = static_cast<double>(height) * static_cast<double>(width);
  for (int i = 0; i < kTries; ++i) {
    const double erased = area * (o.min_area + (o.max_area - o.min_area) * random.Uniform());
    const double ratio = std::exp(std::log(o.min_ratio) * (1 - 2 * random.Uniform()));
    const auto h = static_cast<int64_t>(std::nearbyint(std::sqrt(erased * ratio)));
    const auto w = static_cast<int64_t>(std::nearbyint(std::sqrt(erased / ratio)));
    if (h >= height || w >= width) continue;
    const int64_t top = random.Below(static_cast<uint32_t>(height - h + 1));
    const int64_t left = random.Below(static_cast<uint32_t>(width - w + 1));
    return {top, left, h, w};
  }
  return {};
}

void Erase(const Rectangle& erased, uint64_t seed, int64_t epoch, int64_t index, int64_t width, int64_t channels,
           std::span<float> image) {
  Random random = RandomOf(kErasingNoisePurpose, seed, epoch, index);
  for (int64_t y = erased.top; y < erased.top + erased.height; ++y) {
    float* v = image.data() + (y * width + erased.left) * channels;
    for (int64_t i = 0; i < erased.width * channels; ++i) v[i] = static_cast<float>(random.Normal());
  }
}

}  // namespace mathnas::supernet
