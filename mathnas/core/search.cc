#include "mathnas/core/search.h"

#include <chrono>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/internal/search_by_enumeration.h"
#include "mathnas/core/internal/search_by_solver.h"
#include "mathnas/core/internal/search_problem.h"

namespace mathnas::core {
namespace {

// Up to here a walk over all networks is as quick as a solver.
constexpr double kFewNetworks = 4096;

// A front of sums in one metric alone, which the solver lists without looking at every network.
bool IsFrontOfSums(const Estimator& estimator, const SearchRequest& request) {
  const Structure& structure = estimator.table().structure;
  return request.fronts.size() == 1 && request.top == 1 && request.limits.empty() && request.forbidden_pairs.empty() &&
         request.estimator.kind == EstimatorKind::kLinear && !structure.cell && structure.depth.empty();
}

absl::StatusOr<SearchResult> Answer(const Estimator& estimator, const SearchRequest& request,
                                    const internal::Problem& problem) {
  const absl::StatusOr<double> count = CountNetworks(estimator, problem.metrics, problem.filter);
  if (!count.ok()) return count.status();
  const bool fits = *count <= kMaxEnumerated;
  const bool lists = request.top > 1 || !request.fronts.empty();
  const bool sums = IsFrontOfSums(estimator, request);
  if (request.method == SearchMethod::kEnumerate ||
      (request.method == SearchMethod::kAuto && !sums &&
       (*count <= kFewNetworks || (fits && (lists || estimator.table().structure.cell))))) {
    if (fits) return internal::SearchByEnumeration(estimator, request, problem);
    return absl::ResourceExhaustedError(
        fmt::format("search: expected at most {:.0e} networks to enumerate, found {:.3g}; fix or forbid candidates",
                    kMaxEnumerated, *count));
  }
  absl::StatusOr<SearchResult> result = internal::SearchBySolver(estimator, request, problem);
  if (!absl::IsFailedPrecondition(result.status()) || request.method == SearchMethod::kSolve) return result;
  if (fits) return internal::SearchByEnumeration(estimator, request, problem);
  return absl::ResourceExhaustedError(fmt::format(
      "{}, and {:.3g} networks are too many to enumerate, expected at most {:.0e}; fix or forbid candidates",
      std::string(result.status().message()), *count, kMaxEnumerated));
}

}  // namespace

std::string_view Name(SearchStatus status) {
  switch (status) {
    case SearchStatus::kOptimal:
      return "optimal";
    case SearchStatus::kFeasible:
      return "feasible";
    case SearchStatus::kInfeasible:
      return "infeasible";
    case SearchStatus::kUnknown:
      break;
  }
  return "unknown";
}

absl::StatusOr<SearchResult> Search(const BlockTable& table, const SearchRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  const absl::StatusOr<Estimator> estimator = Estimator::Create(table, request.estimator);
  if (!estimator.ok()) return estimator.status();
  const absl::StatusOr<internal::Problem> problem = internal::Resolve(table, request);
  if (!problem.ok()) return problem.status();
  absl::StatusOr<SearchResult> result = Answer(*estimator, request, *problem);
  if (!result.ok()) return result.status();
  result->has_top = request.top > 1;
  result->has_front = !request.fronts.empty();
  result->estimator = request.estimator;
  result->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace mathnas::core
