// Reading JSON that nobody vouches for: bounded in size, depth and number of values, no duplicate keys, finite numbers.
// Internal: names a JSON library, so it is not installed.
#ifndef MATHNAS_CORE_INTERNAL_JSON_DOCUMENT_H_
#define MATHNAS_CORE_INTERNAL_JSON_DOCUMENT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace mathnas::core::internal {

inline constexpr size_t kMaxJsonBytes = size_t{256} << 20;
inline constexpr size_t kMaxJsonDepth = 64;
inline constexpr size_t kMaxJsonValues = size_t{1} << 22;

// "SOURCE: PATH: expected EXPECTED, found FOUND"; without the path if it is empty.
absl::Status FieldError(std::string_view source, std::string_view path, std::string_view expected,
                        std::string_view found);

// InvalidArgument names `source`, the path of the field and what was expected.
absl::StatusOr<nlohmann::json> ParseDocument(std::string_view text, std::string_view source);

// Whether `text` is JSON at all.
bool IsJson(std::string_view text);

// "a number", "a string", ...: what `value` is, for messages.
std::string Describe(const nlohmann::json& value);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_JSON_DOCUMENT_H_
