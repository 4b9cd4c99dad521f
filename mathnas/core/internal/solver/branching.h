// The rule that divides a part in two.
#ifndef MATHNAS_CORE_INTERNAL_SOLVER_BRANCHING_H_
#define MATHNAS_CORE_INTERNAL_SOLVER_BRANCHING_H_

#include <vector>

#include "mathnas/core/internal/solver/lagrangian_dual.h"
#include "mathnas/core/internal/solver/part.h"
#include "mathnas/core/internal/solver/space.h"

namespace mathnas::core::internal {

// Splits the candidates of a node by their weight u w, where those that `mix` has differ most, or a chain into the
// depth of the minimum and all others (special ordered sets: Beale and Tomlin, 1970). Children get those cuts of the
// mix that they have; the one with the minimum of `point` goes onto `open` last. None if the part is a single network.
void Divide(const Space& space, const Part& part, const DualPoint& point, const Mix& mix, std::vector<Part>& open);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SOLVER_BRANCHING_H_
