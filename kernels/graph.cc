#include "kernels/graph.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "fmt/format.h"
#include "kernels/ops/element_types.h"
#include "kernels/status.h"

namespace mathnas::kernels {
namespace {

absl::StatusOr<Descs> InferOutputsOf(const Operator& op, DescSpan inputs) {
  return std::visit([&](const auto& o) { return InferOutputs(o, inputs); }, op);
}

size_t OutputCount(const Operator& op, size_t inputs) {
  // Only needed to hand out invalid values after an error.
  return std::visit(
      [&](const auto& o) -> size_t {
        using T = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<T, BatchNormTraining> || std::is_same_v<T, BatchNormBackward>) return 3;
        return std::max<size_t>(inputs, 3);
      },
      op);
}

}  // namespace

Value Graph::AddValue(ValueInfo info) {
  values_.push_back(std::move(info));
  return Value{static_cast<int32_t>(values_.size() - 1)};
}

Value Graph::Leaf(ValueKind kind, std::string_view name, TensorDesc desc) {
  if (auto it = names_.find(name); it != names_.end()) {
    const ValueInfo& known = info(it->second);
    if (known.kind == kind && known.desc == desc) return it->second;
    Fail(absl::InvalidArgumentError(fmt::format("\"{}\" is {} here and {} before, or of another kind or type", name,
                                                mathnas::kernels::ToString(desc.shape),
                                                mathnas::kernels::ToString(known.desc.shape))));
    return Value{};
  }
  const Value value = AddValue({std::move(desc), kind, kind == ValueKind::kParameter, -1, std::string(name)});
  names_.emplace(name, value);
  return value;
}

Value Graph::Integers(std::string_view name, Shape shape) {
  return Leaf(ValueKind::kInput, name, {DType::kI64, std::move(shape)});
}
Value Graph::Parameter(std::string_view name, Shape shape) {
  return Leaf(ValueKind::kParameter, name, {real_, std::move(shape)});
}
Value Graph::State(std::string_view name, Shape shape) {
  return Leaf(ValueKind::kState, name, {real_, std::move(shape)});
}

Value Graph::TypedInput(std::string_view name, TensorDesc desc) {
  if (desc.dtype == DType::kI64) return Integers(name, std::move(desc.shape));
  return TypedLeaf(ValueKind::kInput, name, std::move(desc));
}
Value Graph::TypedParameter(std::string_view name, TensorDesc desc) {
  return TypedLeaf(ValueKind::kParameter, name, std::move(desc));
}

Value Graph::CopyLeaf(const ValueInfo& info) {
  switch (info.kind) {
    case ValueKind::kInput:
      return TypedInput(info.name, info.desc);
    case ValueKind::kParameter:
      return TypedParameter(info.name, info.desc);
    case ValueKind::kState:
      return State(info.name, info.desc.shape);
    case ValueKind::kComputed:
      break;
  }
  Fail(absl::InternalError("a computed value, expected a leaf"));
  return Value{};
}

Value Graph::TypedLeaf(ValueKind kind, std::string_view name, TensorDesc desc) {
  const bool low = IsLow(desc.dtype) && real_ == DType::kF32;
  if (desc.dtype != real_ && !low) {
    Fail(absl::InvalidArgumentError(fmt::format("\"{}\" is {}, expected {}{}", name, Name(desc.dtype), Name(real_),
                                                real_ == DType::kF32 ? ", BF16 or F16" : "")));
    return Value{};
  }
  return Leaf(kind, name, {desc.dtype, std::move(desc.shape)});
}

bool Graph::IsParameterOrState(Value v) const {
  return info(v).kind == ValueKind::kParameter || info(v).kind == ValueKind::kState;
}

Value Graph::LeafOf(Value v) const {
  const int32_t n = info(v).node;
  return n >= 0 && std::holds_alternative<Slice>(nodes_[n].op) ? nodes_[n].inputs[0] : v;
}

absl::Status Graph::CheckStore(absl::Span<const Value> inputs) const {
  const Value leaf = LeafOf(inputs[0]);
  if (info(leaf).kind != ValueKind::kState) return OperatorError(Store::kName, "input 0 is no state");
  if (LeafOf(inputs[1]) == leaf) return OperatorError(Store::kName, "x is a part of the state that it is stored in");
  return absl::OkStatus();
}

void Graph::ForgetReadersOf(Value leaf) {
  for (auto& [hash, nodes] : nodes_by_hash_) {
    const auto reads = [&](int32_t n) {
      const Values& inputs = nodes_[n].inputs;
      return !std::holds_alternative<Slice>(nodes_[n].op) &&
             std::any_of(inputs.begin(), inputs.end(), [&](Value v) { return LeafOf(v) == leaf; });
    };
    nodes.erase(std::remove_if(nodes.begin(), nodes.end(), reads), nodes.end());
  }
}

