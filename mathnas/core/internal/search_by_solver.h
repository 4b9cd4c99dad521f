// Answering a search with the exact solver (solver.h), one program for each value of the shared choice.
#ifndef MATHNAS_CORE_INTERNAL_SEARCH_BY_SOLVER_H_
#define MATHNAS_CORE_INTERNAL_SEARCH_BY_SOLVER_H_

#include "absl/status/statusor.h"
#include "mathnas/core/internal/search_problem.h"

namespace mathnas::core::internal {

// Errors as Search (search.h), and FailedPrecondition as BuildProgram.
absl::StatusOr<SearchResult> SearchBySolver(const Estimator& estimator, const SearchRequest& request,
                                            const Problem& problem);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SEARCH_BY_SOLVER_H_
