#include "supernet/supervit/architecture.h"

#include <algorithm>
#include <optional>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/bounded_json.h"
#include "supernet/internal/subnet_fields.h"
#include "supernet/make_divisible.h"

namespace mathnas::supernet::supervit {
namespace {

using kernels::internal::IntegerIn;
using kernels::internal::Shortened;
using nlohmann::json;

constexpr std::string_view kForm =
    R"({"resolution": 192, "width": [9], "depth": [7], "kernel_size": [7], "expand_ratio": [7]})";

constexpr std::array<int, 2> kFirstWidths = {16, 24}, kLastWidths = {1792, 1984};
constexpr std::array<int, 2> kWidths1 = {16, 24}, kWidths2 = {24, 32}, kWidths3 = {32, 40}, kWidths4 = {64, 72};
constexpr std::array<int, 3> kWidths5 = {112, 120, 128}, kWidths7 = {208, 216, 224};
constexpr std::array<int, 4> kWidths6 = {160, 168, 176, 184};
constexpr std::array<int, 2> kDepths1 = {1, 2};
constexpr std::array<int, 3> kDepths2 = {3, 4, 5};
constexpr std::array<int, 4> kDepths3 = {3, 4, 5, 6};
constexpr std::array<int, 7> kDepths5 = {3, 4, 5, 6, 7, 8, 9};
constexpr std::array<int, 6> kDepths6 = {3, 4, 5, 6, 7, 8};
constexpr std::array<int, 1> kKernel3 = {3};
constexpr std::array<int, 2> kKernels = {3, 5};
constexpr std::array<int, 1> kExpand1 = {1}, kExpand6 = {6};
constexpr std::array<int, 3> kExpands = {4, 5, 6};

// spec/search-spaces.md 5.1.
constexpr std::array<PartChoices, kParts> kPartTable = {{
    {"firstconv", kFirstWidths, {}, kKernel3, {}, 2, false, false},
    {"stage1", kWidths1, kDepths1, kKernels, kExpand1, 1, false, false},
    {"stage2", kWidths2, kDepths2, kKernels, kExpands, 2, false, false},
    {"stage3", kWidths3, kDepths3, kKernel3, kExpands, 2, true, false},
    {"stage4", kWidths4, kDepths3, kKernel3, kExpands, 2, false, true},
    {"stage5", kWidths5, kDepths5, kKernel3, kExpands, 2, true, true},
    {"stage6", kWidths6, kDepths6, kKernel3, kExpand6, 1, true, true},
    {"stage7", kWidths7, kDepths3, kKernel3, kExpand6, 2, true, true},
    {"lastconv", kLastWidths, {}, {}, {}, 1, false, false},
}};

absl::Status CheckEntry(std::string_view name, size_t i, int value, std::span<const int> allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{}[{}]: {}, expected {}", name, i, value, Listed(allowed)));
}

// Every entry by `pick` of what is allowed.
template <typename Pick>
Architecture Made(const Pick& pick) {
  Architecture a;
  a.resolution = pick(std::span<const int>(kResolutions));
  for (int part = 0; part < kParts; ++part) a.width[part] = pick(ChoicesOf(part).widths);
  for (int stage = 0; stage < kStages; ++stage) {
    const PartChoices& choices = ChoicesOf(stage + 1);
    a.depth[stage] = pick(choices.depths);
    a.kernel_size[stage] = pick(choices.kernels);
    a.expand_ratio[stage] = pick(choices.expansions);
  }
  return a;
}

}  // namespace

const PartChoices& ChoicesOf(int part) { return kPartTable[static_cast<size_t>(part)]; }

bool IsResolution(int64_t side) {
  return side >= kLeastResolution && side <= kMostResolution && side % kResolutionStep == 0;
}

Architecture Smallest() {
  return Made([](std::span<const int> allowed) { return allowed.front(); });
}
Architecture Largest() {
  return Made([](std::span<const int> allowed) { return allowed.back(); });
}

absl::Status Check(const Architecture& a) {
  if (!IsResolution(a.resolution)) {
    return absl::InvalidArgumentError(fmt::format("resolution: {}, expected {}", a.resolution, kExpectedResolution));
  }
  for (size_t part = 0; part < kParts; ++part) {
    if (auto s = CheckEntry("width", part, a.width[part], kPartTable[part].widths); !s.ok()) return s;
  }
  for (size_t stage = 0; stage < kStages; ++stage) {
    const PartChoices& choices = kPartTable[stage + 1];
    if (auto s = CheckEntry("depth", stage, a.depth[stage], choices.depths); !s.ok()) return s;
    if (auto s = CheckEntry("kernel_size", stage, a.kernel_size[stage], choices.kernels); !s.ok()) return s;
    if (auto s = CheckEntry("expand_ratio", stage, a.expand_ratio[stage], choices.expansions); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::StatusOr<Architecture> ParseArchitecture(std::string_view text, int resolution) {
  const absl::StatusOr<json> object =
      ParseSubnetObject(text, kForm, {"resolution", "width", "depth", "kernel_size", "expand_ratio"});
  if (!object.ok()) return object.status();
  Architecture a;
  a.resolution = resolution;
  if (object->contains("resolution")) {
    const std::optional<int64_t> given = IntegerIn((*object)["resolution"], 1, 1 << 16);
    if (!given) {
      return absl::InvalidArgumentError(
          fmt::format("resolution: {}, expected {}", Shortened((*object)["resolution"]), kExpectedResolution));
    }
    a.resolution = static_cast<int>(*given);
  }
  if (auto s = ReadEntries(*object, "width", kForm, "one of the part's widths", a.width); !s.ok()) return s;
  if (auto s = ReadEntries(*object, "depth", kForm, "one of the stage's depths", a.depth); !s.ok()) return s;
  if (auto s = ReadEntries(*object, "kernel_size", kForm, "3 or 5", a.kernel_size); !s.ok()) return s;
  if (auto s = ReadEntries(*object, "expand_ratio", kForm, "1, 4, 5 or 6", a.expand_ratio); !s.ok()) return s;
  if (auto s = Check(a); !s.ok()) return s;
  return a;
}

std::string ToJson(const Architecture& a) {
  return fmt::format(R"({{"resolution":{},"width":[{}],"depth":[{}],"kernel_size":[{}],"expand_ratio":[{}]}})",
                     a.resolution, fmt::join(a.width, ","), fmt::join(a.depth, ","), fmt::join(a.kernel_size, ","),
                     fmt::join(a.expand_ratio, ","));
}

int64_t MidChannels(int64_t in, int expansion) { return MakeDivisible(static_cast<double>(in * expansion), 8, 1); }

int64_t SqueezeChannels(int64_t channels) { return MakeDivisible(static_cast<double>(channels / 4), 8, 1); }

int FirstBlock(int stage) {
  int block = 0;
  for (int s = 0; s < stage; ++s) block += ChoicesOf(s + 1).stored_depth();
  return block;
}

}  // namespace mathnas::supernet::supervit
