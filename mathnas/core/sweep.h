// Every network of a space, without making a list of them: how many keep within limits, the best of those, and the
// range of every metric. Exact, as if Estimator::Predict had been called for each.
//
// The space is a disjoint union of boxes, products of lists of candidates: one box for every shared value, place where
// a depth group is cut (Eq 9) and set of carrying edges of a cell. In a box the last nodes form a block whose sums are
// computed side by side; a walk over the nodes before them brings the sums so far. Bounds of the metrics over what
// lies below a point of the walk say, where they can, that all or none of it keeps within the limits and that nothing
// of it is better than what was found; then it is counted without being looked at. Addition of doubles is monotone, so
// the bounds hold to the last bit.
#ifndef MATHNAS_CORE_SWEEP_H_
#define MATHNAS_CORE_SWEEP_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/assignment.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/limit.h"
#include "mathnas/core/search.h"

namespace mathnas::core {

struct SweepRequest {
  std::string objective = "accuracy";  // maximised or minimised by the goal of the metric
  std::vector<Limit> limits = {};
  std::vector<Assignment> fixed = {};
  std::vector<Assignment> forbidden = {};
  EstimatorOptions estimator = {};
  int top = 1;  // networks to return, best first; 0 to kMaxListed
  int threads = 1;
  bool skip = true;                           // false: every network is computed, for comparison
  std::string_view isa = {};                  // as in PredictManyOptions
  const std::atomic<bool>* cancel = nullptr;  // set it to true from any thread to stop
  std::function<void(double)> progress = {};  // fraction done, every 0.2 s, from the calling thread
};

struct SweepResult {
  int64_t networks = 0;   // with all used metrics defined
  int64_t undefined = 0;  // left out because F(N) is not positive (estimator.h)
  int64_t within = 0;     // within all limits
  int64_t computed = 0;   // of `networks` and `undefined`, those that were not counted wholesale
  // Best first, in the order of SearchResult.
  std::vector<FoundNetwork> best;
  // Of every used metric over `networks`, limits ignored; empty if there is none.
  std::map<std::string, std::pair<double, double>> ranges;
  EstimatorOptions estimator;
  double seconds = 0;
};

// A metric is used if it is the objective or limited; candidates that are not measured in a used metric (or in `flops`
// where the estimator divides by it) are never chosen. InvalidArgument: unknown names, wrong unit, table unfit for the
// estimator, sums that leave the range of doubles. ResourceExhausted: more than 1e15 networks or 1e6 boxes.
// Cancelled: the flag was set.
absl::StatusOr<SweepResult> Sweep(const BlockTable& table, const SweepRequest& request);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_SWEEP_H_
