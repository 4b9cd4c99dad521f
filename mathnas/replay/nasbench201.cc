// Architectures in one column: cells of NAS-Bench-201, and chains of layers written as digits (NAS-Bench-Macro).
#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/sampling.h"
#include "mathnas/replay/architectures.h"
#include "mathnas/replay/joined_tables.h"
#include "supernet/nasbench201/architecture.h"
#include "supernet/nasbench201/space.h"

namespace mathnas::replay {

using exchange::CsvTable;

namespace {

absl::StatusOr<size_t> ArchitectureColumn(const CsvTable& csv) {
  if (auto column = csv.Column("arch_str"); column.ok()) return column;
  return csv.Column("arch");
}

absl::Status AddFlops(const CsvTable& csv, const std::string& column, Architectures& read) {
  const absl::StatusOr<std::vector<double>> flops =
      JoinedTables(csv).Column(column.empty() ? core::kFlopsMetric : column);
  if (!flops.ok()) return flops.status();
  auto metric = core::AdditiveCost(read.table, read.choices, *flops);
  if (!metric.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("{}, FLOPs: {}", csv.source(), std::string(metric.status().message())));
  }
  read.table.metrics[std::string(core::kFlopsMetric)] = *std::move(metric);
  return absl::OkStatus();
}

absl::StatusOr<core::BlockTable> CellTable() {
  auto space = supernet::NasBench201({});
  if (!space.ok()) return space.status();
  core::BlockTable table;
  table.space = (*space)->name();
  for (const supernet::SpaceNode& n : (*space)->nodes()) table.nodes.push_back({n.name, n.candidates, n.reference});
  const auto cell = (*space)->cell();
  core::CellStructure& structure = table.structure.cell.emplace();
  structure.input = cell->input;
  structure.output = cell->output;
  for (const supernet::SpaceCell::Edge& e : cell->edges) structure.edges.push_back({e.node, e.from, e.to, e.none});
  return table;
}

// Layers in a chain: candidate j of a layer is its digit j.
core::BlockTable ChainTable(const std::vector<core::Choice>& choices) {
  core::BlockTable table;
  table.space = "digits";
  for (size_t i = 0; i < choices[0].size(); ++i) {
    int most = 0;
    for (const core::Choice& c : choices) most = std::max(most, c[i]);
    core::Node& node = table.nodes.emplace_back();
    node.name = fmt::format("layer{}", i + 1);
    for (int j = 0; j <= most; ++j) node.candidates.push_back(fmt::format("{}", j));
    node.reference = most;
  }
  return table;
}

// N~ has the block with the most FLOPs in every node (mathnas.md 1.1), where the space does not say it.
void LargestAsReference(core::BlockTable& table) {
  const core::Grid& flops = table.metrics.find(core::kFlopsMetric)->second.slices[0].values;
  for (size_t i = 0; i < flops.size(); ++i) {
    table.nodes[i].reference = static_cast<int>(std::max_element(flops[i].begin(), flops[i].end()) - flops[i].begin());
  }
}

}  // namespace

absl::StatusOr<Architectures> ReadNasBench201(const CsvTable& csv, const std::string& flops_column) {
  const absl::StatusOr<size_t> column = ArchitectureColumn(csv);
  if (!column.ok()) return column.status();
  absl::StatusOr<core::BlockTable> table = CellTable();
  if (!table.ok()) return table.status();
  Architectures read{.table = *std::move(table), .choices = {}, .names = {}};
  for (size_t row = 0; row < csv.row_count(); ++row) {
    const auto architecture = supernet::ParseArchitecture(csv.Field(row, *column));
    if (!architecture.ok()) return csv.Error(row, *column, std::string(architecture.status().message()));
    core::Choice& choice = read.choices.emplace_back();
    for (blocks::CellOp op : *architecture) choice.push_back(static_cast<int>(op));
    read.names.emplace_back(csv.Field(row, *column));
  }
  if (absl::Status status = AddFlops(csv, flops_column, read); !status.ok()) return status;
  return read;
}

absl::StatusOr<Architectures> ReadDigits(const CsvTable& csv, const std::string& flops_column) {
  const absl::StatusOr<size_t> column = ArchitectureColumn(csv);
  if (!column.ok()) return column.status();
  Architectures read;
  for (size_t row = 0; row < csv.row_count(); ++row) {
    const std::string_view field = csv.Field(row, *column);
    core::Choice& choice = read.choices.emplace_back();
    for (char c : field) choice.push_back(c - '0');
    const bool all_digits = std::all_of(field.begin(), field.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (field.empty() || !all_digits || choice.size() != read.choices[0].size()) {
      return csv.Error(row, *column, "digits, one per layer and as many as before");
    }
    read.names.emplace_back(field);
  }
  read.table = ChainTable(read.choices);
  if (absl::Status status = AddFlops(csv, flops_column, read); !status.ok()) return status;
  LargestAsReference(read.table);
  return read;
}

}  // namespace mathnas::replay
