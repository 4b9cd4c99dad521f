// Answering a search by looking at every network.
#ifndef MATHNAS_CORE_INTERNAL_SEARCH_BY_ENUMERATION_H_
#define MATHNAS_CORE_INTERNAL_SEARCH_BY_ENUMERATION_H_

#include "absl/status/statusor.h"
#include "mathnas/core/internal/search_problem.h"

namespace mathnas::core::internal {

// Errors as Search (search.h); has no time limit, for at most kMaxEnumerated networks take seconds.
absl::StatusOr<SearchResult> SearchByEnumeration(const Estimator& estimator, const SearchRequest& request,
                                                 const Problem& problem);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SEARCH_BY_ENUMERATION_H_
