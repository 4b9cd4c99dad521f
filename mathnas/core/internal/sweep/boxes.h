// A space as a disjoint union of products of lists of candidates.
#ifndef MATHNAS_CORE_INTERNAL_SWEEP_BOXES_H_
#define MATHNAS_CORE_INTERNAL_SWEEP_BOXES_H_

#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/networks.h"

namespace mathnas::core::internal {

struct Box {
  std::vector<std::vector<int>> candidates = {};  // by node, none of them empty
  std::vector<bool> contributes = {};             // by node: false behind a cut
};

// The canonical choices that `filter` lets pass and whose contributing candidates are measured: measured[i][j].
// ResourceExhausted: more than 1e6 ways to cut depth groups and to leave edges of the cell without anything.
absl::StatusOr<std::vector<Box>> Boxes(const BlockTable& table, const NetworkFilter& filter,
                                       const std::vector<std::vector<bool>>& measured);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SWEEP_BOXES_H_
