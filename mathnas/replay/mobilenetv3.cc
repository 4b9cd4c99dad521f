// Once-for-all MobileNetV3 (search-spaces.md 3): layer slots as nodes, and what they cost.
#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/replay/architectures.h"
#include "supernet/mobilenetv3/architecture.h"

namespace mathnas::replay {

using exchange::CsvTable;

namespace {

using supernet::mobilenetv3::Architecture;
using supernet::mobilenetv3::kDepths;
using supernet::mobilenetv3::kExpansions;
using supernet::mobilenetv3::kKernels;
using supernet::mobilenetv3::kStages;
using supernet::mobilenetv3::Widths;

constexpr int kSlots = supernet::mobilenetv3::kStageBlocks, kLeastDepth = kDepths.front();
// Candidates of a slot: kernel * 3 + expansion, the last one the largest.
constexpr int kBlocks = static_cast<int>(kKernels.size() * kExpansions.size());
constexpr int kAbsent = kBlocks;  // of the third and fourth slot of a stage

// ---- MACs

// In MMAC: convolutions and linear layers, without bias. values[slot][block], and the stem and head.
struct Macs {
  core::Grid blocks;
  double fixed;
};
Macs CountMacs(const Widths& widths, int64_t resolution) {
  constexpr double kMega = 1e6;
  Macs macs;
  int64_t side = (resolution + 1) / 2;
  int64_t fixed = side * side * widths.first * (3 * 9 + 9 + widths.first);  // first_conv, block 0: depthwise and 1x1
  for (int block = 0; block < supernet::mobilenetv3::kBlocks; ++block) {
    int64_t after = 0;
    std::vector<double>& row = macs.blocks.emplace_back();
    for (const int64_t kernel : kKernels) {
      for (const int expansion : kExpansions) {
        const auto shape = supernet::mobilenetv3::ShapeOf(widths, block, expansion);
        after = (side + shape.stride - 1) / shape.stride;
        const int64_t count = side * side * shape.in * shape.mid +
                              after * after * shape.mid * (kernel * kernel + shape.out) + 2 * shape.mid * shape.squeeze;
        row.push_back(static_cast<double>(count) / kMega);
      }
    }
    if (block % kSlots >= kLeastDepth) row.push_back(0);
    side = after;
  }
  fixed += side * side * widths.stages.back() * widths.final_expand + widths.final_expand * widths.feature_mix +
           widths.feature_mix * 1000;
  macs.fixed = static_cast<double>(fixed) / kMega;
  return macs;
}

// ---- columns

// The numbers of a cell, `count` of them.
absl::StatusOr<std::vector<int>> Numbers(const CsvTable& csv, size_t row, size_t column, size_t count) {
  const std::string_view field = csv.Field(row, column);
  std::vector<int> numbers;
  const char* const end = field.data() + field.size();
  for (const char* at = field.data(); at != end;) {
    if (*at == ' ') {
      ++at;
      continue;
    }
    const auto [next, error] = std::from_chars(at, end, numbers.emplace_back());
    if (error != std::errc() || (next != end && *next != ' ')) return csv.Error(row, column, "whole numbers");
    at = next;
  }
  if (numbers.size() == count) return numbers;
  return csv.Error(row, column, fmt::format("{} numbers separated by spaces", count));
}

// The resolutions of the file, by row; empty if it does not have the column.
absl::StatusOr<std::vector<int>> Resolutions(const CsvTable& csv) {
  std::vector<int> resolutions;
  const absl::StatusOr<size_t> column = csv.Column("resolution");
  if (!column.ok()) return resolutions;
  for (size_t row = 0; row < csv.row_count(); ++row) {
    const absl::StatusOr<std::vector<int>> number = Numbers(csv, row, *column, 1);
    if (!number.ok()) return number.status();
    if ((*number)[0] < 32 || (*number)[0] > 1024) return csv.Error(row, *column, "32 to 1024 pixels");
    resolutions.push_back((*number)[0]);
  }
  return resolutions;
}

absl::StatusOr<Architecture> ReadArchitecture(const CsvTable& csv, size_t row, const std::array<size_t, 3>& columns) {
  Architecture architecture;
  const std::span<int> parts[] = {architecture.d, architecture.ks, architecture.e};
  for (size_t p = 0; p < columns.size(); ++p) {
    const absl::StatusOr<std::vector<int>> numbers = Numbers(csv, row, columns[p], parts[p].size());
    if (!numbers.ok()) return numbers.status();
    std::copy(numbers->begin(), numbers->end(), parts[p].begin());
  }
  for (int stage = 0; stage < kStages; ++stage) {
    if (architecture.d[stage] < kLeastDepth || architecture.d[stage] > kSlots) {
      return csv.Error(row, columns[0], fmt::format("depths from {} to {}", kLeastDepth, kSlots));
    }
    for (int slot = 0; slot < architecture.d[stage]; ++slot) {
      const int block = stage * kSlots + slot;
      if (std::find(kKernels.begin(), kKernels.end(), architecture.ks[block]) == kKernels.end()) {
        return csv.Error(row, columns[1], fmt::format("3, 5 or 7 in layer {} of stage {}", slot + 1, stage + 1));
      }
      if (std::find(kExpansions.begin(), kExpansions.end(), architecture.e[block]) == kExpansions.end()) {
        return csv.Error(row, columns[2], fmt::format("3, 4 or 6 in layer {} of stage {}", slot + 1, stage + 1));
      }
    }
  }
  return Canonical(architecture);
}

core::Choice ChoiceOf(const Architecture& architecture) {
  core::Choice choice;
  for (int block = 0; block < supernet::mobilenetv3::kBlocks; ++block) {
    const auto kernel = std::find(kKernels.begin(), kKernels.end(), architecture.ks[block]) - kKernels.begin();
    const auto expansion =
        std::find(kExpansions.begin(), kExpansions.end(), architecture.e[block]) - kExpansions.begin();
    choice.push_back(architecture.runs(block) ? static_cast<int>(kernel * std::ssize(kExpansions) + expansion)
                                              : kAbsent);
  }
  return choice;
}

// ---- nodes

void AddSlots(core::BlockTable& table) {
  for (int stage = 0; stage < kStages; ++stage) {
    core::DepthGroup& group = table.structure.depth.emplace_back();
    for (int slot = 0; slot < kSlots; ++slot) {
      group.nodes.push_back(static_cast<int>(table.nodes.size()));
      group.absent.push_back(slot < kLeastDepth ? core::DepthGroup::kCannotBeCut : kAbsent);
      core::Node& node = table.nodes.emplace_back();
      node.name = fmt::format("stage{}.layer{}", stage + 1, slot + 1);
      for (const int kernel : kKernels) {
        for (const int expansion : kExpansions) node.candidates.push_back(fmt::format("k{}e{}", kernel, expansion));
      }
      node.reference = kBlocks - 1;
      if (slot >= kLeastDepth) node.candidates.emplace_back("absent");
    }
  }
}

void AddFlops(const Widths& widths, int resolution, core::BlockTable& table) {
  Macs macs = CountMacs(widths, resolution);
  core::Metric& flops = table.metrics[std::string(core::kFlopsMetric)];
  flops.unit = "MMAC";
  flops.slices = {{.base = macs.fixed, .values = std::move(macs.blocks)}};
}

}  // namespace

absl::StatusOr<Architectures> ReadMobileNetV3(const CsvTable& csv, double width) {
  const absl::StatusOr<Widths> widths = supernet::mobilenetv3::WidthsOf(width);
  if (!widths.ok()) return widths.status();
  std::array<size_t, 3> columns{};
  const std::string_view names[] = {"d", "ks", "e"};
  for (size_t p = 0; p < columns.size(); ++p) {
    const absl::StatusOr<size_t> column = csv.Column(names[p]);
    if (!column.ok()) return column.status();
    columns[p] = *column;
  }
  const absl::StatusOr<std::vector<int>> resolutions = Resolutions(csv);
  if (!resolutions.ok()) return resolutions.status();
  Architectures read;
  read.table.space = "mobilenetv3";
  AddSlots(read.table);
  const std::set<int> values(resolutions->begin(), resolutions->end());
  if (values.size() > 1) {
    core::Node& node = read.table.nodes.emplace_back();
    node.name = "resolution";
    for (const int value : values) node.candidates.push_back(fmt::format("{}", value));
    node.reference = static_cast<int>(values.size()) - 1;
  } else {
    AddFlops(*widths, values.empty() ? supernet::mobilenetv3::kDefaultResolution : *values.begin(), read.table);
  }
  for (size_t row = 0; row < csv.row_count(); ++row) {
    absl::StatusOr<Architecture> architecture = ReadArchitecture(csv, row, columns);
    if (!architecture.ok()) return architecture.status();
    if (!resolutions->empty()) architecture->resolution = (*resolutions)[row];
    read.choices.push_back(ChoiceOf(*architecture));
    if (values.size() > 1) {
      const auto value = values.find(architecture->resolution);
      read.choices.back().push_back(static_cast<int>(std::distance(values.begin(), value)));
    }
    read.names.push_back(ToJson(*architecture));
  }
  return read;
}

}  // namespace mathnas::replay
