#include "mathnas/exchange/block_table_csv.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/internal/json_document.h"
#include "mathnas/core/internal/read_file.h"
#include "mathnas/core/internal/text.h"
#include "mathnas/exchange/csv.h"

namespace mathnas::exchange {

using namespace core;  // what is exchanged is the core's
namespace {

using core::internal::Trimmed;

constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();
constexpr int kNone = -1, kGroup = -2;
constexpr size_t kMaxEntries = core::internal::kMaxJsonValues;
constexpr size_t kMaxShared = 256;

enum ColumnKind { kNode, kCandidate, kReference, kAbsent, kShared, kMetric, kIgnored };
constexpr std::string_view kHeadings[] = {"node", "candidate", "reference", "absent", "shared"};

// A column with a metric, as its heading describes it.
struct MetricColumn {
  std::string name;
  Metric metric;
  std::optional<double> base;
};

class BlockTableReader {
 public:
  BlockTableReader(std::string_view text, std::string_view space, std::string_view source)
      : reader_(text, source), source_(source) {
    table_.space = space;
  }

  absl::StatusOr<BlockTable> Read() {
    std::vector<std::string> fields;
    while (true) {
      const absl::StatusOr<bool> more = reader_.Next(fields);
      if (!more.ok()) return more.status();
      if (!*more) break;
      absl::Status status = kinds_.empty() ? ReadHeadings(fields) : ReadRow(fields);
      if (!status.ok()) return status;
    }
    if (absl::Status status = Finish(); !status.ok()) return status;
    return std::move(table_);
  }

 private:
  struct Row {
    int node, candidate, shared;  // node kNone: the bases
    int64_t line;
  };

  // The record read last is not as expected, or a cell of it.
  [[gnu::noinline]] absl::Status RowError(std::string_view expected, std::string_view found) const {
    return reader_.Error("the row", expected, found);
  }
  [[gnu::noinline]] absl::Status CellError(size_t column, std::string_view expected, std::string_view found) const {
    const std::string_view heading = headings_[column];
    return reader_.Error(fmt::format("column {} ({})", column + 1, heading.substr(0, heading.find('['))), expected,
                         Quoted(found));
  }

  // ---- headings

  absl::Status ReadHeadings(const std::vector<std::string>& fields) {
    for (const std::string& field : fields) {
      headings_.emplace_back(Trimmed(field));
      if (absl::Status status = ReadHeading(headings_.back()); !status.ok()) return status;
    }
    if (Has(kNode) && Has(kCandidate) && !metrics_.empty()) return absl::OkStatus();
    return RowError("columns separated by commas: node, candidate and at least one METRIC[UNIT]",
                    fmt::format("{} columns", fields.size()));
  }

  bool Has(ColumnKind kind) const { return std::find(kinds_.begin(), kinds_.end(), kind) != kinds_.end(); }

  absl::Status ReadHeading(std::string_view heading) {
    const size_t column = kinds_.size();
    // NAME[BRACKET] WORDS, or NAME alone.
    const size_t open = heading.find('['), close = heading.find(']', open == heading.npos ? 0 : open);
    const bool bracket = open != heading.npos && close != heading.npos;
    const std::string_view name = bracket ? Trimmed(heading.substr(0, open)) : heading;
    const std::string_view inside = bracket ? Trimmed(heading.substr(open + 1, close - open - 1)) : "";
    const std::string_view words = bracket ? heading.substr(close + 1) : "";
    const auto kind = heading.starts_with("x-")
                          ? kIgnored
                          : static_cast<ColumnKind>(std::find(std::begin(kHeadings), std::end(kHeadings), name) -
                                                    std::begin(kHeadings));
    const bool complete = kind < kShared ? !bracket : kind == kIgnored || (bracket && !name.empty());
    if (!complete || (kind == kShared && (inside.empty() || !words.empty()))) {
      return CellError(column, "node, candidate, reference, absent, shared[NAME], METRIC[UNIT] or x-...", heading);
    }
    bool again = kind < kMetric && Has(kind);
    for (const MetricColumn& other : metrics_) again = again || (kind == kMetric && other.name == name);
    if (again) return CellError(column, "a column of this name once", heading);
    kinds_.push_back(kind);
    if (kind == kShared) table_.structure.shared = SharedChoice{.name = std::string(inside), .values = {}};
    if (kind != kMetric) return absl::OkStatus();
    MetricColumn& added = metrics_.emplace_back();
    added.name = name;
    added.metric.unit = inside;
    added.metric.goal = name == "accuracy" ? Goal::kMax : Goal::kMin;
    return ReadWords(words, column);
  }

