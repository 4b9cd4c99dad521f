// The cell of NAS-Bench-201 (spec/search-spaces.md 2.2): four nodes, six edges, five operations.
#ifndef MATHNAS_BLOCKS_NASBENCH201_CELL_H_
#define MATHNAS_BLOCKS_NASBENCH201_CELL_H_

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "blocks/batch_norm.h"

namespace mathnas::blocks {

// In the order of the MathNAS codes.
enum class CellOp : uint8_t { kNone, kSkip, kConv1x1, kConv3x3, kAvgPool3x3 };
inline constexpr int kCellOps = 5;
inline constexpr std::array<std::string_view, kCellOps> kCellOpNames = {"none", "skip_connect", "nor_conv_1x1",
                                                                        "nor_conv_3x3", "avg_pool_3x3"};

// Edge e goes from node kCellEdges[e].from to node kCellEdges[e].to.
struct CellEdge {
  int to;
  int from;
};
inline constexpr int kCellNodes = 4;
inline constexpr std::array<CellEdge, 6> kCellEdges = {{{1, 0}, {2, 0}, {2, 1}, {3, 0}, {3, 1}, {3, 2}}};

// The operations of each edge: one for a network or a path through the supernet. With several, the edge is their mean.
using CellOps = std::array<std::vector<CellOp>, 6>;

// x{N,H,W,C} -> {N,H,W,C}. Node 0 is x, node t the sum over s < t of op(s -> t)(node s), in the order of s; the output
// is node
// 3. `edge_prefix(e, op)` names the parameters of an operation; each edge is a block BLOCK.e0 .. BLOCK.e5.
kernels::Value NasBench201Cell(kernels::Graph& g, kernels::Value x, std::string_view block, const CellOps& ops,
                               absl::FunctionRef<std::string(int edge, CellOp op)> edge_prefix, Mode mode,
                               const NormOptions& norm);

}  // namespace mathnas::blocks

#endif  // MATHNAS_BLOCKS_NASBENCH201_CELL_H_
