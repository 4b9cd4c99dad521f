// JSON text that nobody vouches for, and text for it. Internal: names a JSON library, so it is not installed.
#ifndef MATHNAS_KERNELS_INTERNAL_BOUNDED_JSON_H_
#define MATHNAS_KERNELS_INTERNAL_BOUNDED_JSON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace mathnas::kernels::internal {

// Parses at most `max_bytes` of text that nests at most `max_depth` objects and arrays. A name twice in one object is
// an error. InvalidArgument says what and at which byte.
absl::StatusOr<nlohmann::json> ParseBoundedJson(std::string_view text, size_t max_bytes, int max_depth);

// Text of a document; InvalidArgument when one of its strings is not UTF-8.
absl::StatusOr<std::string> DumpJson(const nlohmann::json& document);

// The value, shortened, for "found ..." in an error.
std::string Shortened(const nlohmann::json& value);

// The integer, if the value is one and lies in low .. high.
std::optional<int64_t> IntegerIn(const nlohmann::json& value, int64_t low, int64_t high);

}  // namespace mathnas::kernels::internal

#endif  // MATHNAS_KERNELS_INTERNAL_BOUNDED_JSON_H_
