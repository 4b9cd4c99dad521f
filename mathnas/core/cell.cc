#include "mathnas/core/cell.h"

#include <set>

namespace mathnas::core {
namespace {

bool Carries(uint32_t carrying, size_t edge) { return (carrying >> edge & 1) != 0; }

// Vertices with a way from the input (forward) or to the output.
std::set<int> Reached(const CellStructure& cell, uint32_t carrying, bool forward) {
  std::set<int> reached = {forward ? cell.input : cell.output};
  for (bool grown = true; grown;) {
    grown = false;
    for (size_t e = 0; e < cell.edges.size(); ++e) {
      const int start = forward ? cell.edges[e].from : cell.edges[e].to;
      const int end = forward ? cell.edges[e].to : cell.edges[e].from;
      if (Carries(carrying, e) && reached.contains(start)) grown |= reached.insert(end).second;
    }
  }
  return reached;
}

}  // namespace

uint32_t LiveEdges(const CellStructure& cell, uint32_t carrying) {
  const std::set<int> from_input = Reached(cell, carrying, true), to_output = Reached(cell, carrying, false);
  uint32_t live = 0;
  for (size_t e = 0; e < cell.edges.size(); ++e) {
    const bool is_live = from_input.contains(cell.edges[e].from) && to_output.contains(cell.edges[e].to);
    if (Carries(carrying, e) && is_live) live |= uint32_t{1} << e;
  }
  return live;
}

uint32_t CarryingEdges(const CellStructure& cell, const std::vector<int>& choice) {
  uint32_t carrying = 0;
  for (size_t e = 0; e < cell.edges.size(); ++e) {
    if (choice[cell.edges[e].node] != cell.edges[e].none) carrying |= uint32_t{1} << e;
  }
  return carrying;
}

bool IsConnected(const CellStructure& cell, uint32_t carrying) {
  return Reached(cell, carrying, true).contains(cell.output);
}

}  // namespace mathnas::core
