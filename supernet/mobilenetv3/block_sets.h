// The five-node space that MathNAS makes of once-for-all MobileNetV3 (spec/search-spaces.md 6.2): a node is a stage,
// its candidates are a few whole stages picked beforehand.
#ifndef MATHNAS_SUPERNET_MOBILENETV3_BLOCK_SETS_H_
#define MATHNAS_SUPERNET_MOBILENETV3_BLOCK_SETS_H_

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supernet/mobilenetv3/architecture.h"

namespace mathnas::supernet::mobilenetv3 {

// All blocks of a stage, a candidate of a node. Canonical: kernels and expansions behind the depth are the smallest.
struct StageBlocks {
  int d;
  std::array<int, kStageBlocks> ks, e;
  bool operator==(const StageBlocks&) const = default;
};

// "d3-k533-e646", as the published tables name their candidates.
std::string Name(const StageBlocks& blocks);

struct BlockSet {
  std::string name;  // free text
  // The candidates of every stage: at least one, none twice. A code is an index into them.
  std::array<std::vector<StageBlocks>, kStages> stages;
  bool operator==(const BlockSet&) const = default;
};

// InvalidArgument names the entry that breaks a rule: a stage without candidates, a candidate twice, one that is not
// canonical or has a depth, kernel or expansion that the space lacks.
absl::Status Check(const BlockSet& set);

// The sets published with MathNAS, five candidates per stage: "cpu" (of its TX2 CPU and Raspberry Pi tables) and "gpu".
const BlockSet& CpuBlocks();
const BlockSet& GpuBlocks();

// A set as JSON, short enough to be written by hand:
//
//     { "format": "mathnas-block-set/1", "name": "mine",
//       "stages": [ [ {"d": 2, "ks": 3, "e": [4, 3]}, {"d": 4, "ks": [3, 3, 3, 5], "e": 6} ],
//                   [ .. ], [ .. ], [ .. ], [ .. ] ] }
//
// `stages` has a list of candidates for each of the five stages. `d` is the depth, 2 to 4; `ks` (3, 5 or 7) and `e` (3,
// 4 or 6) are lists of d numbers, or of 4 of which those behind the depth do not count, or one number for all. `name`
// may be left out. Other names must begin with "x-". InvalidArgument names the entry, its value and what was expected.
absl::StatusOr<BlockSet> ParseBlockSet(std::string_view text);
// The same of a file; errors begin with its path.
absl::StatusOr<BlockSet> ReadBlockSet(const std::string& path);
// "cpu", "gpu", or the path of a file.
absl::StatusOr<BlockSet> LoadBlockSet(const std::string& name_or_path);
// The inverse of ParseBlockSet.
std::string ToJson(const BlockSet& set);

// The network of a code per stage, canonical. InvalidArgument names the code and what was expected.
absl::StatusOr<Architecture> ArchitectureOf(const BlockSet& set, std::span<const int> codes,
                                            int resolution = kDefaultResolution);
// A network as JSON: [1,1,2,2,3] or {"codes": [1,1,2,2,3], "resolution": 224}, or as ParseArchitecture. InvalidArgument
// names the entry, its value and what was expected.
absl::StatusOr<Architecture> ParseCodes(const BlockSet& set, std::string_view text, int resolution);
// The inverse of ArchitectureOf, whatever the resolution. NotFound names the first stage whose blocks are not in the
// set; InvalidArgument as Check().
absl::StatusOr<std::vector<int>> CodesOf(const BlockSet& set, const Architecture& architecture);

}  // namespace mathnas::supernet::mobilenetv3

#endif  // MATHNAS_SUPERNET_MOBILENETV3_BLOCK_SETS_H_
