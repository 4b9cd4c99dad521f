#include "kernels/subgraph.h"

#include <map>
#include <utility>

#include "fmt/format.h"

namespace mathnas::kernels {
namespace {

class Extractor {
 public:
  explicit Extractor(const Graph& whole)
      : whole_(whole), result_{Graph(whole.real()), {}, {}}, copies_(whole.values().size()) {}

  absl::StatusOr<Subgraph> Run(absl::Span<const PlanOutput> wanted, absl::FunctionRef<bool(size_t)> takes) {
    if (!whole_.status().ok()) return whole_.status();
    std::vector<bool> taken(whole_.nodes().size()), needed(whole_.values().size());
    for (size_t n = 0; n < taken.size(); ++n) {
      const Graph::Node& node = whole_.nodes()[n];
      taken[n] = takes(n) && !std::holds_alternative<Slice>(node.op);
      if (taken[n]) continue;
      for (Value v : node.inputs) needed[v.id] = true;
    }
    for (const PlanOutput& o : wanted) {
      needed[o.value.id] = true;
      wanted_names_.emplace(o.value.id, o.name);
    }
    for (size_t n = 0; n < taken.size(); ++n) {
      if (!taken[n]) continue;
      const Graph::Node& node = whole_.nodes()[n];
      result_.graph.SetBlock(whole_.blocks()[node.block]);
      Values inputs;
      for (Value v : node.inputs) inputs.push_back(CopyOf(v));
      const Values outputs = result_.graph.Apply(node.op, inputs);
      if (!result_.graph.status().ok()) return result_.graph.status();
      for (size_t k = 0; k < outputs.size(); ++k) {
        const Value value = node.outputs[k];
        copies_[value.id] = outputs[k];
        if (needed[value.id]) result_.outputs.push_back({NameOf(value), outputs[k]});
      }
    }
    return std::move(result_);
  }

 private:
  std::string NameOf(Value v) const {
    const std::string& name = whole_.info(v).name;
    if (!name.empty()) return name;
    const auto wanted = wanted_names_.find(v.id);
    return wanted == wanted_names_.end() ? fmt::format("v{}", v.id) : wanted->second;
  }

  Value CopyOf(Value v) {
    Value& copy = copies_[v.id];
    if (copy.valid()) return copy;
    Graph& g = result_.graph;
    const Graph::ValueInfo info = whole_.info(v);
    if (info.kind == ValueKind::kParameter || info.kind == ValueKind::kState) return copy = g.CopyLeaf(info);
    if (info.node >= 0 && std::holds_alternative<Slice>(whole_.nodes()[info.node].op)) {
      const Graph::Node& slice = whole_.nodes()[info.node];
      const Value leaf = CopyOf(slice.inputs[0]);
      return copies_[v.id] = g.Apply(slice.op, {leaf})[0];
    }
    const std::string name = NameOf(v);
    result_.inputs.push_back({name, v});
    return copy = g.TypedInput(name, info.desc);
  }

  const Graph& whole_;
  Subgraph result_;
  std::vector<Value> copies_;  // by value of the whole graph
  std::map<int32_t, std::string> wanted_names_;
};

}  // namespace

absl::StatusOr<Subgraph> Extract(const Graph& whole, absl::Span<const PlanOutput> wanted,
                                 absl::FunctionRef<bool(size_t)> takes) {
  return Extractor(whole).Run(wanted, takes);
}

}  // namespace mathnas::kernels
