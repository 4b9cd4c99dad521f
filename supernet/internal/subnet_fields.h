// Fields of the JSON of a subnet (spec/interfaces.md 1). Internal: names a JSON library, so it is not installed.
#ifndef MATHNAS_SUPERNET_INTERNAL_SUBNET_FIELDS_H_
#define MATHNAS_SUPERNET_INTERNAL_SUBNET_FIELDS_H_

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace mathnas::supernet {

// The text as an object without other names than `names`. `form` is what a subnet of the space looks like, for errors.
absl::StatusOr<nlohmann::json> ParseSubnetObject(std::string_view text, std::string_view form,
                                                 std::initializer_list<std::string_view> names);

// InvalidArgument if `object`, which `where` names, has other names than `names`.
absl::Status CheckNames(const nlohmann::json& object, std::string_view where, std::string_view form,
                        std::initializer_list<std::string_view> names);

// The integer in field `name`; errors as ReadEntries.
absl::StatusOr<int> ReadEntry(const nlohmann::json& object, std::string_view name, std::string_view form,
                              const std::string& expected);

// Sets `entries` from field `name`: a list of as many integers, or one for all of them. InvalidArgument names the entry
// and what was expected; which integers are allowed is not looked at, `expected` says it to people.
absl::Status ReadEntries(const nlohmann::json& object, std::string_view name, std::string_view form,
                         const std::string& expected, std::span<int> entries);

// "3, 5 or 7".
std::string Listed(std::span<const int> allowed);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_INTERNAL_SUBNET_FIELDS_H_
