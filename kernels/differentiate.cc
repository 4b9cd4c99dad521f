#include "kernels/differentiate.h"

#include <utility>

#include "fmt/format.h"

namespace mathnas::kernels {
namespace {

// What has flowed back into a value so far. A zero that is known to be one costs nothing until somebody reads it.
struct Flow {
  bool zero = false;
  Values terms;

  bool none() const { return !zero && terms.empty(); }
};

class Differentiator {
 public:
  Differentiator(Graph& graph, Value loss, Value factor) : graph_(graph), forward_nodes_(graph.nodes().size()) {
    flows_.resize(graph.values().size());
    flows_[loss.id].terms = {factor.valid() ? factor : graph.Apply(Fill{.value = 1, .shape = {}}, {})[0]};
  }

  void Run() {
    for (size_t n = forward_nodes_; n-- > 0;) {
      const Graph::Node node = graph_.nodes()[n];  // a copy: the list grows below
      bool any = false, all_zero = true;
      for (Value v : node.outputs) {
        any |= !flows_[v.id].none();
        all_zero &= flows_[v.id].terms.empty();
      }
      if (!any || std::holds_alternative<Slice>(node.op)) continue;
      graph_.SetBlock(graph_.blocks()[node.block]);
      if (all_zero || std::holds_alternative<Zero>(node.op)) {
        for (Value v : node.inputs) flows_[v.id].zero |= graph_.NeedsGradient(v);
      } else {
        Propagate(node);
      }
      if (!graph_.status().ok()) return;
    }
  }

  // The sum of what has flowed into a value; an explicit tensor of zeros where nothing but zeros did.
  Value Total(Value v) {
    Flow& flow = flows_[v.id];
    if (flow.none()) return Value{};
    if (flow.terms.empty()) {
      flow.terms = {graph_.Apply(Fill{.value = 0, .shape = graph_.desc(v).shape}, {})[0]};
    } else if (flow.terms.size() > 1) {
      flow.terms = {graph_.Apply(Add{}, flow.terms)[0]};
    }
    return flow.terms[0];
  }

 private:
  void Propagate(const Graph::Node& node) {
    std::visit(
        [&](const auto& op) {
          if constexpr (requires(const GradientRequest& r) { Gradient(op, r); }) {
            Values flowing;
            std::vector<Values> terms;
            for (Value v : node.outputs) {
              if constexpr (requires { op.kAddsFlows; }) {
                terms.push_back(flows_[v.id].terms);
              } else {
                flowing.push_back(flows_[v.id].terms.empty() ? Value{} : Total(v));
              }
            }
            const Gradients gradients =
                Gradient(op, GradientRequest{graph_, node.inputs, node.outputs, flowing, terms});
            for (size_t i = 0; i < node.inputs.size(); ++i) {
              const Value v = node.inputs[i];
              if (gradients[i].valid() && graph_.NeedsGradient(v)) flows_[v.id].terms.push_back(gradients[i]);
            }
          } else {
            graph_.Fail(absl::InvalidArgumentError(fmt::format("{} has no gradient", op.kName)));
          }
        },
        node.op);
  }

  Graph& graph_;
  size_t forward_nodes_;
  std::vector<Flow> flows_;
};

}  // namespace

std::vector<ParameterGradient> Differentiate(Graph& graph, Value loss, Value factor) {
  std::vector<ParameterGradient> gradients;
  if (!graph.status().ok()) return gradients;
  if (!loss.valid() || !graph.desc(loss).shape.empty()) {
    graph.Fail(absl::InvalidArgumentError("differentiate: the loss must be a scalar of this graph"));
    return gradients;
  }
  if (factor.valid() && !graph.desc(factor).shape.empty()) {
    graph.Fail(absl::InvalidArgumentError("differentiate: the factor must be a scalar of this graph"));
    return gradients;
  }
  std::vector<Value> parameters = graph.Leaves(ValueKind::kParameter);
  for (const Graph::Node& node : graph.nodes()) {
    if (std::holds_alternative<Slice>(node.op)) parameters.push_back(node.outputs[0]);
  }
  Differentiator differentiator(graph, loss, factor);
  differentiator.Run();
  if (!graph.status().ok()) return gradients;
  for (Value p : parameters) {
    const Value gradient = differentiator.Total(p);
    if (gradient.valid()) gradients.push_back({p, gradient});
  }
  return gradients;
}

namespace {

// state += gradient. What flows into a table of embeddings goes to its rows right there: a batch touches few of them.
void AccumulateInto(Graph& graph, Value state, Value gradient) {
  const auto node_of = [&](Value v) { return graph.info(v).node < 0 ? nullptr : &graph.nodes()[graph.info(v).node]; };
  const Graph::Node* producer = node_of(gradient);
  const Values terms =
      producer != nullptr && std::holds_alternative<Add>(producer->op) ? producer->inputs : Values{gradient};
  std::vector<Graph::Node> tables;
  Values others;
  for (Value term : terms) {
    const Graph::Node* node = node_of(term);
    if (node != nullptr && std::holds_alternative<EmbeddingBackward>(node->op)) {
      tables.push_back(*node);
    } else {
      others.push_back(term);
    }
  }
  if (tables.empty()) others = {gradient};
  if (others.size() > 1) others = {graph.Apply(Add{}, others)[0]};
  if (!others.empty()) graph.Apply(Accumulate{}, {state, others[0]});
  for (const Graph::Node& table : tables) {
    const auto& op = std::get<EmbeddingBackward>(table.op);
    graph.Apply(AccumulateRows{op.scale, op.padding}, {state, table.inputs[0], table.inputs[1]});
  }
}

}  // namespace

void AccumulateGradients(Graph& graph, const std::vector<ParameterGradient>& gradients) {
  for (const ParameterGradient& g : gradients) {
    const Value leaf = graph.LeafOf(g.parameter);
    Value sum = graph.State(GradientName(graph.info(leaf).name), Shape(graph.desc(leaf).shape));
    if (leaf != g.parameter) sum = graph.Apply(Operator(graph.nodes()[graph.info(g.parameter).node].op), {sum})[0];
    AccumulateInto(graph, sum, g.gradient);
  }
}

std::string GradientName(std::string_view parameter) { return std::string("gradient.").append(parameter); }

}  // namespace mathnas::kernels
