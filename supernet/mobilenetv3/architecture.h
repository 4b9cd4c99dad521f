// Networks of the once-for-all MobileNetV3 space as kernels, expansions, depths and a resolution, as JSON, and the
// sizes of their layers (spec/search-spaces.md 3.1, spec/interfaces.md 1).
#ifndef MATHNAS_SUPERNET_MOBILENETV3_ARCHITECTURE_H_
#define MATHNAS_SUPERNET_MOBILENETV3_ARCHITECTURE_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mathnas::supernet::mobilenetv3 {

inline constexpr int kStages = 5;
inline constexpr int kStageBlocks = 4;                  // stored ones of a stage
inline constexpr int kBlocks = kStages * kStageBlocks;  // elastic ones: `blocks.1` .. `blocks.20` of the state dict
inline constexpr std::array<int, 3> kKernels = {3, 5, 7};
inline constexpr std::array<int, 3> kExpansions = {3, 4, 6};
inline constexpr std::array<int, 3> kDepths = {2, 3, 4};
// Pixels of a side of the square input: multiples of kResolutionStep within these bounds.
inline constexpr int kLeastResolution = 32, kMostResolution = 1024, kResolutionStep = 4;
inline constexpr int kDefaultResolution = 224;

// A network. Entry stage * 4 + position of `ks` and `e` is a block; the first `d[stage]` blocks of a stage run, and
// what stands behind them does not count. The defaults are the largest network.
struct Architecture {
  static constexpr std::array<int, kBlocks> Everywhere(int value) {
    std::array<int, kBlocks> entries{};
    entries.fill(value);
    return entries;
  }

  std::array<int, kBlocks> ks = Everywhere(kKernels.back());
  std::array<int, kBlocks> e = Everywhere(kExpansions.back());
  std::array<int, kStages> d = {kDepths.back(), kDepths.back(), kDepths.back(), kDepths.back(), kDepths.back()};
  int resolution = kDefaultResolution;

  // Whether block `block` of 0 .. 19 runs.
  bool runs(int block) const { return block % kStageBlocks < d[block / kStageBlocks]; }
  // The same entries: networks are the same when their canonical forms are.
  bool operator==(const Architecture&) const = default;
};

// The one form of a network: kernel and expansion of blocks that do not run are the smallest.
Architecture Canonical(const Architecture& architecture);

// InvalidArgument names the first entry that is not allowed ("ks[3]: 4, expected 3, 5 or 7"): a depth, the kernel or
// expansion of a block that runs, the resolution.
absl::Status Check(const Architecture& architecture);

// {"ks": [20], "e": [20], "d": [5], "resolution": 224}; a number in place of a list means the same everywhere, and
// without a resolution it is the one given here. The result is canonical. Blocks that do not run may have any integer.
// InvalidArgument names the entry, its value and what was expected.
absl::StatusOr<Architecture> ParseArchitecture(std::string_view text, int resolution = kDefaultResolution);
// The inverse, all entries written out; of the entries as they are.
std::string ToJson(const Architecture& architecture);

// What all blocks of a stage have in common. `width` is the number of output channels at width factor 1.0, `stride`
// that of the first block.
struct Stage {
  int64_t width;
  int64_t stride;
  bool squeeze_excite;
  bool hard_swish;  // otherwise ReLU
};
inline constexpr std::array<Stage, kStages> kStageTable = {
    {{24, 2, false, false}, {40, 2, true, false}, {80, 2, false, true}, {112, 1, true, true}, {160, 2, true, true}}};

// Output channels of every part of the network.
struct Widths {
  int64_t first;  // first_conv and block 0
  std::array<int64_t, kStages> stages;
  int64_t final_expand;
  int64_t feature_mix;

  // Of the input of block `block` of 0 .. 19: the stage's own width but for its first block.
  int64_t in(int block) const;
  int64_t out(int block) const { return stages[block / kStageBlocks]; }
};

// InvalidArgument unless the width factor is one of those that the reference trained, 1.0 and 1.2.
absl::StatusOr<Widths> WidthsOf(double factor);

// Channels between the 1x1 convolutions of a block: make_divisible(in * expansion, 8).
int64_t MidChannels(int64_t in, int expansion);
// Hidden channels of squeeze-excite over `channels`: make_divisible(channels / 4, 8), the quotient an integer (1.1).
int64_t SqueezeChannels(int64_t channels);

// An elastic block. The stored tensors have the sizes at the largest expansion.
struct BlockShape {
  int64_t in, mid, out;
  int64_t squeeze;  // hidden channels of squeeze-excite; 0 without it
  int64_t stride;   // of the depthwise convolution
  bool hard_swish;  // otherwise ReLU
  bool shortcut;    // the input is added to the output
};

// Block `block` of 0 .. 19 at an expansion.
BlockShape ShapeOf(const Widths& widths, int block, int expansion = kExpansions.back());

}  // namespace mathnas::supernet::mobilenetv3

#endif  // MATHNAS_SUPERNET_MOBILENETV3_ARCHITECTURE_H_
