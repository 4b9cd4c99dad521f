// Once-for-all MobileNetV3 (spec/search-spaces.md 3) as a search space: any kernel, expansion, depth and resolution, or
// the five nodes that MathNAS makes of it (6.2).
#ifndef MATHNAS_SUPERNET_MOBILENETV3_SPACE_H_
#define MATHNAS_SUPERNET_MOBILENETV3_SPACE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/tensor.h"
#include "supernet/mobilenetv3/architecture.h"
#include "supernet/mobilenetv3/block_sets.h"
#include "supernet/search_space.h"

namespace mathnas::supernet {

struct MobileNetV3Macro {
  double width = 1.0;  // factor: 1.0 or 1.2
  int64_t classes = 1000;
  int64_t input_channels = 3;
  // Sides of the input in pixels, ascending. Empty: every multiple of 4 from 32 to 1024.
  std::vector<int> resolutions = {};
  // The candidates of every stage; none: every layer is a node of its own. Weights of the supernet are the same.
  std::optional<mobilenetv3::BlockSet> blocks = {};
};

// Nodes: the 20 layers or, with a block set, the five stages (mobilenetv3/nodes.h), then `resolution` where there are
// several: a choice that all others share. The base network has every node at its reference and 224 pixels or, without
// these, the largest resolution; a subnet whose JSON names no resolution gets the same.
//
// Networks with shared weights use the names of the supernet's state dict (3.3) and slices of its tensors; those with
// weights of their own the names of a static export, blocks counted without gaps. In graphs the blocks are
// "first_conv", "blocks.0", "stage1.layer1" .., "head"; activations have the names of the supernet's modules
// ("first_conv", "blocks.0" .. "blocks.20", "final_expand_layer").
//
// InvalidArgument names the macro parameter that is out of range.
absl::StatusOr<std::shared_ptr<const SearchSpace>> MobileNetV3(const MobileNetV3Macro& macro);
// From MacroJson().
absl::StatusOr<MobileNetV3Macro> ParseMobileNetV3Macro(std::string_view json);

// Between choices of that space and architectures. The choice must be one of the space (SearchSpace::Check);
// InvalidArgument when the space lacks the resolution of the architecture.
absl::StatusOr<mobilenetv3::Architecture> ArchitectureOf(const SearchSpace& space, const Choice& choice);
absl::StatusOr<Choice> ChoiceOf(const SearchSpace& space, const mobilenetv3::Architecture& architecture);

// That space, or the one with the same supernet whose nodes are its layers: all that a stage of training draws from.
absl::StatusOr<std::shared_ptr<const SearchSpace>> LayersOf(std::shared_ptr<const SearchSpace> space);

// Channel sorting (channel_sorting.h) of this space's supernet.
absl::Status SortChannels(const SearchSpace& space, int stage, const std::vector<int>& expansions,
                          kernels::TensorMap& weights);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_MOBILENETV3_SPACE_H_
