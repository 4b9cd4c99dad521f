// Networks of the NASViT space as widths, depths, kernels, expansions and a resolution, as JSON, and the sizes of their
// blocks (spec/search-spaces.md 5.1, 5.2 and 6.4, spec/interfaces.md 1).
#ifndef MATHNAS_SUPERNET_SUPERVIT_ARCHITECTURE_H_
#define MATHNAS_SUPERNET_SUPERVIT_ARCHITECTURE_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mathnas::supernet::supervit {

inline constexpr int kStages = 7;  // mb1 .. mb7
// The parts of a network that have a width: first_conv, the stages, last_conv.
inline constexpr int kParts = kStages + 2;
// Sides of the input in pixels: the published ones, and which others a space may have, for images of few pixels.
inline constexpr std::array<int, 4> kResolutions = {192, 224, 256, 288};
inline constexpr int kLeastResolution = 64, kMostResolution = kResolutions.back(), kResolutionStep = 32;
inline constexpr std::string_view kExpectedResolution = "a multiple of 32 from 64 to 288";
bool IsResolution(int64_t side);

// What may be chosen for a part, ascending. The parts at the ends have a width alone.
struct PartChoices {
  std::string_view name;  // as in the published tables
  std::span<const int> widths, depths, kernels, expansions;
  int stride;
  bool squeeze_excite;
  bool transformers;  // all blocks but the first one

  int stored_width() const { return widths.back(); }
  int stored_depth() const { return depths.back(); }
  int stored_kernel() const { return kernels.back(); }
};
// `part` of 0 .. 8; stage s is part s + 1.
const PartChoices& ChoicesOf(int part);

// A network. Entry s of depth, kernel_size and expand_ratio is of stage s.
struct Architecture {
  int resolution = kResolutions.front();
  std::array<int, kParts> width{};
  std::array<int, kStages> depth{}, kernel_size{}, expand_ratio{};

  bool operator==(const Architecture&) const = default;
};
Architecture Smallest();
Architecture Largest();

// InvalidArgument names the first entry that is not allowed ("width[3]: 33, expected 32 or 40").
absl::Status Check(const Architecture& architecture);
// {"resolution": 192, "width": [9], "depth": [7], "kernel_size": [7], "expand_ratio": [7]}; without a resolution it is
// the one given here. InvalidArgument names the entry, its value and what was expected.
absl::StatusOr<Architecture> ParseArchitecture(std::string_view text, int resolution);
std::string ToJson(const Architecture& architecture);

// Channels between the 1x1 convolutions: make_divisible(in * expansion, 8), at least 1 (1.1).
int64_t MidChannels(int64_t in, int expansion);
// Hidden channels of squeeze-excite over `channels`.
int64_t SqueezeChannels(int64_t channels);
// `blocks.N` of the state dict: the number of the first block of a stage.
int FirstBlock(int stage);

}  // namespace mathnas::supernet::supervit

#endif  // MATHNAS_SUPERNET_SUPERVIT_ARCHITECTURE_H_
