#include "mathnas/core/block_table_json.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "mathnas/core/internal/json_document.h"
#include "mathnas/core/internal/replace_file.h"

namespace mathnas::core {

absl::StatusOr<BlockTable> Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return internal::FieldError(path, "", "a block table that can be read", std::strerror(errno));
  }
  // Read in steps, not by size: the path may be a pipe or a device.
  constexpr size_t kStep = size_t{1} << 20;
  std::string text;
  while (file && text.size() <= internal::kMaxJsonBytes) {
    const size_t size = text.size();
    text.resize(size + kStep);
    file.read(text.data() + size, kStep);
    text.resize(size + static_cast<size_t>(file.gcount()));
  }
  if (file.bad() || (text.empty() && !file.eof())) {
    return internal::FieldError(path, "", "a block table that can be read", "an error while reading");
  }
  return Parse(text, path);
}

absl::Status Save(const BlockTable& table, const std::string& path) {
  if (absl::Status status = Validate(table, path); !status.ok()) return status;
  return internal::ReplaceFile(path, ToJson(table));
}

}  // namespace mathnas::core
