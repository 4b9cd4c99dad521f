#include "mathnas/replay/joined_tables.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/block_table.h"

namespace mathnas::replay {

using exchange::CsvTable;

JoinedTables::JoinedTables(const CsvTable& first) {
  std::vector<int64_t> rows(first.row_count());
  std::iota(rows.begin(), rows.end(), 0);
  tables_.push_back({&first, std::move(rows)});
}

absl::Status JoinedTables::Join(const CsvTable& table) {
  const CsvTable& first = *tables_[0].csv;
  for (size_t key = 0; key < table.names().size(); ++key) {
    const absl::StatusOr<size_t> own = first.Column(table.names()[key]);
    if (!own.ok()) continue;
    std::unordered_map<std::string_view, int64_t> rows;
    for (size_t row = 0; row < table.row_count(); ++row) {
      if (!rows.try_emplace(table.Field(row, key), row).second) return table.Error(row, key, "every value once");
    }
    std::vector<int64_t> joined;
    for (size_t row = 0; row < first.row_count(); ++row) {
      const auto it = rows.find(first.Field(row, *own));
      joined.push_back(it == rows.end() ? -1 : it->second);
    }
    tables_.push_back({&table, std::move(joined)});
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("{}: expected a column that {} has too (e.g. index), found none", table.source(), first.source()));
}

absl::StatusOr<std::vector<double>> JoinedTables::Numbers(const Table& table, size_t column) const {
  std::vector<double> numbers;
  for (const int64_t row : table.rows) {
    absl::StatusOr<double> number = std::numeric_limits<double>::quiet_NaN();
    if (row >= 0) number = table.csv->Number(static_cast<size_t>(row), column);
    if (!number.ok()) return number.status();
    numbers.push_back(*number);
  }
  return numbers;
}

absl::StatusOr<std::vector<double>> JoinedTables::Column(std::string_view name) const {
  std::vector<std::pair<const Table*, size_t>> found;
  std::string names;
  for (const bool exact : {true, false}) {
    for (const Table& t : tables_) {
      for (size_t c = 0; c < t.csv->names().size(); ++c) {
        const std::string& column = t.csv->names()[c];
        if (exact ? column != name : !column.starts_with(name)) continue;
        found.emplace_back(&t, c);
        names += (names.empty() ? "" : ", ") + column;
      }
    }
    if (!found.empty()) break;
  }
  if (found.size() == 1) return Numbers(*found[0].first, found[0].second);
  return absl::InvalidArgumentError(
      fmt::format("{}: expected one column of the name {} or beginning with it, found {:.500}",
                  tables_[0].csv->source(), exchange::Quoted(name), names.empty() ? "none" : names));
}

absl::StatusOr<std::vector<double>> JoinedTables::Sum(size_t table, std::string_view names) const {
  const Table& t = tables_[table];
  const absl::StatusOr<size_t> whole = t.csv->Column(names);
  if (whole.ok()) return Numbers(t, *whole);
  if (names.find('+') == std::string_view::npos) return whole.status();
  std::vector<double> sum(t.rows.size(), 0.0);
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find('+', begin), names.size());
    const absl::StatusOr<size_t> column = t.csv->Column(names.substr(begin, end - begin));
    if (!column.ok()) return column.status();
    const absl::StatusOr<std::vector<double>> part = Numbers(t, *column);
    if (!part.ok()) return part.status();
    for (size_t r = 0; r < sum.size(); ++r) sum[r] += (*part)[r];
    begin = end + 1;
  }
  return sum;
}

}  // namespace mathnas::replay
