#include "mathnas/deploy/internal/metadata.h"

#include <cstddef>

#include "fmt/format.h"
#include "kernels/internal/bounded_json.h"
#include "kernels/status.h"

namespace mathnas::deploy::internal {
namespace {

using kernels::Annotate;
using kernels::internal::ParseBoundedJson;
using kernels::internal::Shortened;
using nlohmann::json;

constexpr size_t kMaxJsonBytes = size_t{16} << 20;
constexpr int kMaxJsonDepth = 64;

}  // namespace

absl::Status Wrong(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", field, what));
}

absl::StatusOr<std::string> Text(const supernet::Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return Wrong(key, "missing in the metadata");
  return found->second;
}

absl::StatusOr<json> Parse(const supernet::Metadata& metadata, const std::string& key, json::value_t type,
                           std::string_view expected) {
  const absl::StatusOr<std::string> text = Text(metadata, key);
  if (!text.ok()) return text.status();
  absl::StatusOr<json> value = ParseBoundedJson(*text, kMaxJsonBytes, kMaxJsonDepth);
  if (!value.ok()) return Annotate(value.status(), key);
  if (value->type() != type) return Wrong(key, fmt::format("found {}, expected {}", Shortened(*value), expected));
  return value;
}

absl::Status CheckObject(std::string_view key, const std::string& text) {
  const absl::StatusOr<json> value = ParseBoundedJson(text, kMaxJsonBytes, kMaxJsonDepth);
  if (!value.ok()) return Annotate(value.status(), key);
  if (value->is_object()) return absl::OkStatus();
  return Wrong(key, fmt::format("found {}, expected an object", Shortened(*value)));
}

}  // namespace mathnas::deploy::internal
