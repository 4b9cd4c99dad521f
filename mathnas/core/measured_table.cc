#include "mathnas/core/measured_table.h"

#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::core {
namespace {

absl::Status Expected(size_t slice, std::string_view field, std::string_view expected, std::string_view found) {
  return absl::InvalidArgumentError(fmt::format("slices[{}].{}: expected {}, found {}", slice, field, expected, found));
}

absl::Status CheckShape(const BlockTable& table, const SwitchMeasurements& slice, size_t s) {
  if (absl::Status status = CheckChoice(table, slice.average); !status.ok()) {
    return absl::InvalidArgumentError(fmt::format("slices[{}].average: {}", s, std::string(status.message())));
  }
  if (slice.switched.size() != table.nodes.size()) {
    return Expected(s, "switched", fmt::format("{} rows, one per node", table.nodes.size()),
                    fmt::format("{}", slice.switched.size()));
  }
  for (size_t i = 0; i < slice.switched.size(); ++i) {
    const size_t candidates = table.nodes[i].candidates.size();
    if (slice.switched[i].size() == candidates) continue;
    return Expected(s, fmt::format("switched[{}]", i), fmt::format("{} entries, one per candidate", candidates),
                    fmt::format("{}", slice.switched[i].size()));
  }
  if (!std::isfinite(slice.average_value)) {
    return Expected(s, "average_value", "a finite number", fmt::format("{}", slice.average_value));
  }
  return absl::OkStatus();
}

// `none` on an edge of a cell can leave other edges dead, and what was measured is all of them together. Leaves the
// edge's own share in values[node][none], so that the sum over the dead edges is what was measured.
void SeparateDeadEdges(const BlockTable& table, const SwitchMeasurements& slice, Grid& values) {
  const CellStructure& cell = *table.structure.cell;
  const uint32_t carrying = CarryingEdges(cell, slice.average);
  uint32_t separated = 0;
  for (bool progress = true; progress;) {
    progress = false;
    for (size_t e = 0; e < cell.edges.size(); ++e) {
      const uint32_t self = uint32_t{1} << e;
      if ((carrying & self) == 0 || (separated & self) != 0) continue;
      const uint32_t others = carrying & ~self & ~LiveEdges(cell, carrying & ~self);
      if ((others & ~separated) != 0) continue;  // these first
      double& own = values[cell.edges[e].node][cell.edges[e].none];
      for (size_t o = 0; o < cell.edges.size(); ++o) {
        if ((others >> o & 1) != 0) own -= values[cell.edges[o].node][cell.edges[o].none] - slice.average_value;
      }
      separated |= self;
      progress = true;
    }
  }
}

// Measured values with those of N^avg itself filled in.
Grid Filled(const BlockTable& table, const SwitchMeasurements& slice) {
  Grid values = slice.switched;
  for (size_t i = 0; i < values.size(); ++i) values[i][slice.average[i]] = slice.average_value;
  if (table.structure.cell) SeparateDeadEdges(table, slice, values);
  return values;
}

MetricSlice CostSlice(const BlockTable& table, const SwitchMeasurements& measured) {
  MetricSlice slice{.base = measured.average_value, .values = Filled(table, measured)};
  for (auto& row : slice.values) {
    for (double& value : row) value -= measured.average_value;
  }
  return slice;
}

absl::StatusOr<MetricSlice> SavingSlice(const BlockTable& table, const SwitchMeasurements& measured, size_t s) {
  if (!std::isfinite(measured.base_value)) {
    return Expected(s, "base_value", "a finite number", fmt::format("{}", measured.base_value));
  }
  MetricSlice slice{.base = measured.base_value, .values = Filled(table, measured)};
  for (size_t i = 0; i < slice.values.size(); ++i) {
    const double reference = slice.values[i][table.nodes[i].reference];
    if (!std::isfinite(reference)) {
      return Expected(s, fmt::format("switched[{}][{}]", i, table.nodes[i].reference),
                      "a finite number for the reference candidate", fmt::format("{}", reference));
    }
    for (double& value : slice.values[i]) value = reference - value;
  }
  return slice;
}

}  // namespace

absl::StatusOr<Metric> MetricFromSwitches(const BlockTable& table, Metric metric,
                                          const std::vector<SwitchMeasurements>& slices) {
  if (std::ssize(slices) != table.SharedCount()) {
    return absl::InvalidArgumentError(
        fmt::format("slices: expected {}, one per shared value, found {}", table.SharedCount(), slices.size()));
  }
  metric.form = metric.goal == Goal::kMax ? Form::kSaving : Form::kCost;
  metric.slices.clear();
  for (size_t s = 0; s < slices.size(); ++s) {
    if (absl::Status status = CheckShape(table, slices[s], s); !status.ok()) return status;
    absl::StatusOr<MetricSlice> slice =
        metric.goal == Goal::kMax ? SavingSlice(table, slices[s], s) : CostSlice(table, slices[s]);
    if (!slice.ok()) return slice.status();
    slice->samples = slices[s].samples;
    slice->stddev = slices[s].stddev;
    metric.slices.push_back(*std::move(slice));
  }
  return metric;
}

}  // namespace mathnas::core
