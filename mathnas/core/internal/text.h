// Small pieces of reading text.
#ifndef MATHNAS_CORE_INTERNAL_TEXT_H_
#define MATHNAS_CORE_INTERNAL_TEXT_H_

#include <optional>
#include <string_view>

namespace mathnas::core::internal {

// Without spaces and tabs at both ends.
std::string_view Trimmed(std::string_view text);

// A finite decimal number ("500", "+0.5", "1e-3") that takes the whole text, independent of the locale.
std::optional<double> ParseNumber(std::string_view text);

// Length of the UTF-8 character at `at`, or 0 if there is none (Unicode, table 3-7).
size_t CharacterLength(std::string_view text, size_t at);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_TEXT_H_
