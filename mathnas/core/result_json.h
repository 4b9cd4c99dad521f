// Search results as JSON: status, objective, bound, gap, choice, names, shared, predicted, limits, conflict, nearest,
// estimator, explored, seconds; networks with top > 1, front with a front.
#ifndef MATHNAS_CORE_RESULT_JSON_H_
#define MATHNAS_CORE_RESULT_JSON_H_

#include <string>

#include "mathnas/core/search.h"

namespace mathnas::core {

// One line; nothing is rounded. Values that are not measured are null. Fields without meaning for the status are absent
// (no choice when infeasible, no conflict when optimal).
std::string ToJson(const SearchResult& result);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_RESULT_JSON_H_