  // What follows METRIC[UNIT].
  absl::Status ReadWords(std::string_view words, size_t column) {
    constexpr std::string_view kBase = "base=", kDevice = "device=";
    MetricColumn& added = metrics_.back();
    for (words = Trimmed(words); !words.empty(); words = Trimmed(words)) {
      const std::string_view word = words.substr(0, words.find_first_of(" \t"));
      words.remove_prefix(word.size());
      bool known = true;
      if (word == "min" || word == "max") {
        added.metric.goal = word == "max" ? Goal::kMax : Goal::kMin;
      } else if (word == "cost" || word == "saving") {
        added.metric.form = word == "saving" ? Form::kSaving : Form::kCost;
      } else if (word.starts_with(kDevice) && word != kDevice) {
        added.metric.device = word.substr(kDevice.size());
      } else {
        if (word.starts_with(kBase)) added.base = core::internal::ParseNumber(word.substr(kBase.size()));
        known = word.starts_with(kBase) && added.base;
      }
      if (!known) return CellError(column, "min, max, cost, saving, base=NUMBER or device=TEXT", word);
    }
    return absl::OkStatus();
  }

  // ---- rows

  absl::Status ReadRow(const std::vector<std::string>& fields) {
    if (fields.size() != kinds_.size()) {
      return RowError(fmt::format("{} cells, as in the first row", kinds_.size()), fmt::format("{}", fields.size()));
    }
    Row row = {.node = kNone, .candidate = kNone, .shared = 0, .line = reader_.line()};
    std::string_view cells[kShared];  // by kind
    size_t columns[kShared] = {};
    for (size_t c = 0; c < fields.size(); ++c) {
      const std::string_view cell = Trimmed(fields[c]);
      const ColumnKind kind = kinds_[c];
      if (kind == kIgnored) continue;
      if (kind < kShared) {
        cells[kind] = cell;
        columns[kind] = c;
        continue;
      }
      std::optional<double> value = core::internal::ParseNumber(cell);
      if (kind == kMetric && cell.empty()) value = kNotMeasured;
      if (!value) return CellError(c, kind == kMetric ? "a finite number or an empty cell" : "a finite number", cell);
      if (kind == kMetric) {
        values_.push_back(*value);
      } else if (!SetShared(*value, row)) {
        return CellError(c, "at most 256 different values", cell);
      }
    }
    const std::string_view marked = cells[kReference];
    const bool reference = !marked.empty() && marked != "0" && marked != "no" && marked != "false";
    const bool is_base = cells[kNode].empty() && cells[kCandidate].empty() && !reference && cells[kAbsent].empty();
    if (!is_base) {
      for (const ColumnKind kind : {kNode, kCandidate}) {
        if (cells[kind].empty()) return CellError(columns[kind], "a name", "");
      }
      row.node = NodeOf(cells[kNode]);
      row.candidate = CandidateOf(row.node, cells[kCandidate]);
      if (reference && !Mark(references_[row.node], row.candidate)) {
        return CellError(columns[kReference], "a mark on one candidate of the node", marked);
      }
      if (!cells[kAbsent].empty()) {
        const int group = NumberOf(kGroup, cells[kAbsent], depth_groups_);
        if (!Mark(absent_[row.node], row.candidate) || !Mark(groups_[row.node], group)) {
          return CellError(columns[kAbsent], "one group, on one candidate of the node", cells[kAbsent]);
        }
        depth_groups_ = std::max(depth_groups_, group + 1);
      }
    }
    rows_.push_back(row);
    if (values_.size() + index_.size() <= kMaxEntries) return absl::OkStatus();
    return RowError(fmt::format("at most {} entries", kMaxEntries), "more");
  }

  // False if there are too many.
  bool SetShared(double value, Row& row) {
    std::vector<double>& values = table_.structure.shared->values;
    row.shared = static_cast<int>(std::find(values.begin(), values.end(), value) - values.begin());
    if (row.shared == std::ssize(values)) values.push_back(value);
    return values.size() <= kMaxShared;
  }

  // The number of a name among those of one owner: `next` if it is new.
  int NumberOf(int owner, std::string_view name, size_t next) {
    return index_.try_emplace({owner, std::string(name)}, static_cast<int>(next)).first->second;
  }

  int NodeOf(std::string_view name) {
    const int node = NumberOf(kNone, name, table_.nodes.size());
    if (node == std::ssize(table_.nodes)) {
      table_.nodes.push_back({.name = std::string(name), .candidates = {}});
      references_.push_back(kNone);
      absent_.push_back(kNone);
      groups_.push_back(kNone);
    }
    return node;
  }

  int CandidateOf(int node, std::string_view name) {
    std::vector<std::string>& candidates = table_.nodes[node].candidates;
    const int candidate = NumberOf(node, name, candidates.size());
    if (candidate == std::ssize(candidates)) candidates.emplace_back(name);
    return candidate;
  }

