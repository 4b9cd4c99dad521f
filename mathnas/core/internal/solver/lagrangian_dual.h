// Bounds: the Lagrangian dual in one multiplier u_l per limit,
//
//   max over u >= 0 of  D(u) = min over the part of (a - lambda f + u w) x - u C.
//
// Its subproblem is a minimum per node, so that it is as high as the bound of the linear relaxation (Geoffrion,
// Lagrangean Relaxation for Integer Programming, 1974). It is raised by cutting planes.
#ifndef MATHNAS_CORE_INTERNAL_SOLVER_LAGRANGIAN_DUAL_H_
#define MATHNAS_CORE_INTERNAL_SOLVER_LAGRANGIAN_DUAL_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "mathnas/core/internal/cutting_planes.h"
#include "mathnas/core/internal/solver/incumbents.h"
#include "mathnas/core/internal/solver/part.h"
#include "mathnas/core/internal/solver/space.h"

namespace mathnas::core::internal {

// The dual at one u over one part.
struct DualPoint {
  std::vector<double> u;
  double lambda = 0, value = 0;  // lambda as it was then, D(u)
  Values<double> values;         // a - lambda f + u w, whose minimum this is
  Minimum<double> minimum;
  double a = 0, f = 0;        // sums of the x of the minimum, constants included
  std::vector<double> above;  // by limit: how far that x is above it, divided by Space::scale
};

// The networks that the relaxation mixes, and their shares, which add up to 1 but for rounding.
using Mix = std::vector<std::pair<std::shared_ptr<const Cut>, double>>;

class LagrangianDual {
 public:
  LagrangianDual(const Space& space, Incumbents& incumbents)
      : space_(space), incumbents_(incumbents), planes_(space.k) {}

  // From point.u: fills in the rest; by how much choices worsen the minimum only if it is `all`.
  void Evaluate(const Part& part, DualPoint& point, bool all = true);
  // D(u) is off by rounding errors, and those stay below this: each term is off by a few ulp of its size.
  double Error(const std::vector<double>& u) const;
  // Offers the x of the minimum unless it surely breaks a limit; true if lambda became smaller.
  bool OfferMinimum(const Part& part, const DualPoint& point) const;
  // Whether D says that nothing is left to look for in a part.
  bool Proven(const DualPoint& point) const { return incumbents_.Proven(point.value, Error(point.u)); }

  // Searches u with a high dual, from point.u on and into it (the rest of the point is then that of another u); true
  // if one proves the part, unless the highest is asked for. Offers what it comes across. A part without a bound is the
  // root, whose cuts are kept.
  enum Aim { kProof, kHighest };
  bool Raise(const Part& part, DualPoint& point, Aim aim = kProof);

  // Of the last Raise that proved nothing.
  const Mix& mix() const { return mix_; }
  // Candidates evaluated.
  int64_t work() const { return work_; }

 private:
  // Makes the members below those of the part, which is looked at several times in a row.
  void Load(const Part& part);
  void EvaluateCandidates(const std::vector<double>& u, std::vector<double>& values) const;
  // The x of the minimum is that of a cut.
  bool IsOf(const Cut& cut, const Part& part, const DualPoint& point) const;

  const Space& space_;
  Incumbents& incumbents_;
  CuttingPlanes planes_;
  // The loaded part: a, f and every w of its candidates, each in one piece; those of Space where nothing was taken out.
  std::vector<int> candidates_, start_;
  std::vector<double> gathered_;
  const double *a_ = nullptr, *f_ = nullptr;
  std::vector<const double*> w_;  // by limit
  std::vector<int> open_;         // nodes with a choice or in a chain
  double fixed_a_ = 0, fixed_f_ = 0;
  std::vector<double> fixed_above_;  // sums of the other nodes, constants included
  Cuts root_cuts_;
  Mix mix_;
  int64_t work_ = 0;
};

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SOLVER_LAGRANGIAN_DUAL_H_
