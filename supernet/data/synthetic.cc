// Made-up images that a network can learn: every class has a smooth texture of its own (a few plane waves per channel),
// an image shows it shifted by up to an eighth of its side, with its own contrast, under noise.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "kernels/random.h"
#include "supernet/data/formats.h"

namespace mathnas::supernet {
namespace {

using kernels::Random;

constexpr int kWaves = 3;
enum Part : uint64_t { kPatterns = 0, kTrain = 1, kTest = 2 };

struct Parameters {
  int64_t train = 2048;
  int64_t test = -1;  // a quarter of `train`
  int64_t size = 16;
  int64_t channels = 3;
  int64_t classes = 10;
  int64_t noise = 40;
  uint64_t seed = 0;
};

struct Wave {
  double fx, fy, phase, amplitude;
};

absl::StatusOr<Parameters> Parse(std::string_view text, const DatasetOptions& options) {
  Parameters p;
  p.seed = options.seed;
  struct Key {
    std::string_view name;
    int64_t* value;
    int64_t least, most;
  };
  const Key keys[] = {{"N", &p.train, 1, kMaxImages},
                      {"test", &p.test, 1, kMaxImages},
                      {"size", &p.size, 1, 4096},
                      {"channels", &p.channels, 1, kMaxChannels},
                      {"classes", &p.classes, 1, kMaxClasses},
                      {"noise", &p.noise, 0, 255}};
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const size_t equal = item.find('=');
    const std::string_view name = item.substr(0, equal);
    const std::string_view value = equal == item.npos ? "" : item.substr(equal + 1);
    auto parse = [&](auto& out) {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
      return error == std::errc() && end == value.data() + value.size();
    };
    auto fail = [&](std::string_view expected) {
      return absl::InvalidArgumentError(fmt::format("data synthetic: \"{}\": expected {}", item, expected));
    };
    if (name == "seed") {
      if (!parse(p.seed)) return fail("seed=0 to 2^64-1");
      continue;
    }
    const Key* key = std::find_if(std::begin(keys), std::end(keys), [&](const Key& k) { return k.name == name; });
    if (key == std::end(keys)) return fail("N, test, size, channels, classes, noise or seed");
    if (!parse(*key->value) || *key->value < key->least || *key->value > key->most) {
      return fail(fmt::format("{}={} to {}", key->name, key->least, key->most));
    }
  }
  if (p.test < 0) p.test = std::max<int64_t>(1, p.train / 4);
  return p;
}

// The waves of a class, {channels, kWaves}: whole periods over the image, amplitudes that sum to one.
std::vector<Wave> MakePattern(const Parameters& p, int64_t label) {
  Random random(p.seed, Random::Stream(kSyntheticPurpose, kPatterns, static_cast<uint64_t>(label)));
  std::vector<Wave> waves;
  for (int64_t i = 0; i < p.channels * kWaves; ++i) {
    waves.push_back({.fx = random.Below(7) - 3.0,
                     .fy = random.Below(4) + 0.0,
                     .phase = 2 * std::numbers::pi * random.Uniform(),
                     .amplitude = 1.0 / kWaves});
  }
  return waves;
}

ImageDataset MakePart(const Parameters& p, Part part, int64_t count, const std::vector<std::vector<Wave>>& patterns) {
  ImageDataset d;
  d.name = part == kTrain ? "synthetic/train" : "synthetic/test";
  d.count = count;
  d.height = d.width = p.size;
  d.channels = p.channels;
  d.classes = static_cast<int>(p.classes);
  d.images.resize(static_cast<size_t>(count) * d.image_bytes());
  d.labels.resize(static_cast<size_t>(count));
  uint8_t* out = d.images.data();
  const auto shifts = static_cast<uint32_t>(2 * (p.size / 8) + 1);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t label = i % p.classes;
    d.labels[static_cast<size_t>(i)] = static_cast<int32_t>(label);
    const std::vector<Wave>& waves = patterns[static_cast<size_t>(label)];
    Random random(p.seed, Random::Stream(kSyntheticPurpose, part, static_cast<uint64_t>(i)));
    const double contrast = 60 + 60 * random.Uniform();
    const uint32_t dy = random.Below(shifts), dx = random.Below(shifts);
    for (int64_t y = 0; y < p.size; ++y) {
      for (int64_t x = 0; x < p.size; ++x) {
        const double v = static_cast<double>(y + dy) / static_cast<double>(p.size);
        const double u = static_cast<double>(x + dx) / static_cast<double>(p.size);
        for (int64_t c = 0; c < p.channels; ++c) {
          double sum = 0;
          for (int w = 0; w < kWaves; ++w) {
            const Wave& wave = waves[static_cast<size_t>(c * kWaves + w)];
            sum += wave.amplitude * std::cos(2 * std::numbers::pi * (wave.fx * u + wave.fy * v) + wave.phase);
          }
          const double pixel = 127.5 + contrast * sum + static_cast<double>(p.noise) * random.Normal();
          *out++ = static_cast<uint8_t>(std::clamp(std::lround(pixel), 0L, 255L));
        }
      }
    }
  }
  return d;
}

}  // namespace

absl::StatusOr<DatasetPair> MakeSynthetic(std::string_view parameters, const DatasetOptions& options) {
  absl::StatusOr<Parameters> p = Parse(parameters, options);
  if (!p.ok()) return p.status();
  for (int64_t count : {p->train, p->test}) {
    if (absl::Status s = CheckSize("data synthetic", count, p->size, p->size, p->channels, options); !s.ok()) return s;
  }
  std::vector<std::vector<Wave>> patterns;
  for (int64_t label = 0; label < p->classes; ++label) patterns.push_back(MakePattern(*p, label));
  DatasetPair pair{MakePart(*p, kTrain, p->train, patterns), MakePart(*p, kTest, p->test, patterns)};
  SetStatistics(pair);
  return pair;
}

}  // namespace mathnas::supernet