  // False if something else is marked.
  static bool Mark(int& marked, int candidate) {
    if (marked == kNone) marked = candidate;
    return marked == candidate;
  }

  // ---- the table

  absl::Status Finish() {
    if (table_.nodes.empty()) return RowError("a row with a node and a candidate", "the end of the file");
    size_t candidates = 0;
    std::vector<size_t> first_candidate;  // of the node, all candidates counted through
    for (const Node& node : table_.nodes) {
      first_candidate.push_back(candidates);
      candidates += node.candidates.size();
    }
    const auto shared = static_cast<size_t>(table_.SharedCount());
    if (shared * (candidates + 1) > kMaxEntries / metrics_.size()) {
      return RowError(
          fmt::format("at most {} entries", kMaxEntries),
          fmt::format("{} candidates x {} shared values x {} metrics", candidates, shared, metrics_.size()));
    }
    AddStructure();
    MakeSlices(shared);
    std::vector<int64_t> line_of(shared * (candidates + 1), 0);  // the last one is the base
    for (size_t r = 0; r < rows_.size(); ++r) {
      const Row& row = rows_[r];
      const size_t place = row.node == kNone ? candidates : first_candidate[row.node] + row.candidate;
      int64_t& line = line_of[row.shared * (candidates + 1) + place];
      if (line != 0) return LineError(row, fmt::format("each candidate once, found the one of line {} again", line));
      line = row.line;
      for (size_t m = 0; m < metrics_.size(); ++m) {
        const double value = values_[r * metrics_.size() + m];
        MetricSlice& slice = metrics_[m].metric.slices[row.shared];
        if (row.node != kNone) {
          slice.values[row.node][row.candidate] = value;
        } else if (!metrics_[m].base) {
          slice.base = value;
        } else if (!std::isnan(value)) {
          return LineError(
              row, fmt::format("no base of {}, because its heading has one, found {}", metrics_[m].name, value));
        }
      }
    }
    for (MetricColumn& column : metrics_) table_.metrics[column.name] = std::move(column.metric);
    return Validate(table_, source_);
  }

  absl::Status LineError(const Row& row, std::string_view expected) const {
    return absl::InvalidArgumentError(fmt::format("{}:{}: the row: expected {}", source_, row.line, expected));
  }

  void AddStructure() {
    std::vector<DepthGroup>& depth = table_.structure.depth;
    for (int g = 0; g < depth_groups_; ++g) depth.push_back({});
    for (size_t i = 0; i < table_.nodes.size(); ++i) {
      table_.nodes[i].reference = std::max(references_[i], 0);
      if (absent_[i] == kNone) continue;
      depth[groups_[i]].nodes.push_back(static_cast<int>(i));
      depth[groups_[i]].absent.push_back(absent_[i]);
    }
  }

  void MakeSlices(size_t shared) {
    for (MetricColumn& column : metrics_) {
      column.metric.slices.resize(shared);
      for (MetricSlice& slice : column.metric.slices) {
        slice.base = column.base.value_or(0);
        slice.values.resize(table_.nodes.size());
        for (size_t i = 0; i < table_.nodes.size(); ++i) {
          slice.values[i] = std::vector<double>(table_.nodes[i].candidates.size(), kNotMeasured);
        }
      }
    }
  }

  CsvReader reader_;
  std::string_view source_;
  std::vector<std::string> headings_;
  std::vector<ColumnKind> kinds_;
  std::vector<MetricColumn> metrics_;
  BlockTable table_;
  std::map<std::pair<int, std::string>, int> index_;  // of nodes (kNone), depth groups (kGroup), candidates (node)
  std::vector<int> references_, absent_;              // candidate by node, or kNone
  std::vector<int> groups_;                           // depth group by node, or kNone
  int depth_groups_ = 0;
  std::vector<Row> rows_;
  std::vector<double> values_;  // by row and metric
};

}  // namespace

absl::StatusOr<BlockTable> ParseCsv(std::string_view text, std::string_view space, std::string_view source_name) {
  if (text.size() > core::internal::kMaxJsonBytes) {
    return core::internal::FieldError(source_name, "",
                                      fmt::format("at most {} MB", core::internal::kMaxJsonBytes >> 20), "more");
  }
  return BlockTableReader(text, space, source_name).Read();
}

absl::StatusOr<BlockTable> LoadCsv(const std::string& path, std::string_view space) {
  const absl::StatusOr<std::string> text = core::internal::ReadFile(path, core::internal::kMaxJsonBytes, "a table");
  if (!text.ok()) return text.status();
  return ParseCsv(*text, space, path);
}

}  // namespace mathnas::exchange
