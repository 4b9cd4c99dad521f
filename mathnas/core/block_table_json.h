// Block tables as JSON, format "mathnas-block-table/1".
//
// Every error of Parse and Load is InvalidArgument and names the source, the path of the field and what was expected.
// Refused: more than 256 MB, nesting deeper than 64, more than 2^22 JSON values, duplicate keys, unknown keys that do
// not begin with "x-", numbers that are not finite, ragged rows, wrong counts.
#ifndef MATHNAS_CORE_BLOCK_TABLE_JSON_H_
#define MATHNAS_CORE_BLOCK_TABLE_JSON_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"

namespace mathnas::core {

// `source_name` is what errors call the text, usually a file name.
absl::StatusOr<BlockTable> Parse(std::string_view text, std::string_view source_name);
absl::StatusOr<BlockTable> Load(const std::string& path);

// Numbers are written as the shortest decimals that read back to the same doubles; Parse(ToJson(t)) is t.
std::string ToJson(const BlockTable& table);
// Validates, then replaces `path` at once: readers see the old file or the new one, also after a crash.
// InvalidArgument if the table is not valid, Internal with the system's words if the file cannot be written.
absl::Status Save(const BlockTable& table, const std::string& path);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_BLOCK_TABLE_JSON_H_
