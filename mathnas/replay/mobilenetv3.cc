// Once-for-all MobileNetV3 (search-spaces.md 3): layer slots as nodes, and what they cost.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "mathnas/replay/architectures.h"

namespace mathnas::replay {

using exchange::CsvTable;

namespace {

constexpr int kStages = 5, kSlots = 4, kLeastDepth = 2;
constexpr std::array<int, 3> kKernels = {3, 5, 7};
constexpr std::array<int, 3> kExpansions = {3, 4, 6};
constexpr int kBlocks = 9;        // candidates of a slot: kernel * 3 + expansion, the last one the largest
constexpr int kAbsent = kBlocks;  // of the third and fourth slot of a stage
constexpr int kPlain = 224;       // pixels, where the file does not say

// ---- MACs

// search-spaces.md 1.1.
int64_t MakeDivisible(double v) {
  constexpr int64_t kDivisor = 8;
  const int64_t near = std::max(kDivisor, static_cast<int64_t>(v + kDivisor / 2.0) / kDivisor * kDivisor);
  return static_cast<double>(near) < 0.9 * v ? near + kDivisor : near;
}

struct Stage {
  int64_t width;  // at width factor 1.0
  int64_t stride;
  bool squeeze_excite;
};
constexpr Stage kStage[kStages] = {{24, 2, false}, {40, 2, true}, {80, 2, false}, {112, 1, true}, {160, 2, true}};

// In MMAC: convolutions and linear layers, without bias. values[slot][block], and the stem and head.
struct Macs {
  core::Grid blocks;
  double fixed;
};
Macs CountMacs(double factor, int64_t resolution) {
  constexpr double kMega = 1e6;
  const auto width = [&](int64_t base) { return MakeDivisible(static_cast<double>(base) * factor); };
  Macs macs;
  int64_t side = (resolution + 1) / 2;
  int64_t in = width(16);
  int64_t fixed = side * side * in * (3 * 9 + 9 + in);  // first_conv, block 0: depthwise and 1x1
  for (const Stage& stage : kStage) {
    const int64_t out = width(stage.width);
    for (int slot = 0; slot < kSlots; ++slot) {
      const int64_t stride = slot == 0 ? stage.stride : 1;
      const int64_t after = (side + stride - 1) / stride;
      std::vector<double>& row = macs.blocks.emplace_back();
      for (const int64_t kernel : kKernels) {
        for (const int64_t expansion : kExpansions) {
          const int64_t mid = MakeDivisible(static_cast<double>(in * expansion));
          int64_t count = side * side * in * mid + after * after * mid * (kernel * kernel + out);
          if (stage.squeeze_excite) count += 2 * mid * MakeDivisible(static_cast<double>(mid / 4));
          row.push_back(static_cast<double>(count) / kMega);
        }
      }
      if (slot >= kLeastDepth) row.push_back(0);
      side = after;
      in = out;
    }
  }
  fixed += side * side * in * width(960) + width(960) * width(1280) + width(1280) * 1000;
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

struct Subnet {
  std::vector<int> d, ks, e;
  int resolution = kPlain;
};

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

absl::StatusOr<Subnet> ReadSubnet(const CsvTable& csv, size_t row, const std::array<size_t, 3>& columns) {
  Subnet subnet;
  std::vector<int>* const parts[] = {&subnet.d, &subnet.ks, &subnet.e};
  for (size_t p = 0; p < columns.size(); ++p) {
    absl::StatusOr<std::vector<int>> numbers = Numbers(csv, row, columns[p], p == 0 ? kStages : kStages * kSlots);
    if (!numbers.ok()) return numbers.status();
    *parts[p] = *std::move(numbers);
  }
  for (int stage = 0; stage < kStages; ++stage) {
    if (subnet.d[stage] < kLeastDepth || subnet.d[stage] > kSlots) {
      return csv.Error(row, columns[0], fmt::format("depths from {} to {}", kLeastDepth, kSlots));
    }
    for (int slot = 0; slot < kSlots; ++slot) {
      int& kernel = subnet.ks[stage * kSlots + slot];
      int& expansion = subnet.e[stage * kSlots + slot];
      if (slot >= subnet.d[stage]) {
        kernel = kKernels[0];  // a place holder
        expansion = kExpansions[0];
        continue;
      }
      if (std::find(kKernels.begin(), kKernels.end(), kernel) == kKernels.end()) {
        return csv.Error(row, columns[1], fmt::format("3, 5 or 7 in layer {} of stage {}", slot + 1, stage + 1));
      }
      if (std::find(kExpansions.begin(), kExpansions.end(), expansion) == kExpansions.end()) {
        return csv.Error(row, columns[2], fmt::format("3, 4 or 6 in layer {} of stage {}", slot + 1, stage + 1));
      }
    }
  }
  return subnet;
}

core::Choice ChoiceOf(const Subnet& subnet) {
  core::Choice choice;
  for (int stage = 0; stage < kStages; ++stage) {
    for (int slot = 0; slot < kSlots; ++slot) {
      const int i = stage * kSlots + slot;
      const auto kernel = std::find(kKernels.begin(), kKernels.end(), subnet.ks[i]) - kKernels.begin();
      const auto expansion = std::find(kExpansions.begin(), kExpansions.end(), subnet.e[i]) - kExpansions.begin();
      choice.push_back(slot < subnet.d[stage] ? static_cast<int>(kernel * std::ssize(kExpansions) + expansion)
                                              : kAbsent);
    }
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

void AddFlops(double width, int resolution, core::BlockTable& table) {
  Macs macs = CountMacs(width, resolution);
  core::Metric& flops = table.metrics[std::string(core::kFlopsMetric)];
  flops.unit = "MMAC";
  flops.slices = {{.base = macs.fixed, .values = std::move(macs.blocks)}};
}

}  // namespace

absl::StatusOr<Architectures> ReadMobileNetV3(const CsvTable& csv, double width) {
  if (width != 1.0 && width != 1.2) {
    return absl::InvalidArgumentError(fmt::format("width: expected 1.0 or 1.2, found {}", width));
  }
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
    AddFlops(width, values.empty() ? kPlain : *values.begin(), read.table);
  }
  for (size_t row = 0; row < csv.row_count(); ++row) {
    absl::StatusOr<Subnet> subnet = ReadSubnet(csv, row, columns);
    if (!subnet.ok()) return subnet.status();
    if (!resolutions->empty()) subnet->resolution = (*resolutions)[row];
    read.choices.push_back(ChoiceOf(*subnet));
    if (values.size() > 1) {
      read.choices.back().push_back(static_cast<int>(std::distance(values.begin(), values.find(subnet->resolution))));
    }
    read.names.push_back(fmt::format(R"({{"ks":[{}],"e":[{}],"d":[{}],"resolution":{}}})", fmt::join(subnet->ks, ","),
                                     fmt::join(subnet->e, ","), fmt::join(subnet->d, ","), subnet->resolution));
  }
  return read;
}

}  // namespace mathnas::replay
