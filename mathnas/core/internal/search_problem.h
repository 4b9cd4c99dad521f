// A search request with its names resolved, and what both ways to answer it share.
#ifndef MATHNAS_CORE_INTERNAL_SEARCH_PROBLEM_H_
#define MATHNAS_CORE_INTERNAL_SEARCH_PROBLEM_H_

#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/internal/selection.h"
#include "mathnas/core/networks.h"
#include "mathnas/core/search.h"

namespace mathnas::core::internal {

struct Range {
  double least = std::numeric_limits<double>::infinity();
  double greatest = -std::numeric_limits<double>::infinity();

  void Include(double value);
  bool empty() const { return least > greatest; }
};

// Each used metric once, by index.
struct Problem {
  std::vector<std::string> metrics;  // used ones
  double sign = 1;                   // objective key = sign * value, smaller is better
  std::vector<double> front_signs;   // by front metric: key = sign * value
  std::vector<size_t> fronts;        // by front metric, index into metrics
  std::vector<size_t> limited;       // by limit, index into metrics; the objective is metrics[0]
  NetworkFilter filter;
};

// InvalidArgument calls it `what` and lists the metrics that are known.
absl::StatusOr<const Metric*> FindMetric(const BlockTable& table, std::string_view name, std::string_view what);

// Known metric, finite value, unit of the metric. InvalidArgument names limits[index].
absl::Status CheckLimit(const BlockTable& table, const Limit& limit, size_t index);

absl::StatusOr<Problem> Resolve(const BlockTable& table, const SearchRequest& request);

FoundNetwork Describe(const Estimator& estimator, const Problem& problem, const Ranked& network);

// In what a break of `limit` is measured (NearestBudget).
double DistanceUnit(const Limit& limit, const Range& reachable);

// Limits, reachable ranges and what the best network makes of them, for the result.
void ReportLimits(const SearchRequest& request, const std::vector<Range>& reachable, SearchResult& result);

// The budget at which `network` fits: limits that it breaks at its own values.
NearestBudget NearestOf(const SearchRequest& request, double distance, FoundNetwork network);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SEARCH_PROBLEM_H_
