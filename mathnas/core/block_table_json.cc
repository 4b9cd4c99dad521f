#include "mathnas/core/block_table_json.h"

#include "mathnas/core/internal/json_document.h"
#include "mathnas/core/internal/read_file.h"
#include "mathnas/core/internal/replace_file.h"

namespace mathnas::core {

absl::StatusOr<BlockTable> Load(const std::string& path) {
  const absl::StatusOr<std::string> text = internal::ReadFile(path, internal::kMaxJsonBytes, "a block table");
  if (!text.ok()) return text.status();
  return Parse(*text, path);
}

absl::Status Save(const BlockTable& table, const std::string& path) {
  if (absl::Status status = Validate(table, path); !status.ok()) return status;
  return internal::ReplaceFile(path, ToJson(table));
}

}  // namespace mathnas::core
