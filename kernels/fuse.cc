#include "kernels/fuse.h"

#include <map>
#include <utility>

namespace mathnas::kernels {
namespace {

// Of those that may join a normalisation (fuse.h).
Activation ActivationOf(const Operator& op) {
  if (std::holds_alternative<Relu>(op)) return Activation::kRelu;
  if (std::holds_alternative<HardSwish>(op)) return Activation::kHardSwish;
  return Activation::kNone;
}

class Fuser {
 public:
  Fuser(const Graph& graph, absl::Span<const Value> kept)
      : graph_(graph), readers_(graph.values().size(), 0), roles_(graph.nodes().size(), Role::kCopied) {
    result_.values.resize(graph.values().size());
    for (const Graph::Node& node : graph.nodes()) {
      for (Value v : node.inputs) ++readers_[v.id];
    }
    for (Value v : kept) ++readers_[v.id];
  }

  FusedGraph Run() {
    if (!graph_.status().ok()) {
      result_.graph.Fail(graph_.status());
      return std::move(result_);
    }
    for (size_t n = graph_.nodes().size(); n-- > 0;) Choose(n);  // activations before their sums
    Build();
    return std::move(result_);
  }

 private:
  // What becomes of a node.
  enum class Role : uint8_t { kCopied, kGone, kMoments };
  // At the place of its last node.
  struct Sum {
    Activation activation = Activation::kNone;
    bool affine = true;
    std::vector<size_t> norms;  // nodes
    Values addends;
  };

  // The node that computes v if it is an Op whose first output v is, read once.
  template <typename Op>
  int32_t OnlyReadProducer(Value v) const {
    const int32_t node = graph_.info(v).node;
    if (node < 0 || readers_[v.id] != 1 || roles_[node] != Role::kCopied) return -1;
    return std::holds_alternative<Op>(graph_.nodes()[node].op) && graph_.nodes()[node].outputs[0] == v ? node : -1;
  }

  void Choose(size_t n) {
    if (roles_[n] != Role::kCopied) return;
    const Graph::Node& node = graph_.nodes()[n];
    Sum sum;
    sum.activation = ActivationOf(node.op);
    Values terms = {node.outputs[0]};
    int32_t add = static_cast<int32_t>(n);
    if (sum.activation != Activation::kNone) {
      terms = {node.inputs[0]};
      add = sum.activation == Activation::kRelu ? OnlyReadProducer<Add>(node.inputs[0]) : -1;
      if (add >= 0) terms = graph_.nodes()[add].inputs;
    } else if (std::holds_alternative<Add>(node.op)) {
      terms = node.inputs;
    } else {
      return;
    }
    for (Value v : terms) {
      const int32_t norm = OnlyReadProducer<BatchNormTraining>(v);
      if (norm < 0) {
        sum.addends.push_back(v);
        continue;
      }
      const bool affine = std::get<BatchNormTraining>(graph_.nodes()[norm].op).affine;
      if (sum.norms.empty()) sum.affine = affine;
      if (affine == sum.affine) {
        sum.norms.push_back(norm);
      } else {
        sum.addends.push_back(v);
      }
    }
    if (sum.norms.empty()) return;
    for (size_t norm : sum.norms) roles_[norm] = Role::kMoments;
    if (add >= 0 && add != static_cast<int32_t>(n)) roles_[add] = Role::kGone;
    sums_.emplace(n, std::move(sum));
  }

  Value At(Value v) const { return result_.values[v.id]; }

  void Build() {
    Graph& g = result_.graph = Graph(graph_.real());
    for (const std::string& block : graph_.blocks()) g.SetBlock(block);
    for (size_t i = 0; i < graph_.values().size(); ++i) {
      if (graph_.values()[i].kind != ValueKind::kComputed) result_.values[i] = g.CopyLeaf(graph_.values()[i]);
    }
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      const Graph::Node& node = graph_.nodes()[n];
      g.SetBlock(graph_.blocks()[node.block]);
      if (roles_[n] == Role::kMoments) {
        moments_[n] = AddMoments(node);
      } else if (const auto sum = sums_.find(n); sum != sums_.end()) {
        const bool is_lone = sum->second.norms.size() == 1 && sum->second.addends.empty();
        if (is_lone) g.SetBlock(graph_.blocks()[graph_.nodes()[sum->second.norms[0]].block]);
        result_.values[node.outputs[0].id] = AddSum(sum->second);
      } else if (roles_[n] == Role::kCopied) {
        Values inputs;
        for (Value v : node.inputs) inputs.push_back(At(v));
        const Values outputs = g.Apply(node.op, inputs);
        for (size_t i = 0; i < node.outputs.size(); ++i) result_.values[node.outputs[i].id] = outputs[i];
      }
      if (!g.status().ok()) return;
    }
    g.SetBlock("");
    for (size_t i = 0; i < graph_.values().size(); ++i) {
      const Graph::ValueInfo& info = graph_.values()[i];
      const Value copy = result_.values[i];
      if (info.kind == ValueKind::kComputed && !info.name.empty() && copy.valid()) g.SetName(copy, info.name);
    }
  }

  Values AddMoments(const Graph::Node& node) {
    const auto& norm = std::get<BatchNormTraining>(node.op);
    Values inputs = {At(node.inputs[0])};
    for (size_t i = norm.affine ? 3 : 1; i < node.inputs.size(); ++i) inputs.push_back(At(node.inputs[i]));
    const Values moments = result_.graph.Apply(
        BatchNormMoments{.epsilon = norm.epsilon, .momentum = norm.momentum, .track = norm.track}, inputs);
    for (size_t i = 0; i < 2; ++i) result_.values[node.outputs[i + 1].id] = moments[i];
    return moments;
  }

  Value AddSum(const Sum& sum) {
    Values inputs;
    for (size_t norm : sum.norms) {
      const Graph::Node& node = graph_.nodes()[norm];
      inputs.push_back(At(node.inputs[0]));
      for (Value moment : moments_[norm]) inputs.push_back(moment);
      if (sum.affine) inputs.push_back(At(node.inputs[1])), inputs.push_back(At(node.inputs[2]));
    }
    for (Value v : sum.addends) inputs.push_back(At(v));
    return result_.graph.Apply(
        NormalizedSum{
            .terms = static_cast<int32_t>(sum.norms.size()), .affine = sum.affine, .activation = sum.activation},
        inputs)[0];
  }

  const Graph& graph_;
  std::vector<int32_t> readers_;      // by value
  std::vector<Role> roles_;           // by node
  std::map<size_t, Sum> sums_;        // by node
  std::map<size_t, Values> moments_;  // by node
  FusedGraph result_;
};

}  // namespace

FusedGraph FuseForTraining(const Graph& graph, absl::Span<const Value> kept) { return Fuser(graph, kept).Run(); }

}  // namespace mathnas::kernels
