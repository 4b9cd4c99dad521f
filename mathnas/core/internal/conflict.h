// Which limits clash.
#ifndef MATHNAS_CORE_INTERNAL_CONFLICT_H_
#define MATHNAS_CORE_INTERNAL_CONFLICT_H_

#include <vector>

namespace mathnas::core::internal {

// `held[mask]`: some network holds exactly the limits whose bits are set; size 2^limits, at most one entry per subset.
// A smallest set of limits that no network holds together, the lexicographically first of that size, as indices; empty
// if all limits hold together.
std::vector<int> SmallestConflict(std::vector<bool> held, int limits);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_CONFLICT_H_
