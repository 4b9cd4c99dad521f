// What a search is asked for, by calls that search.
#ifndef MATHNAS_BINDINGS_C_SEARCH_H_
#define MATHNAS_BINDINGS_C_SEARCH_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "bindings/c/mathnas.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/limit.h"
#include "mathnas/core/search.h"

namespace mathnas::c {

// Limits as texts. InvalidArgument names the one that is none.
absl::StatusOr<std::vector<core::Limit>> LimitsOf(const char* const* limits, size_t count);

// Without `cancel`. InvalidArgument names the option and what was expected.
absl::StatusOr<core::SearchRequest> RequestOf(const mathnas_search_options& options, const core::BlockTable& table);

}  // namespace mathnas::c

#endif  // MATHNAS_BINDINGS_C_SEARCH_H_
