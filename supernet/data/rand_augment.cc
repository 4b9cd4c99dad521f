#include "supernet/data/rand_augment.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "fmt/format.h"
#include "kernels/random.h"
#include "supernet/data/dataset.h"

namespace mathnas::supernet {
namespace {

constexpr double kLargestMagnitude = 10;
constexpr std::string_view kForm = R"("none" or e.g. "rand-n1-m1-mstd0.5-inc1")";

std::optional<double> NumberOf(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

absl::StatusOr<RandAugmentOptions> ParseRandAugment(std::string_view text) {
  if (text == "none") return RandAugmentOptions{};
  const auto fail = [&](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("RandAugment \"{:.100}\": {}", text, what));
  };
  constexpr std::string_view kName = "rand";
  if (!text.starts_with(kName)) return fail(fmt::format("expected {}", kForm));
  RandAugmentOptions options = {.layers = 2};
  std::set<std::string_view> given;
  std::string_view rest = text.substr(kName.size());
  while (!rest.empty()) {
    if (rest.front() != '-') return fail(fmt::format("expected {}", kForm));
    rest.remove_prefix(1);
    const std::string_view part = rest.substr(0, rest.find('-'));
    rest.remove_prefix(part.size());
    const size_t digits = std::min(part.find_first_of("0123456789."), part.size());
    const std::string_view key = part.substr(0, digits);
    const std::optional<double> value = NumberOf(part.substr(digits));
    if (!value) return fail(fmt::format("part \"{}\": expected a number after its name", part));
    if (!given.insert(key).second) return fail(fmt::format("part \"{}\": given twice", key));
    if (key == "n") {
      if (*value != std::clamp(std::floor(*value), 1.0, 10.0))
        return fail(fmt::format("n: {}, expected 1 to 10", *value));
      options.layers = static_cast<int>(*value);
    } else if (key == "m") {
      options.magnitude = *value;
    } else if (key == "mstd") {
      options.deviation = *value;
    } else if (key == "p") {
      options.probability = *value;
    } else if (key == "inc") {
      if (*value != 1) return fail(fmt::format("inc: {}, expected 1", *value));
    } else {
      return fail(fmt::format("part \"{}\": expected n, m, mstd, p or inc", part));
    }
  }
  if (!given.contains("inc")) return fail("expected inc1: operations do more the larger the magnitude is");
  if (auto s = Check(options); !s.ok()) return s;
  return options;
}

std::string ToString(const RandAugmentOptions& o) {
  if (o.layers == 0) return "none";
  std::string text = fmt::format("rand-n{}-m{}-mstd{}-inc1", o.layers, o.magnitude, o.deviation);
  if (o.probability != RandAugmentOptions{}.probability) text += fmt::format("-p{}", o.probability);
  return text;
}

absl::Status Check(const RandAugmentOptions& o) {
  const struct {
    std::string_view name;
    double value, high;
  } fields[] = {{"n", static_cast<double>(o.layers), 10},
                {"m", o.magnitude, kLargestMagnitude},
                {"mstd", o.deviation, 100},
                {"p", o.probability, 1}};
  for (const auto& f : fields) {
    if (!(f.value >= 0 && f.value <= f.high)) {
      return absl::InvalidArgumentError(fmt::format("RandAugment: {} {}, expected 0 to {}", f.name, f.value, f.high));
    }
  }
  return absl::OkStatus();
}

double ArgumentOf(PixelOperation operation, double magnitude, bool negative) {
  const double level = magnitude / kLargestMagnitude, sign = negative ? -1 : 1;
  switch (operation) {
    case PixelOperation::kAutoContrast:
    case PixelOperation::kEqualize:
    case PixelOperation::kInvert:
      return 0;
    case PixelOperation::kRotate:
      return sign * level * 30;
    case PixelOperation::kPosterize:
      return 4 - static_cast<int>(level * 4);
    case PixelOperation::kSolarize:
      return 256 - std::min(256, static_cast<int>(level * 256));
    case PixelOperation::kSolarizeAdd:
      return std::min(128, static_cast<int>(level * 110));
    case PixelOperation::kColor:
    case PixelOperation::kContrast:
    case PixelOperation::kBrightness:
    case PixelOperation::kSharpness:
      return std::max(0.1, 1 + sign * level * 0.9);
    case PixelOperation::kShearX:
    case PixelOperation::kShearY:
      return sign * level * 0.3;
    case PixelOperation::kTranslateX:
    case PixelOperation::kTranslateY:
      return sign * level * 0.45;
  }
  return 0;
}

std::vector<PixelOperationDraw> DrawRandAugment(const RandAugmentOptions& o, uint64_t seed, int64_t epoch,
                                                int64_t index) {
  std::vector<PixelOperationDraw> draws;
  if (o.layers == 0) return draws;
  kernels::Random random(
      seed, kernels::Random::Stream(kRandAugmentPurpose, static_cast<uint64_t>(epoch), static_cast<uint64_t>(index)));
  for (int layer = 0; layer < o.layers; ++layer) {
    // Everything is drawn, used or not, so that one option does not change what another one gets.
    const auto operation = static_cast<PixelOperation>(random.Below(kPixelOperations));
    const bool done = random.Uniform() < o.probability, negative = random.Uniform() < 0.5;
    const double magnitude = std::clamp(o.magnitude + o.deviation * random.Normal(), 0.0, kLargestMagnitude);
    if (done) draws.push_back({operation, ArgumentOf(operation, magnitude, negative)});
  }
  return draws;
}

}  // namespace mathnas::supernet
