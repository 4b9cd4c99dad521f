// The proof for one limit where reduced costs and bounds see no difference between networks: strongly correlated
// candidates, of which many sums come close to the limit and none may reach it. By nodes, for every sum of the limit
// the least that a - lambda f can be there (the multiple-choice knapsack's recursion: Dudzinski and Walukiewicz, Exact
// Methods for the Knapsack Problem and its Generalizations, 1987), of what reduced costs leave.
#ifndef MATHNAS_CORE_INTERNAL_SOLVER_DYNAMIC_PROGRAMME_H_
#define MATHNAS_CORE_INTERNAL_SOLVER_DYNAMIC_PROGRAMME_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "mathnas/core/internal/solver/incumbents.h"
#include "mathnas/core/internal/solver/lagrangian_dual.h"
#include "mathnas/core/internal/solver/part.h"
#include "mathnas/core/internal/solver/space.h"

namespace mathnas::core::internal {

class DynamicProgramme {
 public:
  static constexpr double kMostSums = 1 << 24;  // of all nodes, 8 bytes each

  DynamicProgramme(const Space& space, Incumbents& incumbents) : space_(space), incumbents_(incumbents) {}

  // Prepares a part, which has one limit, no chain and more than one network, for Finish; `error` is that of a sum over
  // it. Returns how many sums and additions Finish will make; infinity where the sums are more than kMostSums.
  [[gnu::cold]] double Prepare(const Part& part, const DualPoint& point, double error);

  enum End {
    kProven,   // the part has no network that is looked for
    kBetter,   // offered one, and lambda became smaller
    kUnknown,  // the best of the part is as good as rounding can tell, or `stop` said true
  };
  End Finish(absl::FunctionRef<bool()> stop);

 private:
  struct Exchange {
    int64_t sum;  // of the limit, above the node's least, in units of unit_
    double excess;
    int candidate;
  };
  // Sums over the nodes up to one that a network which is looked for can have: low .. high.
  struct Row {
    int64_t low, high;
    size_t begin;     // in least_: of low
    size_t exchange;  // in exchanges_: the first of the node
  };

  [[gnu::cold]] void Offer(int64_t sum);

  const Space& space_;
  Incumbents& incumbents_;
  double budget_ = 0, price_ = 0;  // of excess in all; of a unit below the limit
  int64_t most_ = 0;               // the largest sum that holds the limit
  std::vector<Exchange> exchanges_;
  std::vector<Row> rows_;      // before the first node, and by node
  std::vector<double> least_;  // excess, by row and sum
};

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SOLVER_DYNAMIC_PROGRAMME_H_
