#include "supernet/internal/subnet_fields.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/bounded_json.h"
#include "kernels/status.h"

namespace mathnas::supernet {

using kernels::internal::IntegerIn;
using kernels::internal::Shortened;
using nlohmann::json;

absl::StatusOr<json> ParseSubnetObject(std::string_view text, std::string_view form,
                                       std::initializer_list<std::string_view> names) {
  constexpr size_t kMaxBytes = 1 << 16;
  constexpr int kMaxDepth = 4;
  absl::StatusOr<json> object = kernels::internal::ParseBoundedJson(text, kMaxBytes, kMaxDepth);
  if (!object.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("subnet \"{:.200}\": {}, expected {}", text, kernels::Message(object.status()), form));
  }
  if (!object->is_object()) {
    return absl::InvalidArgumentError(fmt::format("subnet: {}, expected {}", Shortened(*object), form));
  }
  if (auto s = CheckNames(*object, "subnet", form, names); !s.ok()) return s;
  return object;
}

absl::Status CheckNames(const json& object, std::string_view where, std::string_view form,
                        std::initializer_list<std::string_view> names) {
  for (const auto& [name, value] : object.items()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return absl::InvalidArgumentError(fmt::format("{}: unknown name \"{:.60}\", expected {}", where, name, form));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int> ReadEntry(const json& object, std::string_view name, std::string_view form,
                              const std::string& expected) {
  int entry = 0;
  const auto found = object.find(std::string(name));
  if (found != object.end() && !IntegerIn(*found, std::numeric_limits<int>::min(), std::numeric_limits<int>::max())) {
    return absl::InvalidArgumentError(fmt::format("{}: {}, expected {}", name, Shortened(*found), expected));
  }
  if (auto s = ReadEntries(object, name, form, expected, {&entry, 1}); !s.ok()) return s;
  return entry;
}

absl::Status ReadEntries(const json& object, std::string_view name, std::string_view form, const std::string& expected,
                         std::span<int> entries) {
  constexpr int64_t kLow = std::numeric_limits<int>::min(), kHigh = std::numeric_limits<int>::max();
  const auto found = object.find(std::string(name));
  if (found == object.end()) {
    return absl::InvalidArgumentError(fmt::format("subnet without \"{}\": expected {}", name, form));
  }
  const json& value = *found;
  if (value.is_array()) {
    if (value.size() != entries.size()) {
      return absl::InvalidArgumentError(
          fmt::format("{}: {} entries, expected {}, or one number for all", name, value.size(), entries.size()));
    }
    for (size_t i = 0; i < entries.size(); ++i) {
      const std::optional<int64_t> entry = IntegerIn(value[i], kLow, kHigh);
      if (!entry) {
        return absl::InvalidArgumentError(
            fmt::format("{}[{}]: {}, expected {}", name, i, Shortened(value[i]), expected));
      }
      entries[i] = static_cast<int>(*entry);
    }
    return absl::OkStatus();
  }
  const std::optional<int64_t> entry = IntegerIn(value, kLow, kHigh);
  if (!entry) {
    return absl::InvalidArgumentError(fmt::format("{}: {}, expected a list of {} numbers, each {}, or one for all",
                                                  name, Shortened(value), entries.size(), expected));
  }
  std::fill(entries.begin(), entries.end(), static_cast<int>(*entry));
  return absl::OkStatus();
}

std::string Listed(std::span<const int> allowed) {
  if (allowed.size() == 1) return fmt::format("{}", allowed.front());
  return fmt::format("{} or {}", fmt::join(allowed.begin(), allowed.end() - 1, ", "), allowed.back());
}

}  // namespace mathnas::supernet
