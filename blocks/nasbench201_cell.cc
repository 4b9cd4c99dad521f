#include "blocks/nasbench201_cell.h"

#include "blocks/relu_conv_bn.h"
#include "fmt/format.h"

namespace mathnas::blocks {
namespace {

using kernels::Graph;
using kernels::Value;
using kernels::Values;

Value EdgeOp(Graph& g, Value x, CellOp op, const std::string& prefix, Mode mode, const NormOptions& norm) {
  if (!x.valid()) return x;
  const int64_t channels = g.desc(x).shape[3];
  switch (op) {
    case CellOp::kNone:
      return g.Apply(kernels::Zero{}, {x})[0];
    case CellOp::kSkip:
      return x;
    case CellOp::kConv1x1:
      return ReluConvBn(g, x, prefix, channels, 1, 1, mode, norm);
    case CellOp::kConv3x3:
      return ReluConvBn(g, x, prefix, channels, 3, 1, mode, norm);
    case CellOp::kAvgPool3x3:
      return g.Apply(kernels::AvgPool2d{.kernel = 3, .stride = 1, .padding = 1, .include_padding = false}, {x})[0];
  }
  return Value{};
}

}  // namespace

Value NasBench201Cell(Graph& g, Value x, std::string_view block, const CellOps& ops,
                      absl::FunctionRef<std::string(int, CellOp)> edge_prefix, Mode mode, const NormOptions& norm) {
  std::array<Value, kCellNodes> nodes = {x};
  Values terms;
  for (int e = 0; e < static_cast<int>(kCellEdges.size()); ++e) {
    const auto [to, from] = kCellEdges[e];
    g.SetBlock(fmt::format("{}.e{}", block, e));
    Values candidates;
    for (CellOp op : ops[e]) candidates.push_back(EdgeOp(g, nodes[from], op, edge_prefix(e, op), mode, norm));
    if (candidates.size() == 1) {
      terms.push_back(candidates[0]);
    } else {
      const Value sum = g.Apply(kernels::Add{}, candidates)[0];
      terms.push_back(g.Apply(kernels::Scale{1.0 / static_cast<double>(candidates.size())}, {sum})[0]);
    }
    if (from == to - 1) {  // the last edge into this node
      nodes[to] = terms.size() == 1 ? terms[0] : g.Apply(kernels::Add{}, terms)[0];
      terms.clear();
    }
  }
  return nodes[kCellNodes - 1];
}

}  // namespace mathnas::blocks
