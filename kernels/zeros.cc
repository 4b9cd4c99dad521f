#include "kernels/zeros.h"

#include <algorithm>
#include <utility>

namespace mathnas::kernels {
namespace {

// Whether zeros in the first input make zeros of the output.
bool KeepsZero(const Operator& op) {
  if (const auto* conv = std::get_if<Conv2d>(&op)) return !conv->has_bias && !conv->has_addend;
  return std::holds_alternative<Relu>(op) || std::holds_alternative<Scale>(op) || std::holds_alternative<Convert>(op) ||
         std::holds_alternative<Dropout>(op) ||  //
         std::holds_alternative<AvgPool2d>(op) || std::holds_alternative<GlobalAvgPool>(op);
}

}  // namespace

ReducedGraph FollowZeros(const Graph& graph) {
  ReducedGraph reduced;
  const size_t values = graph.values().size();
  reduced.nodes.reserve(graph.nodes().size());
  reduced.stands_for.reserve(values);
  for (size_t i = 0; i < values; ++i) reduced.stands_for.push_back(Value{static_cast<int32_t>(i)});
  std::vector<bool> zero(values, false);
  for (const Graph::Node& node : graph.nodes()) {
    ReducedNode item = {node.op, {}, node.outputs, node.block};
    for (Value v : node.inputs) item.inputs.push_back(reduced[v]);
    bool is_zero = std::holds_alternative<Zero>(node.op);
    if (std::holds_alternative<Add>(node.op)) {
      const auto is_zero_term = [&](Value v) { return zero[v.id]; };
      item.inputs.erase(std::remove_if(item.inputs.begin(), item.inputs.end(), is_zero_term), item.inputs.end());
      is_zero = item.inputs.empty();
      // A state may be another one by the time that the sum is read.
      if (item.inputs.size() == 1 && graph.info(graph.LeafOf(item.inputs[0])).kind != ValueKind::kState) {
        reduced.stands_for[node.outputs[0].id] = item.inputs[0];
      }
    } else if (const auto* sum = std::get_if<NormalizedSum>(&node.op)) {
      const auto is_zero_term = [&](Value v) { return zero[v.id]; };
      const auto addends = item.inputs.begin() + static_cast<ptrdiff_t>(sum->term_inputs());
      item.inputs.erase(std::remove_if(addends, item.inputs.end(), is_zero_term), item.inputs.end());
    } else if (const auto* fill = std::get_if<Fill>(&node.op)) {
      is_zero = fill->value == 0;
    } else if (KeepsZero(node.op)) {
      is_zero = zero[item.inputs[0].id];
    }
    if (is_zero) {
      zero[node.outputs[0].id] = true;
      item.op = Fill{.value = 0, .shape = graph.desc(node.outputs[0]).shape};
      item.inputs.clear();
    }
    reduced.nodes.push_back(std::move(item));
  }
  return reduced;
}

}  // namespace mathnas::kernels