Values Graph::Apply(Operator op, absl::Span<const Value> inputs) {
  for (Value v : inputs) {
    if (!v.valid()) Fail(OperatorError(NameOf(op), "an input is missing"));
  }
  if (!status_.ok()) return Values(OutputCount(op, inputs.size()));

  const size_t hash = absl::HashOf(HashOf(op), inputs);
  const bool pure = !ChangesState(op);
  absl::InlinedVector<int32_t, 1>* alike = pure ? &nodes_by_hash_[hash] : nullptr;
  if (pure) {
    for (int32_t n : *alike) {
      if (nodes_[n].op == op && absl::MakeConstSpan(nodes_[n].inputs) == inputs) return nodes_[n].outputs;
    }
  }

  const Descs input_descs = DescsOf(inputs);
  absl::StatusOr<Descs> descs = InferOutputsOf(op, input_descs);
  if (auto s = CheckTypes(op, input_descs, real_); descs.ok() && !s.ok()) descs = std::move(s);
  const bool is_view = std::holds_alternative<Slice>(op);
  if (is_view && descs.ok() && !IsParameterOrState(inputs[0])) {
    descs = OperatorError(NameOf(op), "a computed value, expected a parameter or a state");
  }
  const bool is_store = std::holds_alternative<Store>(op);
  if (is_store && descs.ok()) {
    if (absl::Status s = CheckStore(inputs); !s.ok()) descs = std::move(s);
  }
  if (!descs.ok()) {
    Fail(Annotate(descs.status(), blocks_[block_]));
    return Values(OutputCount(op, inputs.size()));
  }
  bool needs_gradient = false;
  for (Value v : inputs) needs_gradient |= NeedsGradient(v);
  absl::InlinedVector<DType, 4> types;
  for (size_t k = 0; k < descs->size(); ++k) types.push_back(OutputType(op, input_descs, k, real_));
  const auto index = static_cast<int32_t>(nodes_.size());
  Node node = {std::move(op), Values(inputs.begin(), inputs.end()), {}, block_};
  for (size_t k = 0; k < descs->size(); ++k) {
    TensorDesc& d = (*descs)[k];
    d.dtype = types[k];
    if (!is_view) d.row_stride = 0;  // rules hand on what they know of an input
    node.outputs.push_back(AddValue({std::move(d), ValueKind::kComputed, needs_gradient, index, ""}));
  }
  nodes_.push_back(std::move(node));
  if (pure) alike->push_back(index);
  if (is_store) ForgetReadersOf(LeafOf(inputs[0]));
  return nodes_.back().outputs;
}

void Graph::Fail(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void Graph::SetName(Value value, std::string_view name) {
  if (!value.valid()) return;
  if (values_[value.id].name.empty()) values_[value.id].name = name;
  names_.emplace(name, value);
}

Value Graph::Find(std::string_view name) const {
  auto it = names_.find(name);
  return it == names_.end() ? Value{} : it->second;
}

void Graph::SetBlock(std::string_view name) {
  if (name == blocks_[block_]) return;
  auto [it, added] = block_index_.try_emplace(name, static_cast<int32_t>(blocks_.size()));
  if (added) blocks_.emplace_back(name);
  block_ = it->second;
}

std::vector<Value> Graph::Leaves(ValueKind kind) const {
  std::vector<Value> leaves;
  for (size_t i = 0; i < values_.size(); ++i) {
    if (values_[i].kind == kind) leaves.push_back(Value{static_cast<int32_t>(i)});
  }
  return leaves;
}

Descs Graph::DescsOf(absl::Span<const Value> values) const {
  Descs descs;
  descs.reserve(values.size());
  for (Value v : values) descs.push_back(desc(v));
  return descs;
}

std::string Graph::ToString() const {
  std::string text;
  for (const Node& n : nodes_) {
    text += fmt::format("{:24} {:28}", blocks_[n.block], NameOf(n.op));
    for (Value v : n.inputs) text += fmt::format(" %{}:{}", v.id, mathnas::kernels::ToString(desc(v).shape));
    text += " ->";
    for (Value v : n.outputs) text += fmt::format(" %{}:{}", v.id, mathnas::kernels::ToString(desc(v).shape));
    text += '\n';
  }
  return text;
}

std::vector<Counts> CountByNode(const Graph& graph) {
  std::vector<Counts> counts;
  for (const Graph::Node& n : graph.nodes()) {
    counts.push_back(CountOf(n.op, graph.DescsOf(n.inputs), graph.DescsOf(n.outputs)));
  }
  return counts;
}

std::vector<Counts> CountByBlock(const Graph& graph) {
  std::vector<Counts> counts(graph.blocks().size());
  const std::vector<Counts> by_node = CountByNode(graph);
  for (size_t n = 0; n < by_node.size(); ++n) {
    Counts& block = counts[graph.nodes()[n].block];
    block.macs += by_node[n].macs;
    block.bias_adds += by_node[n].bias_adds;
    block.scalings += by_node[n].scalings;
  }
  return counts;
}

}  // namespace mathnas::kernels
