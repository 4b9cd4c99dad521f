// Algorithm 1, stage 1: the average-FLOPs network N^avg, the context in which every block is measured.
#ifndef MATHNAS_CORE_AVERAGE_NETWORK_H_
#define MATHNAS_CORE_AVERAGE_NETWORK_H_

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"

namespace mathnas::core {

// For every node the candidate whose FLOPs are nearest to the node's mean over its measured candidates.
// Ties (the paper leaves them open): the candidate with fewer FLOPs, then the smaller index. `absent` candidates of
// depth groups take no part: N^avg has full depth, otherwise later nodes could not be measured in it. Decided exactly
// where the table allows it (linear_form.h). InvalidArgument: no `flops`, `shared` out of range; FailedPrecondition: a
// node without measured FLOPs.
absl::StatusOr<Choice> AverageNetwork(const BlockTable& table, int shared = 0);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_AVERAGE_NETWORK_H_
