#include "kernels/lower_precision.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "kernels/ops/element_types.h"

namespace mathnas::kernels {
namespace {

// What most work is done by: 16 bits pay also where their input has to be converted for them.
bool IsWorthConverting(const Operator& op) {
  return std::holds_alternative<Conv2d>(op) || std::holds_alternative<ExpandDepthwise>(op) ||
         std::holds_alternative<Linear>(op);
}

// The graph `old` as one in which what pays has 16 bits.
class Lowerer {
 public:
  // `wide`: values that will be asked for in float32. Weights that `constants` has are rounded once; null: they are
  // parameters, which change, and all leaves are there also where nothing reads them.
  Lowerer(const Graph& old, absl::Span<const Value> wide, const TensorMap* constants, Precision precision)
      : old_(old),
        precision_(precision),
        constants_(constants),
        low_(old_.nodes().size(), false),
        read_wide_(old_.values().size(), false),
        real_(old_.values().size()),
        narrow_(old_.values().size()) {
    for (Value v : wide) read_wide_[v.id] = true;
  }

  absl::Status Run() {
    if (!old_.status().ok()) return old_.status();
    if (old_.real() != DType::kF32 || PrecisionOf(old_) != Precision::kFloat32) {
      return absl::InvalidArgumentError(
          old_.real() == DType::kF32
              ? fmt::format("the graph is {} in parts, expected F32 throughout", Name(PrecisionOf(old_)))
              : fmt::format("the graph is {}, expected F32 throughout", Name(old_.real())));
    }
    Choose();
    for (const std::string& block : old_.blocks()) graph_.SetBlock(block);
    graph_.SetBlock("");
    for (size_t i = 0; i < old_.values().size(); ++i) {
      const ValueKind kind = old_.values()[i].kind;
      if (kind == ValueKind::kComputed || (constants_ != nullptr && kind != ValueKind::kInput)) continue;
      Real(Value{static_cast<int32_t>(i)});
    }
    for (size_t n = 0; n < old_.nodes().size() && status_.ok(); ++n) Build(n);
    graph_.SetBlock("");
    status_.Update(graph_.status());
    return status_;
  }

  // The value in float32, or integers.
  Value Real(Value v) {
    Value& value = real_[v.id];
    if (value.valid()) return value;
    const Graph::ValueInfo& info = old_.info(v);
    if (info.kind == ValueKind::kComputed) return value = graph_.Apply(Convert{DType::kF32}, {narrow_[v.id]})[0];
    if (info.kind == ValueKind::kInput) return value = graph_.TypedInput(info.name, info.desc);
    if (constants_ != nullptr) {
      if (const Tensor* tensor = Find(info.name)) weights_.Put(info.name, tensor->Clone());
    }
    return value = info.kind == ValueKind::kParameter ? graph_.Parameter(info.name, info.desc.shape)
                                                      : graph_.State(info.name, info.desc.shape);
  }
  // What stands for a value in the new graph.
  Value At(Value v) const { return real_[v.id].valid() ? real_[v.id] : narrow_[v.id]; }
  // Activations keep their names.
  void TakeNames() {
    for (size_t i = 0; i < old_.values().size(); ++i) {
      const Graph::ValueInfo& info = old_.values()[i];
      if (info.kind != ValueKind::kComputed || info.name.empty()) continue;
      graph_.SetName(At(Value{static_cast<int32_t>(i)}), info.name);
    }
  }
  Graph& graph() { return graph_; }
  TensorMap& weights() { return weights_; }

