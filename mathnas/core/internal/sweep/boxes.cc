#include "mathnas/core/internal/sweep/boxes.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::core::internal {
namespace {

constexpr double kMaxBoxes = 1e6;

using Mask = std::vector<std::vector<bool>>;

// Replaces every box by those in which the group is cut at each of its places, or nowhere.
void Cut(const DepthGroup& group, const Mask& allowed, std::vector<Box>& boxes) {
  std::vector<Box> parts;
  const auto size = group.nodes.size();
  for (const Box& box : boxes) {
    for (size_t at = 0; at <= size; ++at) {
      Box part = box;
      bool possible = at == size || group.absent[at] != DepthGroup::kCannotBeCut;
      for (size_t p = 0; possible && p < size; ++p) {
        const int absent = group.absent[p];
        std::vector<int>& candidates = part.candidates[group.nodes[p]];
        if (p < at) {
          std::erase(candidates, absent);
        } else if (p == at) {
          candidates = std::vector<int>(std::count(candidates.begin(), candidates.end(), absent) > 0 ? 1 : 0, absent);
        } else {
          candidates = std::vector<int>(allowed[group.nodes[p]][absent] ? 1 : 0, absent);
          part.contributes[group.nodes[p]] = false;
        }
        possible = !candidates.empty();
      }
      if (possible) parts.push_back(std::move(part));
    }
  }
  boxes = std::move(parts);
}

// Replaces every box by those of each set of carrying edges in which all are live.
void Carry(const CellStructure& cell, std::vector<Box>& boxes) {
  std::vector<Box> parts;
  for (const Box& box : boxes) {
    for (uint32_t carrying = 0; carrying < uint32_t{1} << cell.edges.size(); ++carrying) {
      if (!IsConnected(cell, carrying) || LiveEdges(cell, carrying) != carrying) continue;
      Box part = box;
      bool possible = true;
      for (size_t e = 0; possible && e < cell.edges.size(); ++e) {
        const int none = cell.edges[e].none;
        std::vector<int>& candidates = part.candidates[cell.edges[e].node];
        if ((carrying >> e & 1) != 0) {
          std::erase(candidates, none);
        } else {
          candidates = std::vector<int>(std::count(candidates.begin(), candidates.end(), none) > 0 ? 1 : 0, none);
        }
        possible = !candidates.empty();
      }
      if (possible) parts.push_back(std::move(part));
    }
  }
  boxes = std::move(parts);
}

}  // namespace

absl::StatusOr<std::vector<Box>> Boxes(const BlockTable& table, const NetworkFilter& filter, const Mask& measured) {
  double most = 1;
  for (const DepthGroup& group : table.structure.depth) most *= static_cast<double>(group.nodes.size() + 1);
  if (const auto& cell = table.structure.cell) most *= static_cast<double>(uint32_t{1} << cell->edges.size());
  if (most > kMaxBoxes) {
    return absl::ResourceExhaustedError(fmt::format(
        "structure: expected at most {:.0e} ways to cut depth groups and edges, found {:.3g}", kMaxBoxes, most));
  }
  Box whole = {.contributes = std::vector<bool>(table.nodes.size(), true)};
  for (size_t i = 0; i < table.nodes.size(); ++i) {
    whole.candidates.emplace_back();
    for (size_t j = 0; j < table.nodes[i].candidates.size(); ++j) {
      if (filter.candidates[i][j] && measured[i][j]) whole.candidates[i].push_back(static_cast<int>(j));
    }
  }
  std::vector<Box> boxes = {std::move(whole)};
  for (const DepthGroup& group : table.structure.depth) Cut(group, filter.candidates, boxes);
  if (const auto& cell = table.structure.cell) Carry(*cell, boxes);
  std::erase_if(boxes, [](const Box& box) {
    return std::any_of(box.candidates.begin(), box.candidates.end(), [](const auto& row) { return row.empty(); });
  });
  return boxes;
}

}  // namespace mathnas::core::internal
