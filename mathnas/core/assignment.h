// NAME=CANDIDATE: a node and one of its candidates, or the shared choice and one of its values ("resolution=192").
#ifndef MATHNAS_CORE_ASSIGNMENT_H_
#define MATHNAS_CORE_ASSIGNMENT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/networks.h"

namespace mathnas::core {

struct Assignment {
  std::string name;
  std::string candidate;
};

absl::StatusOr<Assignment> ParseAssignment(std::string_view text);

// Restrict the reported choice to networks with every fixed and without any forbidden assignment. Several fixed
// assignments of one name allow any of them. InvalidArgument names the unknown name or candidate and the known ones.
absl::Status ApplyFixed(const BlockTable& table, const std::vector<Assignment>& fixed, NetworkFilter& filter);
absl::Status ApplyForbidden(const BlockTable& table, const std::vector<Assignment>& forbidden, NetworkFilter& filter);
// Networks in which both appear. Neither may be a value of the shared choice: each has tables of its own, so that
// --fix and --forbid of a search within one value say the same.
absl::Status ApplyForbiddenPairs(const BlockTable& table, const std::vector<std::pair<Assignment, Assignment>>& pairs,
                                 NetworkFilter& filter);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_ASSIGNMENT_H_