 private:
  // Which nodes run in 16 bits, and which values are read as float32.
  void Choose() {
    std::vector<bool> is_low(old_.values().size(), false);
    for (size_t n = 0; n < old_.nodes().size(); ++n) {
      const Graph::Node& node = old_.nodes()[n];
      bool follows = TakesLow(node.op) && !node.inputs.empty();
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        follows = follows && (is_low[node.inputs[i].id] || TypeOfInput(node.op, i) == OperandType::kReal);
      }
      low_[n] = IsWorthConverting(node.op) || follows;
      for (size_t k = 0; k < node.outputs.size(); ++k) is_low[node.outputs[k].id] = low_[n] && HasLowOutput(node.op, k);
      for (Value v : node.inputs) read_wide_[v.id] = read_wide_[v.id] || !low_[n];
    }
  }
  // Whether an output of an operator that runs in 16 bits has these.
  static bool HasLowOutput(const Operator& op, size_t output) {
    return std::holds_alternative<ExpandDepthwise>(op) || TypeOfOutput(op, output) != OperandType::kReal;
  }

  void Build(size_t n) {
    const Graph::Node& node = old_.nodes()[n];
    Graph& g = graph_;
    g.SetBlock(old_.blocks()[node.block]);
    Values inputs;
    if (!low_[n]) {
      for (Value v : node.inputs) inputs.push_back(Real(v));
      const Values outputs = g.Apply(node.op, inputs);
      for (size_t k = 0; k < node.outputs.size(); ++k) real_[node.outputs[k].id] = outputs[k];
      return;
    }
    if (const auto* pair = std::get_if<ExpandDepthwise>(&node.op)) {
      const Conv2d expand = {.has_bias = true, .activation = pair->expand_activation};
      const Conv2d depthwise = {.stride = pair->stride,
                                .padding = pair->padding,
                                .groups = static_cast<int32_t>(old_.desc(node.inputs[1]).shape[0]),
                                .has_bias = true,
                                .activation = pair->activation};
      const Value between = g.Apply(expand, {Narrow(node.inputs[0]), Weights(node.inputs[1]), Real(node.inputs[2])})[0];
      narrow_[node.outputs[0].id] = g.Apply(depthwise, {between, Weights(node.inputs[3]), Real(node.inputs[4])})[0];
      return;
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Value v = node.inputs[i];
      const OperandType type = TypeOfInput(node.op, i);
      inputs.push_back(type == OperandType::kReal ? Real(v) : type == OperandType::kWeights ? Weights(v) : Narrow(v));
    }
    Operator op = node.op;
    if (auto* linear = std::get_if<Linear>(&op)) linear->wide_dst = read_wide_[node.outputs[0].id];
    const Values outputs = g.Apply(op, inputs);
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      (HasLowOutput(op, k) ? narrow_ : real_)[node.outputs[k].id] = outputs[k];
    }
  }

  Value Narrow(Value v) {
    Value& value = narrow_[v.id];
    return value.valid() ? value : value = graph_.Apply(Convert{type()}, {Real(v)})[0];
  }

  // Constants rounded, or else a conversion; but what an inference computes of constants is as it is.
  Value Weights(Value v) {
    if (constants_ == nullptr) return Narrow(v);
    const Graph::ValueInfo& info = old_.info(v);
    if (info.kind == ValueKind::kComputed) return Real(v);
    const Tensor* tensor = Find(info.name);
    if (tensor == nullptr) return {};
    const std::string name = fmt::format("{}.{}", info.name, Name(precision_));
    if (!weights_.contains(name)) {
      if (old_.Find(name).valid()) {
        status_.Update(absl::InvalidArgumentError(fmt::format("\"{}\": a name that rounded weights need", name)));
      }
      Tensor rounded(type(), info.desc.shape);
      precision_ == Precision::kFloat16 ? Round<Float16>(info.name, *tensor, rounded)
                                        : Round<Bfloat16>(info.name, *tensor, rounded);
      weights_.Put(name, std::move(rounded));
    }
    return graph_.TypedParameter(name, {type(), info.desc.shape});
  }

  template <typename Low>
  void Round(std::string_view name, const Tensor& weights, Tensor& rounded) {
    const auto from = weights.as<float>();
    const auto to = rounded.as<Low>();
    for (size_t i = 0; i < from.size(); ++i) {
      to[i] = Low::Rounded(from[i]);
      if (std::isfinite(to[i].ToFloat()) || !std::isfinite(from[i])) continue;
      status_.Update(absl::InvalidArgumentError(
          fmt::format("tensor \"{}\": {} is too large for {}", name, from[i], Name(precision_))));
    }
  }

