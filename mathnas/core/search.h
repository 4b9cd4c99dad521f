// The best network within budgets, proven (Eq 6, with the structure of Eq 9 and any number of limits).
#ifndef MATHNAS_CORE_SEARCH_H_
#define MATHNAS_CORE_SEARCH_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/assignment.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/limit.h"

namespace mathnas::core {

// Larger spaces (after `fixed` and `forbidden`) are solved, not enumerated.
inline constexpr double kMaxEnumerated = 1e7;
// More limits, longer lists of networks are refused.
inline constexpr int kMaxLimits = 16;
inline constexpr int kMaxListed = 100'000;

enum class SearchMethod {
  kAuto,       // enumerate what is small, or a cell, or asked for with a list; solve the rest
  kEnumerate,  // every network, one after the other
  kSolve,      // branch and bound in integers (solver.h)
};

struct SearchRequest {
  std::string objective = "accuracy";  // maximised or minimised by the goal of the metric
  std::vector<Limit> limits = {};
  std::vector<Assignment> fixed = {};
  std::vector<Assignment> forbidden = {};
  std::vector<std::pair<Assignment, Assignment>> forbidden_pairs = {};  // not both
  EstimatorOptions estimator = {};
  int top = 1;                           // networks to return, best first; at most kMaxListed
  std::vector<std::string> fronts = {};  // one metric or two: the front of the objective and these; empty = none
  SearchMethod method = SearchMethod::kAuto;
  double time_limit = std::numeric_limits<double>::infinity();  // seconds
  const std::atomic<bool>* cancel = nullptr;                    // set it to true from any thread to stop
  // Of the solver, 0: as many as the machine has. Others than the calling one begin only where it takes long, and the
  // networks are the same whatever their number, unless time runs out (solver.h).
  int threads = 0;
};

enum class SearchStatus {
  kOptimal,
  kFeasible,  // time ran out: the networks hold the limits, no network is better than `bound`
  kInfeasible,
  kUnknown,  // time ran out before any network was found, or shown not to exist
};
// "optimal", "feasible", "infeasible", "unknown".
std::string_view Name(SearchStatus status);

struct FoundNetwork {
  Choice choice;                            // canonical
  std::vector<std::string> names;           // of the chosen candidates
  std::map<std::string, double> shared;     // e.g. {"resolution": 224}; empty if the space has no shared choice
  int shared_index = 0;                     // 0 if the space has no shared choice
  double objective = 0;                     // in the unit of the objective metric
  std::map<std::string, double> predicted;  // every metric of the table; NaN = not measured or undefined
};

// A limit, what the best network makes of it, and its range over all networks, other limits ignored.
struct LimitReport {
  Limit limit;
  std::optional<double> value = std::nullopt;
  std::optional<std::pair<double, double>> reachable = std::nullopt;  // nullopt: there is no network at all
};

// The budget closest to the request that can be met. Distance of a network: the greatest |value - limit| / |limit| over
// the limits it breaks (a limit of 0 is measured against the largest reachable magnitude instead). Ties: smaller sum of
// these (only where networks are enumerated), then the order of SearchResult.
struct NearestBudget {
  double distance = 0;
  std::vector<Limit> limits = {};  // all of the request, those that gave way at their new value
  FoundNetwork network;            // meets `limits`
  bool proven = true;              // that none is nearer; false if the time for that (10 s) ran out
};

struct SearchResult {
  SearchStatus status = SearchStatus::kInfeasible;
  // Best first. Equal objectives: smaller value of the first limited metric, then the lexicographically smallest
  // choice, then the smaller shared index. Up to `top`; empty if infeasible.
  std::vector<FoundNetwork> networks;
  // Every non-dominated point (objective, front metrics) within the limits, one network each, by objective from worst
  // to best. Where networks are enumerated it is the first of equal ones by the same rule.
  std::vector<FoundNetwork> front;
  bool has_front = false;
  bool has_top = false;  // more than one network was asked for
  double bound = 0;      // proven: no network within the limits is better; equals the objective when optimal
  double gap = 0;        // |bound - objective| / |objective|
  std::vector<LimitReport> limits;
  // Infeasible: indices into `limits` of a smallest set that cannot hold together (the first such set in the order of
  // the request; if time ran out, perhaps not a smallest one). Empty if there is no network even without limits.
  std::vector<int> conflict;
  std::optional<NearestBudget> nearest;
  EstimatorOptions estimator;
  SearchMethod method = SearchMethod::kEnumerate;  // that was used
  int64_t explored = 0;                            // networks looked at, or parts of the space
  // Networks left out because F(N) is not positive, or NetworkPredictors has none (estimator.h); not counted by kSolve.
  int64_t undefined = 0;
  double seconds = 0;
};

// Proven optimum. A metric is used if it is the objective, limited or the front's; candidates that are not measured in
// a used metric (or in `flops` where the estimator divides by it) are never chosen. In a space that is solved and has
// very many ties (kMaxTies in solver.h), which of them comes first is not certain.
// InvalidArgument: unknown names, wrong unit, table unfit for the estimator, fewer than 0 threads. ResourceExhausted: a
// front longer than kMaxListed; more than kMaxEnumerated networks that cannot be solved in integers (table_program.h),
// or where a used metric is one of NetworkPredictors. FailedPrecondition: kSolve with either of these. Cancelled: the
// flag was set. Infeasible is a result, not an error. If time runs out, the front has the points that were proven.
absl::StatusOr<SearchResult> Search(const BlockTable& table, const SearchRequest& request);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_SEARCH_H_
