#include "mathnas/replay/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::replay {
namespace {

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::optional<double> ParseNumber(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

absl::StatusOr<CsvTable> CsvTable::Parse(std::string text, std::string source) {
  CsvTable table;
  table.text_ = std::move(text);
  table.source_ = std::move(source);
  const std::string_view all = table.text_;
  const auto error = [&](size_t line, std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("{}, line {}: {}", table.source_, line, what));
  };
  size_t line = 0;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = std::min(all.find('\n', begin), all.size());
    size_t size = end - begin;
    if (size > 0 && all[end - 1] == '\r') --size;
    ++line;
    if (size > 0) {
      std::vector<Span> fields;
      for (size_t at = begin;;) {
        const size_t comma = std::min(all.find(',', at), begin + size);
        fields.push_back({at, comma - at});
        if (comma == begin + size) break;
        at = comma + 1;
      }
      if (all.substr(begin, size).find('"') != std::string_view::npos)
        return error(line, "expected no quotes, found \"");
      if (table.names_.empty()) {
        for (const Span& f : fields) {
          const std::string name(Trimmed(all.substr(f.begin, f.size)));
          if (name.empty())
            return error(line, fmt::format("expected the name of column {}, found none", &f - fields.data() + 1));
          if (std::find(table.names_.begin(), table.names_.end(), name) != table.names_.end()) {
            return error(line, fmt::format("expected every column once, found '{:.100}' again", name));
          }
          table.names_.push_back(name);
        }
      } else {
        if (fields.size() != table.names_.size()) {
          return error(line, fmt::format("expected {} fields, found {}", table.names_.size(), fields.size()));
        }
        table.fields_.insert(table.fields_.end(), fields.begin(), fields.end());
        table.lines_.push_back(line);
      }
    }
    begin = end + 1;
  }
  if (table.names_.empty()) return error(1, "expected a line with the names of the columns, found none");
  return table;
}

absl::StatusOr<size_t> CsvTable::Column(std::string_view name) const {
  const auto it = std::find(names_.begin(), names_.end(), name);
  if (it != names_.end()) return static_cast<size_t>(it - names_.begin());
  std::string known;
  for (const std::string& n : names_) known += (known.empty() ? "" : ", ") + n;
  return absl::InvalidArgumentError(
      fmt::format("{}: expected a column '{:.100}', found {:.500}", source_, std::string(name), known));
}

std::string_view CsvTable::Field(size_t row, size_t column) const {
  const Span& f = fields_[row * names_.size() + column];
  return Trimmed(std::string_view(text_).substr(f.begin, f.size));
}

absl::StatusOr<double> CsvTable::Number(size_t row, size_t column) const {
  const std::string_view field = Field(row, column);
  if (field.empty()) return std::numeric_limits<double>::quiet_NaN();
  if (const auto number = ParseNumber(field)) return *number;
  return absl::InvalidArgumentError(
      fmt::format("{}: expected a finite number, found '{:.100}'", Place(row, column), std::string(field)));
}

std::string CsvTable::Place(size_t row, size_t column) const {
  return fmt::format("{}, line {}, column {}", source_, lines_[row], names_[column]);
}

}  // namespace mathnas::replay
