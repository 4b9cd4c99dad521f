// The JSON in the metadata of deployed files, which nobody vouches for. Internal: names a JSON library.
#ifndef MATHNAS_MATHNAS_DEPLOY_INTERNAL_METADATA_H_
#define MATHNAS_MATHNAS_DEPLOY_INTERNAL_METADATA_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "supernet/safetensors.h"

namespace mathnas::deploy::internal {

// InvalidArgument "FIELD: WHAT".
absl::Status Wrong(std::string_view field, std::string_view what);

// The text of an entry, and the same as JSON of this type; `expected` says in words what that is. InvalidArgument names
// the key.
absl::StatusOr<std::string> Text(const supernet::Metadata& metadata, const std::string& key);
absl::StatusOr<nlohmann::json> Parse(const supernet::Metadata& metadata, const std::string& key,
                                     nlohmann::json::value_t type, std::string_view expected);

// InvalidArgument unless `text` is a JSON object, of a size and depth within those of Parse.
absl::Status CheckObject(std::string_view key, const std::string& text);

}  // namespace mathnas::deploy::internal

#endif  // MATHNAS_MATHNAS_DEPLOY_INTERNAL_METADATA_H_
