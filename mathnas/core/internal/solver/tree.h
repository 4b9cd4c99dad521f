// The search below a part: bounds, networks of few, division.
#ifndef MATHNAS_CORE_INTERNAL_SOLVER_TREE_H_
#define MATHNAS_CORE_INTERNAL_SOLVER_TREE_H_

#include <cstdint>
#include <vector>

#include "mathnas/core/internal/solver/incumbents.h"
#include "mathnas/core/internal/solver/lagrangian_dual.h"
#include "mathnas/core/internal/solver/part.h"
#include "mathnas/core/internal/solver/reduced_cost_enumeration.h"
#include "mathnas/core/internal/solver/space.h"

namespace mathnas::core::internal {

class Tree {
 public:
  // `whole`: what is left of the space, where networks that break limits are repaired. All must outlive the tree.
  Tree(const Space& space, const Part& whole, Incumbents& incumbents, double few_networks)
      : space_(space), whole_(whole), incumbents_(incumbents), enumeration_(space, incumbents, few_networks) {}

  LagrangianDual& dual() { return dual_; }
  // Where the dual of the last root ended that nothing was proven of by limits alone.
  const std::vector<double>& root_multiplier() const { return root_multiplier_; }
  // Candidates evaluated and exchanges looked at, which take about as long.
  int64_t work() const { return dual_.work() + enumeration_.work(); }

  // Bounds the last of `open`, offers the networks that it comes across, and puts its children there if that proves
  // nothing; `number`: how many parts were looked at before. A part without a bound is the root.
  void ProcessLast(int64_t number, std::vector<Part>& open);

 private:
  const Space& space_;
  const Part& whole_;
  Incumbents& incumbents_;
  LagrangianDual dual_{space_, incumbents_};
  ReducedCostEnumeration enumeration_;
  std::vector<double> root_multiplier_;
};

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SOLVER_TREE_H_
