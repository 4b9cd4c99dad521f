// NASViT (spec/search-spaces.md 5) as a search space: nine nodes, each with the widths, depths, kernels and expansions
// of a part of the network (6.4), and the resolution.
#ifndef MATHNAS_SUPERNET_SUPERVIT_SPACE_H_
#define MATHNAS_SUPERNET_SUPERVIT_SPACE_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/search_space.h"
#include "supernet/supervit/architecture.h"

namespace mathnas::supernet {

struct SuperVitMacro {
  int64_t classes = 1000;
  int64_t input_channels = 3;
  // Sides of the input in pixels, ascending (supervit::IsResolution). Empty: the published ones, 192, 224, 256 and 288.
  std::vector<int> resolutions = {};
};

// Nodes: "firstconv", "stage1" .. "stage7", "lastconv" with the candidates of the published tables in the order of 6.4,
// then `resolution` where there are several: a choice that all others share. The base network, as in these tables, has
// the smallest candidate everywhere, and the smallest resolution.
//
// Networks have the tensors of the supernet's state dict (5.6) by the same names, whether shared or their own; own ones
// of convolutions are the parts that the network uses, own ones of transformer blocks are whole, as in the reference
// (5.5). What the reference keeps besides (`rescale` of convolution blocks, `bn_tracking`, `relative_position_index`)
// is not used. Training over shared weights leaves the running statistics alone (5.5). In graphs, blocks are named
// after their node and position ("stage4.1"), activations too. An input of another size is resized (5.1).
//
// InvalidArgument names the macro parameter that is out of range.
absl::StatusOr<std::shared_ptr<const SearchSpace>> SuperVit(const SuperVitMacro& macro);
// From MacroJson().
absl::StatusOr<SuperVitMacro> ParseSuperVitMacro(std::string_view json);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_SUPERVIT_SPACE_H_
