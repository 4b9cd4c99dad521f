#include "kernels/recompute.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace mathnas::kernels {
namespace {

// Takes the time of reading and writing its operands once.
template <typename... Ops>
bool IsOneOf(const Operator& op) {
  return (std::holds_alternative<Ops>(op) || ...);
}
bool IsCheap(const Operator& op) {
  return IsOneOf<BatchNormTraining, NormalizedSum, LayerNorm, Relu, HardSwish, HardSigmoid, Swish, Add, Scale,
                 ScaleChannels, LayerScale, Dropout, Concat, Part, Convert>(op);
}

class Recomputer {
 public:
  Recomputer(const Graph& graph, size_t forward, absl::Span<const Value> kept, Recomputed what)
      : graph_(graph),
        forward_(forward),
        what_(what),
        stays_(graph.values().size(), true),
        again_(graph.values().size()) {
    result_.values.resize(graph.values().size());
    ChooseWhatStays(kept);
  }

  FusedGraph Run() {
    Graph& g = result_.graph = Graph(graph_.real());
    if (!graph_.status().ok()) g.Fail(graph_.status());
    for (const std::string& block : graph_.blocks()) g.SetBlock(block);
    for (size_t i = 0; i < graph_.values().size(); ++i) {
      if (graph_.values()[i].kind != ValueKind::kComputed) result_.values[i] = g.CopyLeaf(graph_.values()[i]);
    }
    for (size_t n = 0; n < graph_.nodes().size() && g.status().ok(); ++n) {
      if (n == forward_) g.ForgetNodes();
      const Graph::Node& node = graph_.nodes()[n];
      Values inputs;
      for (Value v : node.inputs) inputs.push_back(n < forward_ ? result_[v] : InBackward(v));
      const Values outputs = Apply(node.op, inputs, node.block);
      for (size_t i = 0; i < node.outputs.size(); ++i) result_.values[node.outputs[i].id] = outputs[i];
    }
    g.SetBlock("");
    for (size_t i = 0; i < graph_.values().size(); ++i) {
      const Graph::ValueInfo& info = graph_.values()[i];
      if (info.kind == ValueKind::kComputed && !info.name.empty()) g.SetName(result_.values[i], info.name);
    }
    return std::move(result_);
  }

 private:
  const Graph::Node* NodeOf(Value v) const {
    const int32_t node = graph_.info(v).node;
    return node < 0 ? nullptr : &graph_.nodes()[node];
  }

  void ChooseWhatStays(absl::Span<const Value> kept) {
    std::vector<bool> whole(graph_.blocks().size(), false);
    for (Value v : kept) {
      if (const Graph::Node* node = NodeOf(v)) whole[node->block] = true;
    }
    for (size_t n = 0; n < forward_; ++n) {
      const Graph::Node& node = graph_.nodes()[n];
      if (whole[node.block] || std::holds_alternative<Slice>(node.op)) continue;
      if (what_ == Recomputed::kNothing || (what_ == Recomputed::kActivations && !IsCheap(node.op))) continue;
      const bool normalises = std::holds_alternative<BatchNormTraining>(node.op);
      if (ChangesState(node.op) && !normalises) continue;
      stays_[node.outputs[0].id] = false;
      for (size_t i = 1; i < node.outputs.size() && !normalises; ++i) stays_[node.outputs[i].id] = false;
    }
    std::vector<bool> handed_on(graph_.values().size(), false);
    for (size_t n = 0; n < forward_; ++n) {
      for (Value v : graph_.nodes()[n].inputs) {
        const Graph::Node* producer = NodeOf(v);
        if (producer != nullptr && producer->block != graph_.nodes()[n].block) handed_on[v.id] = true;
      }
    }
    // In the order of the nodes: whether the inputs stay is settled by then.
    for (size_t n = 0; n < forward_; ++n) {
      const Graph::Node& node = graph_.nodes()[n];
      for (Value v : node.outputs) {
        if (handed_on[v.id] && !(what_ == Recomputed::kActivations && ReadsWhatStays(node))) stays_[v.id] = true;
      }
    }
  }

  bool ReadsWhatStays(const Graph::Node& node) const {
    return std::ranges::all_of(node.inputs, [&](Value v) { return stays_[v.id]; });
  }

  Values Apply(const Operator& op, const Values& inputs, int32_t block) {
    result_.graph.SetBlock(graph_.blocks()[block]);
    return result_.graph.Apply(op, inputs);
  }

  // A value as the backward pass reads it.
  Value InBackward(Value v) {
    if (stays_[v.id] || again_[v.id].valid()) return stays_[v.id] ? result_[v] : again_[v.id];
    const Graph::Node& node = *NodeOf(v);
    Operator op = node.op;
    size_t inputs_read = node.inputs.size();
    if (auto* norm = std::get_if<BatchNormTraining>(&op)) {
      norm->track = false;
      inputs_read = norm->affine ? 3 : 1;
    }
    Values inputs;
    for (size_t i = 0; i < inputs_read; ++i) inputs.push_back(InBackward(node.inputs[i]));
    const Values outputs = Apply(op, inputs, node.block);
    for (size_t i = 0; i < node.outputs.size(); ++i) again_[node.outputs[i].id] = outputs[i];
    return again_[v.id];
  }

  const Graph& graph_;
  const size_t forward_;
  const Recomputed what_;
  std::vector<bool> stays_;   // by value: as the forward pass computed it; all of the backward pass
  std::vector<Value> again_;  // by value: as the backward pass computed it again; invalid until it is read there
  FusedGraph result_;
};

}  // namespace

FusedGraph Recompute(const Graph& graph, size_t forward, absl::Span<const Value> kept, Recomputed what) {
  return Recomputer(graph, forward, kept, what).Run();
}

}  // namespace mathnas::kernels
