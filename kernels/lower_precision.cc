#include "kernels/lower_precision.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "kernels/ops/element_types.h"

namespace mathnas::kernels {
namespace {

// What most work is done by: bfloat16 pays also where their input has to be converted for them.
bool IsWorthConverting(const Operator& op) {
  return std::holds_alternative<Conv2d>(op) || std::holds_alternative<ExpandDepthwise>(op) ||
         std::holds_alternative<Linear>(op);
}

class Lowerer {
 public:
  explicit Lowerer(const FoldedGraph& network)
      : network_(network),
        old_(network.graph),
        low_(old_.nodes().size(), false),
        read_wide_(old_.values().size(), false),
        real_(old_.values().size()),
        narrow_(old_.values().size()) {}

  absl::StatusOr<FoldedGraph> Run() {
    if (!old_.status().ok()) return old_.status();
    if (old_.real() != DType::kF32 || PrecisionOf(old_) != Precision::kFloat32) {
      return absl::InvalidArgumentError(
          fmt::format("the graph is {}, expected {} throughout",
                      old_.real() == DType::kF32 ? "bfloat16 in parts" : Name(old_.real()), Name(DType::kF32)));
    }
    Choose();
    for (const std::string& block : old_.blocks()) new_.graph.SetBlock(block);
    new_.graph.SetBlock("");
    for (Value v : old_.Leaves(ValueKind::kInput)) Real(v);  // also those that nobody reads
    for (size_t n = 0; n < old_.nodes().size() && status_.ok(); ++n) Build(n);
    return Finish();
  }

 private:
  // Which nodes run in bfloat16, and which values are read as float32.
  void Choose() {
    std::vector<bool> is_low(old_.values().size(), false);
    for (size_t n = 0; n < old_.nodes().size(); ++n) {
      const Graph::Node& node = old_.nodes()[n];
      const bool follows = TakesBfloat16(node.op) && !node.inputs.empty() &&
                           std::all_of(node.inputs.begin(), node.inputs.end(), [&](Value v) { return is_low[v.id]; });
      low_[n] = IsWorthConverting(node.op) || follows;
      for (Value v : node.outputs) is_low[v.id] = low_[n];
      for (Value v : node.inputs) read_wide_[v.id] = read_wide_[v.id] || !low_[n];
    }
    for (const PlanOutput& o : network_.outputs) read_wide_[o.value.id] = true;
  }

  void Build(size_t n) {
    const Graph::Node& node = old_.nodes()[n];
    Graph& g = new_.graph;
    g.SetBlock(old_.blocks()[node.block]);
    Values inputs;
    if (!low_[n]) {
      for (Value v : node.inputs) inputs.push_back(Real(v));
      const Values outputs = g.Apply(node.op, inputs);
      for (size_t k = 0; k < node.outputs.size(); ++k) real_[node.outputs[k].id] = outputs[k];
      return;
    }
    const Value result = node.outputs[0];  // all of these have one
    if (const auto* pair = std::get_if<ExpandDepthwise>(&node.op)) {
      const Conv2d expand = {.has_bias = true, .activation = pair->expand_activation};
      const Conv2d depthwise = {.stride = pair->stride,
                                .padding = pair->padding,
                                .groups = static_cast<int32_t>(old_.desc(node.inputs[1]).shape[0]),
                                .has_bias = true,
                                .activation = pair->activation};
      const Value between = g.Apply(expand, {Narrow(node.inputs[0]), Weights(node.inputs[1]), Real(node.inputs[2])})[0];
      narrow_[result.id] = g.Apply(depthwise, {between, Weights(node.inputs[3]), Real(node.inputs[4])})[0];
      return;
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Value v = node.inputs[i];
      const OperandType type = TypeOfInput(node.op, i);
      inputs.push_back(type == OperandType::kReal ? Real(v) : type == OperandType::kWeights ? Weights(v) : Narrow(v));
    }
    Operator op = node.op;
    auto* linear = std::get_if<Linear>(&op);
    const bool wide = linear != nullptr && read_wide_[result.id];
    if (wide) linear->wide_dst = true;
    (wide ? real_ : narrow_)[result.id] = g.Apply(std::move(op), inputs)[0];
  }

