// Incumbents from a network near the optimum, by exchanges of one candidate and of two.
#ifndef MATHNAS_CORE_INTERNAL_SOLVER_LOCAL_SEARCH_H_
#define MATHNAS_CORE_INTERNAL_SOLVER_LOCAL_SEARCH_H_

#include <vector>

#include "mathnas/core/internal/solver/incumbents.h"
#include "mathnas/core/internal/solver/part.h"
#include "mathnas/core/internal/solver/space.h"

namespace mathnas::core::internal {

// From x, one candidate of `part` at a time: first until the limits hold, at the least cost for what that takes off the
// limits, then while a - lambda f falls. Offers what holds the limits.
void Repair(const Space& space, const Part& part, std::vector<int> x, Incumbents& incumbents);

// From the best network, two candidates of `part` at a time, which leave the limits and make the ratio smaller: what
// single ones cannot reach once the limits are tight. Offers what it finds.
void ImproveByPairs(const Space& space, const Part& part, Incumbents& incumbents);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SOLVER_LOCAL_SEARCH_H_
