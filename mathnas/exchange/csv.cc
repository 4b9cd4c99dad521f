#include "mathnas/exchange/csv.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "fmt/format.h"
#include "mathnas/core/internal/text.h"

namespace mathnas::exchange {

std::string Quoted(std::string_view text) {
  constexpr size_t kShown = 40;
  std::string shown = "'";
  for (const char c : text.substr(0, kShown)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + (text.size() > kShown ? "...'" : "'");
}

CsvReader::CsvReader(std::string_view text, std::string_view source) : text_(text), source_(source) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text_.starts_with(kByteOrderMark)) position_ = kByteOrderMark.size();
}

absl::Status CsvReader::Error(std::string_view where, std::string_view expected, std::string_view found) const {
  return absl::InvalidArgumentError(
      fmt::format("{}:{}: {}: expected {}, found {}", source_, record_line_, where, expected, found));
}

absl::Status CsvReader::ErrorAt(int64_t line, size_t column, std::string_view expected, std::string_view found) const {
  return absl::InvalidArgumentError(
      fmt::format("{}:{}: column {}: expected {}, found {}", source_, line, column, expected, found));
}

bool CsvReader::TakeLineEnd() {
  const bool carriage_return = text_.substr(position_).starts_with("\r\n");
  if (!carriage_return && (AtEnd() || text_[position_] != '\n')) return false;
  position_ += carriage_return ? 2 : 1;
  ++line_;
  return true;
}

absl::Status CsvReader::ReadQuoted(std::string& field, size_t column) {
  const int64_t opened = line_;
  ++position_;
  while (true) {
    const size_t quote = text_.find('"', position_);
    if (quote == std::string_view::npos) return ErrorAt(opened, column, "a closing quote", "the end of the file");
    const std::string_view part = text_.substr(position_, quote - position_);
    if (field.size() + part.size() > kMaxField) {
      return ErrorAt(opened, column, fmt::format("at most {} bytes", kMaxField), "a longer field");
    }
    for (const char c : part) line_ += c == '\n' ? 1 : 0;
    field += part;
    position_ = quote + 1;
    if (AtEnd() || text_[position_] != '"') return absl::OkStatus();
    field += '"';
    ++position_;
  }
}

absl::Status CsvReader::ReadField(std::string& field, size_t column) {
  field.clear();
  if (!AtEnd() && text_[position_] == '"') {
    if (absl::Status status = ReadQuoted(field, column); !status.ok()) return status;
  } else {
    const size_t end = std::min(text_.find_first_of(",\"\r\n", position_), text_.size());
    if (end - position_ > kMaxField) {
      return ErrorAt(line_, column, fmt::format("at most {} bytes", kMaxField), "a longer field");
    }
    field = text_.substr(position_, end - position_);
    position_ = end;
  }
  const std::string_view rest = text_.substr(position_);
  if (!rest.empty() && rest[0] != ',' && rest[0] != '\n' && !rest.starts_with("\r\n")) {
    return ErrorAt(line_, column, "a comma or the end of the line after the field", Quoted(rest.substr(0, 1)));
  }
  for (size_t at = 0; at < field.size();) {
    const size_t length = field[at] == '\0' ? 0 : core::internal::CharacterLength(field, at);
    if (length == 0) return ErrorAt(line_, column, "UTF-8 text", "other bytes");
    at += length;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> CsvReader::Next(std::vector<std::string>& fields) {
  while (TakeLineEnd()) {
  }
  record_line_ = line_;
  if (AtEnd()) return false;
  size_t count = 0;
  while (true) {
    if (count == kMaxColumns) return ErrorAt(line_, count + 1, fmt::format("at most {} columns", kMaxColumns), "more");
    if (fields.size() == count) fields.emplace_back();
    if (absl::Status status = ReadField(fields[count], count + 1); !status.ok()) return status;
    ++count;
    if (AtEnd() || TakeLineEnd()) break;
    ++position_;  // the comma
  }
  fields.resize(count);
  return true;
}

absl::StatusOr<CsvTable> CsvTable::Parse(std::string_view text, std::string_view source) {
  CsvTable table;
  table.source_ = source;
  CsvReader reader(text, source);
  std::vector<std::string> fields;
  while (true) {
    const absl::StatusOr<bool> more = reader.Next(fields);
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (table.names_.empty()) {
      for (const std::string& field : fields) {
        const std::string_view name = core::internal::Trimmed(field);
        const bool again = std::find(table.names_.begin(), table.names_.end(), name) != table.names_.end();
        if (name.empty() || again) {
          return reader.Error(fmt::format("column {}", table.names_.size() + 1), "a name of its own", Quoted(name));
        }
        table.names_.emplace_back(name);
      }
      continue;
    }
    if (fields.size() != table.names_.size()) {
      return reader.Error("the row", fmt::format("{} fields, as in the first row", table.names_.size()),
                          fmt::format("{}", fields.size()));
    }
    for (const std::string& field : fields) {
      const std::string_view trimmed = core::internal::Trimmed(field);
      table.fields_.push_back({table.text_.size(), trimmed.size()});
      table.text_ += trimmed;
    }
    table.lines_.push_back(reader.line());
  }
  if (table.names_.empty()) return reader.Error("the first row", "the names of the columns", "the end of the file");
  return table;
}

absl::StatusOr<size_t> CsvTable::Column(std::string_view name) const {
  const auto it = std::find(names_.begin(), names_.end(), name);
  if (it != names_.end()) return static_cast<size_t>(it - names_.begin());
  std::string known;
  for (const std::string& n : names_) known += (known.empty() ? "" : ", ") + n;
  return absl::InvalidArgumentError(
      fmt::format("{}: expected a column {}, found {:.500}", source_, Quoted(name), known));
}

std::string_view CsvTable::Field(size_t row, size_t column) const {
  const Span& f = fields_[row * names_.size() + column];
  return std::string_view(text_).substr(f.begin, f.size);
}

absl::StatusOr<double> CsvTable::Number(size_t row, size_t column) const {
  const std::string_view field = Field(row, column);
  if (field.empty()) return std::numeric_limits<double>::quiet_NaN();
  if (const auto number = core::internal::ParseNumber(field)) return *number;
  return Error(row, column, "a finite number");
}

absl::Status CsvTable::Error(size_t row, size_t column, std::string_view expected) const {
  return absl::InvalidArgumentError(fmt::format("{}:{}: column {} ({}): expected {}, found {}", source_, lines_[row],
                                                column + 1, names_[column], expected, Quoted(Field(row, column))));
}

}  // namespace mathnas::exchange