  DType type() const { return TypeOf(precision_); }

  const Tensor* Find(const std::string& name) {
    const Tensor* tensor = constants_->Find(name);
    if (tensor == nullptr) status_.Update(absl::NotFoundError(fmt::format("tensor \"{}\": missing", name)));
    return tensor;
  }

  const Graph& old_;
  const Precision precision_;
  const TensorMap* constants_;
  std::vector<bool> low_;        // by node
  std::vector<bool> read_wide_;  // by value
  Graph graph_;
  TensorMap weights_;
  std::vector<Value> real_, narrow_;  // by old value: what stands for it, if there is such a one
  absl::Status status_;
};

}  // namespace

std::string_view Name(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "float32";
    case Precision::kBfloat16:
      return "bfloat16";
    case Precision::kFloat16:
      return "float16";
  }
  return "";
}

DType TypeOf(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return DType::kF32;
    case Precision::kBfloat16:
      return DType::kBf16;
    case Precision::kFloat16:
      return DType::kF16;
  }
  return DType::kF32;
}

absl::StatusOr<Precision> ParsePrecision(std::string_view name) {
  for (Precision p : {Precision::kFloat32, Precision::kBfloat16, Precision::kFloat16}) {
    if (name == Name(p)) return p;
  }
  return absl::InvalidArgumentError(fmt::format("precision \"{:.100}\": expected float32, bfloat16 or float16", name));
}

absl::Status Check(const Device& device, Precision precision) {
  return precision == Precision::kFloat32 ? absl::OkStatus() : device.CheckLow(TypeOf(precision));
}

absl::StatusOr<FoldedGraph> LowerPrecision(const FoldedGraph& network, Precision precision) {
  if (precision == Precision::kFloat32) return absl::InvalidArgumentError("precision float32: expected a lower one");
  std::vector<Value> wide;
  for (const PlanOutput& o : network.outputs) wide.push_back(o.value);
  Lowerer lowerer(network.graph, wide, &network.weights, precision);
  if (auto s = lowerer.Run(); !s.ok()) return s;
  FoldedGraph result;
  for (const PlanOutput& o : network.outputs) {
    const Value value = lowerer.Real(o.value);
    result.outputs.push_back({o.name, value});
    if (!o.name.empty()) lowerer.graph().SetName(value, o.name);
  }
  lowerer.TakeNames();
  if (!lowerer.graph().status().ok()) return lowerer.graph().status();
  result.graph = std::move(lowerer.graph());
  result.weights = std::move(lowerer.weights());
  return result;
}

FusedGraph LowerForTraining(FusedGraph network, absl::Span<const Value> kept, Precision precision) {
  if (precision == Precision::kFloat32) return network;
  std::vector<Value> wide;
  for (Value v : kept) wide.push_back(network[v]);
  Lowerer lowerer(network.graph, wide, /*constants=*/nullptr, precision);
  FusedGraph result;
  if (auto s = lowerer.Run(); !s.ok()) {
    result.graph.Fail(std::move(s));
    return result;
  }
  for (Value v : wide) lowerer.Real(v);
  lowerer.TakeNames();
  for (Value v : network.values) result.values.push_back(v.valid() ? lowerer.At(v) : Value{});
  result.graph = std::move(lowerer.graph());
  return result;
}

Precision PrecisionOf(const Graph& graph) {
  const auto low = std::find_if(graph.values().begin(), graph.values().end(),
                                [](const Graph::ValueInfo& v) { return IsLow(v.desc.dtype); });
  if (low == graph.values().end()) return Precision::kFloat32;
  return low->desc.dtype == DType::kF16 ? Precision::kFloat16 : Precision::kBfloat16;
}

}  // namespace mathnas::kernels
