// The cell of NAS-Bench-201 as a table, and a truth that is made up of what its ways from input to output do.
#ifndef MATHNAS_TESTS_CORE_CELLS_H_
#define MATHNAS_TESTS_CORE_CELLS_H_

#include <algorithm>
#include <cmath>
#include <vector>

#include "mathnas/core/block_table.h"
#include "tables.h"

namespace mathnas::core::testing {

enum Op { kNoEdge, kSkip, kConv1, kConv3, kPool };

// tables.h has no structure.
inline BlockTable CellTable() {
  BlockTable table = NasBench201();
  table.structure.cell =
      CellStructure{.edges = {{0, 0, 1, 0}, {1, 0, 2, 0}, {2, 1, 2, 0}, {3, 0, 3, 0}, {4, 1, 3, 0}, {5, 2, 3, 0}},
                    .input = 0,
                    .output = 3};
  return table;
}

inline std::vector<Choice> AllChoices(const BlockTable& table) {
  std::vector<Choice> all = {Choice()};
  for (const Node& node : table.nodes) {
    std::vector<Choice> longer;
    for (const Choice& choice : all) {
      for (int j = 0; j < std::ssize(node.candidates); ++j) {
        longer.push_back(choice);
        longer.back().push_back(j);
      }
    }
    all = std::move(longer);
  }
  return all;
}

// Operations on the ways from input to output that no missing edge cuts, spelled out for this cell.
inline std::vector<std::vector<int>> OpenWays(const Choice& c) {
  std::vector<std::vector<int>> ways;
  for (const std::vector<int>& way : {std::vector{3}, {0, 4}, {1, 5}, {0, 2, 5}}) {
    std::vector<int> operations;
    for (int e : way) operations.push_back(c[e]);
    if (std::count(operations.begin(), operations.end(), kNoEdge) == 0) ways.push_back(operations);
  }
  return ways;
}

// In per cent. Convolutions help less and less, in depth more than in width; pooling hurts where no way avoids it; a
// cell that is cut is at chance.
inline double MadeUpAccuracy(const Choice& choice) {
  const auto ways = OpenWays(choice);
  if (ways.empty()) return 10;
  double depth = 0, work = 0, clean = 0, skip = 0;
  for (const auto& way : ways) {
    double convolutions = 0, pools = 0, skips = 0;
    for (int o : way) {
      convolutions += o == kConv3 ? 1 : o == kConv1 ? 0.6 : 0;
      pools += o == kPool;
      skips += o == kSkip;
    }
    depth = std::max(depth, convolutions);
    work += convolutions;
    clean = std::max(clean, pools == 0 ? 1.0 : 0.0);
    skip = std::max(skip, skips == static_cast<double>(way.size()) ? 1.0 : 0.0);
  }
  return 100 - 60 * std::exp(-0.7 * depth - 0.15 * work - 0.3 * clean - 0.2 * skip);
}

}  // namespace mathnas::core::testing

#endif  // MATHNAS_TESTS_CORE_CELLS_H_
