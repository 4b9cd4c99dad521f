#include "supernet/mobilenetv3/architecture.h"

#include <algorithm>
#include <optional>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/bounded_json.h"
#include "supernet/internal/subnet_fields.h"
#include "supernet/make_divisible.h"

namespace mathnas::supernet::mobilenetv3 {
namespace {

using kernels::internal::IntegerIn;
using kernels::internal::Shortened;
using nlohmann::json;

// Of the output of first_conv and block 0, and of the head, at width factor 1.0.
constexpr int64_t kFirstWidth = 16, kFinalExpandWidth = 960, kFeatureMixWidth = 1280;

constexpr std::string_view kForm = R"({"ks": [20 kernels], "e": [20 expansions], "d": [5 depths], "resolution": 224})";

template <size_t n>
bool IsOneOf(const std::array<int, n>& allowed, int value) {
  return std::find(allowed.begin(), allowed.end(), value) != allowed.end();
}

absl::Status NotAllowed(std::string_view name, size_t i, int value, const std::string& expected) {
  return absl::InvalidArgumentError(fmt::format("{}[{}]: {}, expected {}", name, i, value, expected));
}

std::string ResolutionRange() {
  return fmt::format("a multiple of {} from {} to {}", kResolutionStep, kLeastResolution, kMostResolution);
}

}  // namespace

Architecture Canonical(const Architecture& architecture) {
  Architecture canonical = architecture;
  for (int block = 0; block < kBlocks; ++block) {
    if (canonical.runs(block)) continue;
    canonical.ks[block] = kKernels.front();
    canonical.e[block] = kExpansions.front();
  }
  return canonical;
}

absl::Status Check(const Architecture& architecture) {
  for (int stage = 0; stage < kStages; ++stage) {
    const int depth = architecture.d[stage];
    if (!IsOneOf(kDepths, depth)) return NotAllowed("d", stage, depth, Listed(kDepths));
  }
  for (int block = 0; block < kBlocks; ++block) {
    if (!architecture.runs(block)) continue;
    const int kernel = architecture.ks[block], expansion = architecture.e[block];
    if (!IsOneOf(kKernels, kernel)) return NotAllowed("ks", block, kernel, Listed(kKernels));
    if (!IsOneOf(kExpansions, expansion)) return NotAllowed("e", block, expansion, Listed(kExpansions));
  }
  const int resolution = architecture.resolution;
  if (resolution < kLeastResolution || resolution > kMostResolution || resolution % kResolutionStep != 0) {
    return absl::InvalidArgumentError(fmt::format("resolution: {}, expected {}", resolution, ResolutionRange()));
  }
  return absl::OkStatus();
}

absl::StatusOr<Architecture> ParseArchitecture(std::string_view text, int resolution) {
  const absl::StatusOr<json> object = ParseSubnetObject(text, kForm, {"ks", "e", "d", "resolution"});
  if (!object.ok()) return object.status();
  Architecture architecture;
  architecture.resolution = resolution;
  if (auto s = ReadEntries(*object, "ks", kForm, Listed(kKernels), architecture.ks); !s.ok()) return s;
  if (auto s = ReadEntries(*object, "e", kForm, Listed(kExpansions), architecture.e); !s.ok()) return s;
  if (auto s = ReadEntries(*object, "d", kForm, Listed(kDepths), architecture.d); !s.ok()) return s;
  if (object->contains("resolution")) {
    const json& value = (*object)["resolution"];
    const std::optional<int64_t> given = IntegerIn(value, kLeastResolution, kMostResolution);
    if (!given) {
      return absl::InvalidArgumentError(
          fmt::format("resolution: {}, expected {}", Shortened(value), ResolutionRange()));
    }
    architecture.resolution = static_cast<int>(*given);
  }
  if (auto s = Check(architecture); !s.ok()) return s;
  return Canonical(architecture);
}

std::string ToJson(const Architecture& architecture) {
  return fmt::format(R"({{"ks":[{}],"e":[{}],"d":[{}],"resolution":{}}})", fmt::join(architecture.ks, ","),
                     fmt::join(architecture.e, ","), fmt::join(architecture.d, ","), architecture.resolution);
}

int64_t Widths::in(int block) const {
  const int stage = block / kStageBlocks;
  if (block % kStageBlocks > 0) return stages[stage];
  return stage == 0 ? first : stages[stage - 1];
}

absl::StatusOr<Widths> WidthsOf(double factor) {
  if (factor != 1.0 && factor != 1.2) {
    return absl::InvalidArgumentError(fmt::format("width: expected 1.0 or 1.2, found {}", factor));
  }
  const auto scaled = [&](int64_t width) { return MakeDivisible(static_cast<double>(width) * factor, 8, 8); };
  Widths widths{.first = scaled(kFirstWidth),
                .stages = {},
                .final_expand = scaled(kFinalExpandWidth),
                .feature_mix = scaled(kFeatureMixWidth)};
  for (int stage = 0; stage < kStages; ++stage) widths.stages[stage] = scaled(kStageTable[stage].width);
  return widths;
}

int64_t MidChannels(int64_t in, int expansion) { return MakeDivisible(static_cast<double>(in * expansion), 8, 8); }

int64_t SqueezeChannels(int64_t channels) { return MakeDivisible(static_cast<double>(channels / 4), 8, 8); }

BlockShape ShapeOf(const Widths& widths, int block, int expansion) {
  const Stage& stage = kStageTable[block / kStageBlocks];
  const bool first = block % kStageBlocks == 0;
  const int64_t mid = MidChannels(widths.in(block), expansion);
  return {.in = widths.in(block),
          .mid = mid,
          .out = widths.out(block),
          .squeeze = stage.squeeze_excite ? SqueezeChannels(mid) : 0,
          .stride = first ? stage.stride : 1,
          .hard_swish = stage.hard_swish,
          // Stage 3 begins with stride 1 as well, but there the widths differ.
          .shortcut = !first};
}

}  // namespace mathnas::supernet::mobilenetv3
