// A supernet has weights for all networks of its space; which of them are candidates may be chosen anew for what is
// done with it: whole stages instead of layers, fewer resolutions.
#ifndef MATHNAS_SUPERNET_CANDIDATES_H_
#define MATHNAS_SUPERNET_CANDIDATES_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/search_space.h"

namespace mathnas::supernet {

// The name, in place of a block set, that makes every layer a node.
inline constexpr std::string_view kLayers = "layers";

// The space with other candidates, for the same weights. `blocks`, of mobilenetv3: "cpu", "gpu", the file of a block
// set (mobilenetv3/block_sets.h) or kLayers; "": as it is. `resolutions`, of mobilenetv3 and supervit: sides in pixels,
// ascending; none: as it is. InvalidArgument: "blocks: .." or "resolutions: ..", of a space without them too.
absl::StatusOr<std::shared_ptr<const SearchSpace>> WithCandidates(std::shared_ptr<const SearchSpace> space,
                                                                  const std::string& blocks,
                                                                  const std::vector<int>& resolutions);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_CANDIDATES_H_
