#include "supernet/data/mixing.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "kernels/random.h"
#include "supernet/data/dataset.h"

namespace mathnas::supernet {
namespace {

using kernels::Random;
using kernels::TensorView;

// Numbers whose products with others are never all 0: (0, 1].
double Positive(Random& random) { return 1 - random.Uniform(); }

// The logarithm of a number of the gamma distribution with shape `a` (Marsaglia and Tsang, 2000), of which those of a
// small shape are too small to be numbers.
double LogGamma(double a, Random& random) {
  const double d = (a < 1 ? a + 1 : a) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = random.Normal(), v = 1 + c * x;
    if (v <= 0) continue;
    const double cube = v * v * v;
    if (std::log(Positive(random)) >= x * x / 2 + d * (1 - cube + std::log(cube))) continue;
    return std::log(d * cube) + (a < 1 ? std::log(Positive(random)) / a : 0);
  }
}

double Beta(double a, Random& random) {
  const double x = LogGamma(a, random), y = LogGamma(a, random);
  return 1 / (1 + std::exp(y - x));
}

}  // namespace

absl::Status Check(const MixingOptions& o) {
  const struct {
    std::string_view name;
    double value, high;
  } fields[] = {{"mixup", o.mixup, 100}, {"cutmix", o.cutmix, 100}, {"mix switch", o.switch_probability, 1}};
  for (const auto& f : fields) {
    if (!(f.value >= 0 && f.value <= f.high)) {
      return absl::InvalidArgumentError(fmt::format("{}: {}, expected 0 to {}", f.name, f.value, f.high));
    }
  }
  return absl::OkStatus();
}

MixingDraw DrawMixing(const MixingOptions& o, uint64_t seed, int64_t epoch, int64_t batch, int64_t height,
                      int64_t width) {
  Random random(seed, Random::Stream(kMixingPurpose, static_cast<uint64_t>(epoch), static_cast<uint64_t>(batch)));
  MixingDraw draw;
  const bool switched = random.Uniform() < o.switch_probability;
  draw.cutmix = o.cutmix > 0 && (o.mixup == 0 || switched);
  draw.kept = Beta(draw.cutmix ? o.cutmix : o.mixup, random);
  if (!draw.cutmix) return draw;
  const double side = std::sqrt(1 - draw.kept);
  const auto span = [&](int64_t size) {
    const auto cut = static_cast<int64_t>(static_cast<double>(size) * side);
    const int64_t middle = random.Below(static_cast<uint32_t>(size));
    return std::pair(std::max<int64_t>(middle - cut / 2, 0), std::min(middle + (cut + 1) / 2, size));
  };
  const auto [top, bottom] = span(height);
  const auto [left, right] = span(width);
  draw.cut = {top, left, bottom - top, right - left};
  draw.kept = 1 - static_cast<double>(draw.cut.height * draw.cut.width) / static_cast<double>(height * width);
  return draw;
}

void MixImages(const MixingDraw& draw, const TensorView& images) {
  const kernels::Shape& shape = images.desc.shape;
  const int64_t count = shape[0], row = shape[2] * shape[3], size = shape[1] * row;
  float* pixels = images.as<float>().data();
  const auto kept = static_cast<float>(draw.kept), rest = static_cast<float>(1 - draw.kept);
  for (int64_t n = 0; n < count / 2; ++n) {
    float *a = pixels + n * size, *b = pixels + (count - 1 - n) * size;
    if (!draw.cutmix) {
      for (int64_t i = 0; i < size; ++i) {
        const float of_a = a[i], of_b = b[i];
        a[i] = kept * of_a + rest * of_b;
        b[i] = kept * of_b + rest * of_a;
      }
      continue;
    }
    for (int64_t y = draw.cut.top; y < draw.cut.top + draw.cut.height; ++y) {
      const int64_t begin = y * row + draw.cut.left * shape[3];
      std::swap_ranges(a + begin, a + begin + draw.cut.width * shape[3], b + begin);
    }
  }
}

void MixLabels(const MixingDraw& draw, std::span<const int64_t> labels, double smoothing, const TensorView& targets) {
  const size_t count = labels.size(), classes = static_cast<size_t>(targets.desc.shape[1]);
  const std::span<float> rows = targets.as<float>();
  std::fill(rows.begin(), rows.end(), static_cast<float>(smoothing / static_cast<double>(classes)));
  for (size_t n = 0; n < count; ++n) {
    float* row = rows.data() + n * classes;
    row[labels[n]] += static_cast<float>(draw.kept * (1 - smoothing));
    row[labels[count - 1 - n]] += static_cast<float>((1 - draw.kept) * (1 - smoothing));
  }
}

}  // namespace mathnas::supernet
