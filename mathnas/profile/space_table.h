// A search space as a block table has it: the node that the costs of all others depend on (the resolution) is none of
// the table's nodes there, but its shared choice.
#ifndef MATHNAS_MATHNAS_PROFILE_SPACE_TABLE_H_
#define MATHNAS_MATHNAS_PROFILE_SPACE_TABLE_H_

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "supernet/search_space.h"

namespace mathnas::profile {

// Most values of a shared choice: each is measured for itself.
inline constexpr int kMaxSharedValues = 32;

// Name, nodes and structure of the space, no metrics. InvalidArgument: more than kMaxSharedValues values of the shared
// choice, or one that is no number.
absl::StatusOr<core::BlockTable> TableOf(const supernet::SearchSpace& space);

// The node of the table that a node of the space is, which must not be the shared one.
int NodeInTable(const supernet::SearchSpace& space, int node);

// A network of the table.
struct TableNetwork {
  core::Choice choice;
  int shared = 0;  // 0 without a shared choice
  bool operator==(const TableNetwork&) const = default;
};

// Of a valid choice, and back.
TableNetwork InTable(const supernet::SearchSpace& space, const supernet::Choice& choice);
supernet::Choice InSpace(const supernet::SearchSpace& space, const TableNetwork& network);

// As the table reports it (core::CanonicalChoice).
supernet::Choice Canonical(const supernet::SearchSpace& space, const core::BlockTable& table,
                           const supernet::Choice& choice);

}  // namespace mathnas::profile

#endif  // MATHNAS_MATHNAS_PROFILE_SPACE_TABLE_H_
