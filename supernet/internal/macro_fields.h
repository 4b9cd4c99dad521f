// Macro parameters of a space from JSON (SearchSpace::MacroJson). Internal: names a JSON library, so it is not
// installed.
#ifndef MATHNAS_SUPERNET_INTERNAL_MACRO_FIELDS_H_
#define MATHNAS_SUPERNET_INTERNAL_MACRO_FIELDS_H_

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace mathnas::supernet {

absl::StatusOr<nlohmann::json> ParseMacroObject(std::string_view text);

using MacroInteger = std::pair<std::string_view, int64_t*>;

// Each sets fields that the object must have. InvalidArgument names the first that is missing or of another type;
// ranges are not looked at.
absl::Status ReadMacroIntegers(const nlohmann::json& object, std::initializer_list<MacroInteger> fields);
absl::Status ReadMacroList(const nlohmann::json& object, std::string_view name, std::vector<int>& field);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_INTERNAL_MACRO_FIELDS_H_
