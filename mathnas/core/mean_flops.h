// Mean FLOPs of a search space and of the networks that contain a given block, in closed form.
#ifndef MATHNAS_CORE_MEAN_FLOPS_H_
#define MATHNAS_CORE_MEAN_FLOPS_H_

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"

namespace mathnas::core {

// Block FLOPs only, in the unit of the metric; add the fixed part where it counts.
struct MeanFlops {
  // F-bar(N): over all networks of the space.
  double space = 0;
  // block[i][j] = mean F(N^Omega_(i,j)): over all networks that contain b_{i,j}. Without depth groups this is
  // b^F_ij + sum over k != i of mean_l b^F_kl. NaN where b^F_ij is not measured.
  Grid block;
};

// `flops[i][j]` = b^F_{i,j}, shaped like the table; candidates that are not measured are left out of every mean.
// In a depth group all prefixes count as networks of the space, each once, so that a cut is as probable as it is
// frequent. FailedPrecondition if a node has no measured candidate.
absl::StatusOr<MeanFlops> ComputeMeanFlops(const BlockTable& table, const Grid& flops);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_MEAN_FLOPS_H_
