#include "mathnas/replay/benchmark_files.h"

#include <cmath>
#include <deque>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "mathnas/replay/joined_tables.h"
#include "supernet/inflating_file.h"

namespace mathnas::replay {
namespace {

constexpr int64_t kLargestTable = int64_t{1} << 28;  // bytes of text

absl::StatusOr<exchange::CsvTable> LoadTable(const std::string& path) {
  const absl::StatusOr<std::string> text = supernet::ReadText(path, kLargestTable);
  if (!text.ok()) return text.status();
  return exchange::CsvTable::Parse(*text, path);
}

}  // namespace

absl::StatusOr<LoadedBenchmark> LoadBenchmark(const BenchmarkFiles& files, const std::vector<core::Limit>& limits) {
  std::vector<std::string> paths = {files.architectures};
  if (files.truth != files.architectures) paths.push_back(files.truth);
  const size_t truth_table = paths.size() - 1;
  for (const std::string& path : files.costs) {
    if (path != files.architectures && path != files.truth) paths.push_back(path);
  }
  std::deque<exchange::CsvTable> csv;  // stays where it is
  for (const std::string& path : paths) {
    absl::StatusOr<exchange::CsvTable> table = LoadTable(path);
    if (!table.ok()) return table.status();
    csv.push_back(*std::move(table));
  }
  JoinedTables joined(csv[0]);
  for (size_t t = 1; t < csv.size(); ++t) {
    if (absl::Status status = joined.Join(csv[t]); !status.ok()) return status;
  }
  const absl::StatusOr<std::vector<double>> truth = joined.Sum(truth_table, files.column);
  if (!truth.ok()) return truth.status();
  std::map<std::string, std::vector<double>> costs;
  for (const core::Limit& limit : limits) {
    absl::StatusOr<std::vector<double>> cost = joined.Column(limit.metric);
    if (!cost.ok()) return cost.status();
    costs[limit.metric] = *std::move(cost);
  }
  absl::StatusOr<Architectures> read = ReadArchitectures(files.space, csv[0], files.options);
  if (!read.ok()) return read.status();

  LoadedBenchmark loaded;
  loaded.benchmark.table = std::move(read->table);
  loaded.benchmark.unit = files.unit;
  loaded.benchmark.goal = files.goal;
  for (size_t r = 0; r < read->choices.size(); ++r) {
    bool known = !std::isnan((*truth)[r]);
    for (const auto& [name, cost] : costs) known = known && !std::isnan(cost[r]);
    if (!known) {
      ++loaded.without_truth;
      continue;
    }
    loaded.benchmark.networks.push_back(std::move(read->choices[r]));
    loaded.benchmark.truth.push_back((*truth)[r]);
    for (const auto& [name, cost] : costs) loaded.benchmark.costs[name].push_back(cost[r]);
    loaded.names.push_back(std::move(read->names[r]));
  }
  return loaded;
}

}  // namespace mathnas::replay