  // The value in float32, or integers.
  Value Real(Value v) {
    Value& value = real_[v.id];
    if (value.valid()) return value;
    const Graph::ValueInfo& info = old_.info(v);
    if (info.kind == ValueKind::kComputed) return value = new_.graph.Apply(Convert{DType::kF32}, {narrow_[v.id]})[0];
    if (info.kind == ValueKind::kInput) return value = new_.graph.TypedInput(info.name, info.desc);
    if (const Tensor* tensor = Find(info.name)) new_.weights.Put(info.name, tensor->Clone());
    return value = info.kind == ValueKind::kParameter ? new_.graph.Parameter(info.name, info.desc.shape)
                                                      : new_.graph.State(info.name, info.desc.shape);
  }

  Value Narrow(Value v) {
    Value& value = narrow_[v.id];
    return value.valid() ? value : value = new_.graph.Apply(Convert{DType::kBf16}, {Real(v)})[0];
  }

  // Weights: constants rounded, others as they are.
  Value Weights(Value v) {
    const Graph::ValueInfo& info = old_.info(v);
    if (info.kind == ValueKind::kComputed) return Real(v);
    const Tensor* tensor = Find(info.name);
    if (tensor == nullptr) return {};
    const std::string name = info.name + ".bfloat16";
    if (!new_.weights.contains(name)) {
      if (old_.Find(name).valid()) {
        status_.Update(absl::InvalidArgumentError(fmt::format("\"{}\": a name that rounded weights need", name)));
      }
      Tensor rounded(DType::kBf16, info.desc.shape);
      const auto from = tensor->as<float>();
      std::transform(from.begin(), from.end(), rounded.as<Bfloat16>().begin(), Bfloat16::Rounded);
      new_.weights.Put(name, std::move(rounded));
    }
    return new_.graph.TypedParameter(name, {DType::kBf16, info.desc.shape});
  }

  const Tensor* Find(const std::string& name) {
    const Tensor* tensor = network_.weights.Find(name);
    if (tensor == nullptr) status_.Update(absl::NotFoundError(fmt::format("tensor \"{}\": missing", name)));
    return tensor;
  }

  absl::StatusOr<FoldedGraph> Finish() {
    new_.graph.SetBlock("");
    if (status_.ok()) {
      for (const PlanOutput& o : network_.outputs) {
        const Value value = Real(o.value);
        new_.outputs.push_back({o.name, value});
        if (!o.name.empty()) new_.graph.SetName(value, o.name);
      }
      for (size_t i = 0; i < old_.values().size(); ++i) {
        const Graph::ValueInfo& info = old_.values()[i];
        if (info.kind == ValueKind::kComputed && !info.name.empty()) {
          new_.graph.SetName(real_[i].valid() ? real_[i] : narrow_[i], info.name);
        }
      }
    }
    if (!status_.ok()) return status_;
    if (!new_.graph.status().ok()) return new_.graph.status();
    return std::move(new_);
  }

  const FoldedGraph& network_;
  const Graph& old_;
  std::vector<bool> low_;        // by node
  std::vector<bool> read_wide_;  // by value
  FoldedGraph new_;
  std::vector<Value> real_, narrow_;  // by old value: what stands for it, if there is such a one
  absl::Status status_;
};

}  // namespace

std::string_view Name(Precision precision) { return precision == Precision::kBfloat16 ? "bfloat16" : "float32"; }

absl::StatusOr<Precision> ParsePrecision(std::string_view name) {
  for (Precision p : {Precision::kFloat32, Precision::kBfloat16}) {
    if (name == Name(p)) return p;
  }
  return absl::InvalidArgumentError(fmt::format("precision \"{:.100}\": expected float32 or bfloat16", name));
}

absl::StatusOr<FoldedGraph> LowerPrecision(const FoldedGraph& network) { return Lowerer(network).Run(); }

Precision PrecisionOf(const Graph& graph) {
  const bool low = std::any_of(graph.values().begin(), graph.values().end(),
                               [](const Graph::ValueInfo& v) { return v.desc.dtype == DType::kBf16; });
  return low ? Precision::kBfloat16 : Precision::kFloat32;
}

}  // namespace mathnas::kernels
