// The nodes of the once-for-all space, in either of its forms: every layer a node (spec/search-spaces.md 3), or every
// stage one, with candidates picked beforehand (6.2). The resolution is no matter of theirs.
#ifndef MATHNAS_SUPERNET_MOBILENETV3_NODES_H_
#define MATHNAS_SUPERNET_MOBILENETV3_NODES_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/mobilenetv3/architecture.h"
#include "supernet/mobilenetv3/block_sets.h"
#include "supernet/search_space.h"

namespace mathnas::supernet::mobilenetv3 {

// Immutable.
class Nodes {
 public:
  virtual ~Nodes() = default;

  virtual std::vector<SpaceNode> List() const = 0;
  virtual std::vector<SpaceStructure::DepthGroup> Depth() const = 0;
  // The node of block 0 .. 19.
  virtual int NodeOf(int block) const = 0;

  // A network as JSON, at `resolution` if the text names none. InvalidArgument names the entry and what was expected.
  virtual absl::StatusOr<Architecture> Parse(std::string_view text, int resolution) const = 0;
  // One candidate per node. InvalidArgument says what of the architecture is no candidate.
  virtual absl::StatusOr<Choice> Encode(const Architecture& canonical) const = 0;
  // The inverse, canonical, at the default resolution. `candidates`: a valid one for each node.
  virtual Architecture Decode(std::span<const int> candidates) const = 0;
};

// 20 nodes "stage1.layer1" .. "stage5.layer4" with candidates k3e3, k3e4, .. k7e6, and `absent` for the third and
// fourth of a stage; one depth group per stage. The reference is k7e6.
std::unique_ptr<const Nodes> LayerNodes();

// Five nodes "stage1" .. "stage5" whose candidates are those of the set, by their Name(). The reference is the last
// one: in the published sets the base network, which they put the accuracy 79.23 to. Networks may also be written
// [1,1,2,2,3] or {"codes": [1,1,2,2,3], "resolution": 224}. The set must pass Check().
std::unique_ptr<const Nodes> StageNodes(BlockSet set);

// "stage1.layer1" for block 0.
std::string LayerName(int block);

}  // namespace mathnas::supernet::mobilenetv3

#endif  // MATHNAS_SUPERNET_MOBILENETV3_NODES_H_
