// The end of a part: its networks one by one, once reduced costs leave few of them (Boussier, Vasquez, Vimont, Hanafi
// and Michelon, A multi-level search strategy for the 0-1 Multidimensional Knapsack Problem, 2010).
#ifndef MATHNAS_CORE_INTERNAL_SOLVER_REDUCED_COST_ENUMERATION_H_
#define MATHNAS_CORE_INTERNAL_SOLVER_REDUCED_COST_ENUMERATION_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "mathnas/core/internal/solver/incumbents.h"
#include "mathnas/core/internal/solver/lagrangian_dual.h"
#include "mathnas/core/internal/solver/part.h"
#include "mathnas/core/internal/solver/space.h"

namespace mathnas::core::internal {

class ReducedCostEnumeration {
 public:
  // `few_networks`: how many may be looked at one by one.
  ReducedCostEnumeration(const Space& space, Incumbents& incumbents, double few_networks)
      : space_(space), incumbents_(incumbents), few_networks_(few_networks) {}

  // Offers every network of the part but those whose excess over the minimum of `point`, summed over their exchanges,
  // proves that they are not looked for; `error` is that of such a sum. False if there may be too many: nothing was
  // offered.
  bool Finish(const Part& part, const DualPoint& point, double error);
  // Exchanges looked at.
  int64_t work() const { return work_; }

 private:
  // Another choice than that of the minimum, of one node or of a whole chain.
  struct Exchange {
    double excess;
    size_t choices_begin, choices_end;  // in choices_: node and candidate
    size_t sums;                        // in sums_: what it adds to a, f and every w
    size_t next;                        // the first exchange of the groups behind
    size_t group;
  };
  struct Slant {
    size_t limit;
    double change;  // of its multiplier, per unit of w
    double bound;   // over the part, less its error
  };

  // Whether there are few enough exchanges of chains and few enough networks within the budget: in most parts there are
  // not, so that this comes before anything is listed.
  bool Few(const Part& part, const DualPoint& point, double budget);
  bool CountChain(const Part& part, const DualPoint& point, int first, int end, bool same, double excess, double budget,
                  size_t most);
  // Exchanges of one node or chain, least excess first; groups by their least excess.
  void ListExchanges(const Part& part, const DualPoint& point, double budget);
  void ListChain(const Part& part, const DualPoint& point, size_t c, int t, double excess, double budget);
  void AddEnd(const Program::Chain& chain, int depth, int64_t sign, int64_t* sums) const;
  void AddExchange(double excess);
  void AddGroup(size_t first);
  void OrderGroups();
  // Other multipliers than those of `point`, one of which is larger or smaller: once some exchanges are made, they
  // prove what those of the whole part do not.
  void ListSlants(const DualPoint& point, double error);
  // Makes most_excess_ and least_bound_ those of what is looked for now: once a better network is known, lambda is
  // lower, and a - lambda f higher by what that makes of the least f at least.
  void Aim(const DualPoint& point, double error);
  // Every set of exchanges, at most one of a group, from exchange `first` on that is not proven to be no better.
  // made_ has those made so far, which cost `excess`; totals_ and bounds_ have those of x with them at that level.
  void TryExchanges(const DualPoint& point, double error, size_t first, double excess);
  // x_ with made_, and its entry of totals_.
  void Offer(const int64_t* of);

  const Space& space_;
  Incumbents& incumbents_;
  const double few_networks_;
  std::vector<int> x_;  // of the minimum
  std::vector<Exchange> exchanges_;
  std::vector<std::pair<size_t, size_t>> groups_;      // of exchanges
  std::vector<std::pair<int, int>> choices_, prefix_;  // node and candidate
  std::vector<int64_t> sums_;
  std::vector<int64_t> least_rests_;  // by group and limit: what groups from it on add to w at least
  std::vector<int64_t> least_;  // by exchange and limit: what it and the groups behind it add to w at least, less 1
  std::vector<Slant> slants_;
  std::vector<double> slant_rests_;  // by group and slant: what groups from it on add to the bound at least
  std::vector<double>
      slant_least_;  // by exchange and slant: what it and the groups behind it add to the bound at least
  std::vector<double> breaks_;
  std::vector<size_t> made_;      // exchanges
  std::vector<int64_t> totals_;   // by level: a, f and what every w is above its limit
  std::vector<double> bounds_;    // by level and slant
  std::vector<double> excesses_;  // of one group
  double most_excess_ = 0;        // of what is looked for
  double least_bound_ = 0;        // of a slant: what is above is not looked for
  int64_t work_ = 0;
};

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SOLVER_REDUCED_COST_ENUMERATION_H_
