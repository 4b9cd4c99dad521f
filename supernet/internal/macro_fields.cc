#include "supernet/internal/macro_fields.h"

#include <limits>
#include <optional>
#include <string>

#include "fmt/format.h"
#include "kernels/internal/bounded_json.h"
#include "kernels/internal/json_text.h"

namespace mathnas::supernet {

using nlohmann::json;

absl::StatusOr<json> ParseMacroObject(std::string_view text) {
  json object = kernels::internal::ParseJson(text);
  if (!object.is_object()) return absl::InvalidArgumentError("macro parameters: expected a JSON object");
  return object;
}

absl::Status ReadMacroIntegers(const json& object, std::initializer_list<MacroInteger> fields) {
  for (const auto& [name, field] : fields) {
    const auto found = object.find(std::string(name));
    if (found == object.end() || !found->is_number_integer()) {
      return absl::InvalidArgumentError(fmt::format("macro parameter {}: expected an integer", name));
    }
    *field = found->get<int64_t>();
  }
  return absl::OkStatus();
}

absl::Status ReadMacroList(const json& object, std::string_view name, std::vector<int>& field) {
  const auto found = object.find(std::string(name));
  if (found == object.end() || !found->is_array()) {
    return absl::InvalidArgumentError(fmt::format("macro parameter {}: expected a list", name));
  }
  for (const json& entry : *found) {
    const std::optional<int64_t> value = kernels::internal::IntegerIn(entry, 0, std::numeric_limits<int>::max());
    if (!value) {
      return absl::InvalidArgumentError(
          fmt::format("macro parameter {}: {}, expected integers", name, kernels::internal::Shortened(entry)));
    }
    field.push_back(static_cast<int>(*value));
  }
  return absl::OkStatus();
}

}  // namespace mathnas::supernet
