// Spaces whose nodes are the edges of a small graph (NAS-Bench-201): an edge that carries nothing is as good as `none`.
#ifndef MATHNAS_CORE_CELL_H_
#define MATHNAS_CORE_CELL_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace mathnas::core {

// Structure kind "cell". Node `node` of the table is the edge from vertex `from` to vertex `to` > `from`; its candidate
// `none` passes nothing on. An edge is live if there is a way from `input` to its start and from its end to `output`
// without `none`. Networks that differ in dead edges alone are one network, in which these are `none`; a network
// without any way from `input` to `output` computes nothing and is not in the space.
struct CellStructure {
  static constexpr int kMaxEdges = 16;
  struct Edge {
    int node = 0;
    int from = 0;
    int to = 0;
    int none = 0;  // candidate
  };
  std::vector<Edge> edges;
  int input = 0;
  int output = 0;
  std::map<std::string, std::string> extensions = {};  // as everywhere in a table
};

// Bit e of the result: edge e is live, given the edges that are not `none` (bit e of `carrying`).
uint32_t LiveEdges(const CellStructure& cell, uint32_t carrying);
// Bit e: edge e is not `none` in this choice of the table's nodes.
uint32_t CarryingEdges(const CellStructure& cell, const std::vector<int>& choice);
// Whether anything gets from input to output.
bool IsConnected(const CellStructure& cell, uint32_t carrying);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_CELL_H_
