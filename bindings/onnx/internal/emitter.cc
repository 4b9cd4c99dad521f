#include "bindings/onnx/internal/emitter.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "fmt/format.h"
#include "fmt/ranges.h"

namespace mathnas::onnx::internal {
namespace {

using kernels::DType;
using kernels::Graph;
using kernels::Shape;
using kernels::Tensor;
using kernels::TensorDesc;
using kernels::Value;
using kernels::ValueKind;

std::vector<int64_t> ToVector(const Shape& shape) { return {shape.begin(), shape.end()}; }

std::vector<int64_t> InLayout(const Shape& s, Layout layout) {
  if (layout == Layout::kChannelsFirst) return {s[0], s[3], s[1], s[2]};
  if (layout == Layout::kPooled) return {s[0], s[1], 1, 1};
  return ToVector(s);
}

template <typename T>
Tensor Filled(const std::vector<T>& values, Shape shape) {
  Tensor tensor(kernels::DTypeOf<T>(), std::move(shape));
  std::copy(values.begin(), values.end(), tensor.as<T>().begin());
  return tensor;
}

}  // namespace

Emitter::Emitter(const Graph& graph, absl::Span<const kernels::PlanOutput> outputs, const kernels::TensorMap& weights,
                 const GraphOptions& options)
    : graph_(graph), outputs_(outputs), weights_(weights), options_(options) {
  model_.name = options.name;
  model_.metadata = options.metadata;
  for (const Graph::ValueInfo& info : graph.values()) {
    if (info.kind != ValueKind::kComputed) Reserve("leaf", info.name);
  }
  for (const kernels::PlanOutput& o : outputs) Reserve("output", o.name);
  for (Value v : graph.Leaves(ValueKind::kInput)) AddInput(v, NaturalLayout(v));
}

void Emitter::AddInput(Value leaf, Layout layout) {
  auto port = MakePort(graph_.info(leaf).name, graph_.desc(leaf), layout);
  if (!port.ok()) return Fail(port.status());
  model_.inputs.push_back(*std::move(port));
  Set(leaf, layout, graph_.info(leaf).name);
}

void Emitter::Reserve(std::string_view what, const std::string& name) {
  if (names_.insert(name).second) return;
  Fail(absl::InvalidArgumentError(fmt::format("{} \"{:.100}\": the name is taken", what, name)));
}

std::string Emitter::Fresh(std::string_view base) {
  auto [count, first] = used_.try_emplace(std::string(base), 1);
  std::string name(base);
  while (!names_.insert(name).second) name = fmt::format("{}.{}", base, ++count->second);
  return name;
}

std::string Emitter::Add(std::string_view type, std::vector<std::string> inputs, std::vector<Attribute> attributes) {
  std::string name = Fresh(block_.empty() ? std::string(type) : fmt::format("{}/{}", block_, type));
  computed_.insert(name);
  model_.nodes.push_back({std::string(type), name, std::move(inputs), name, std::move(attributes)});
  return name;
}

Layout Emitter::NaturalLayout(Value v) const {
  const TensorDesc& desc = graph_.desc(v);
  return desc.shape.size() == 4 && desc.dtype != DType::kI64 ? Layout::kChannelsFirst : Layout::kPlain;
}

Layout Emitter::LayoutOf(Value v) const {
  return values_.contains({v.id, Layout::kPooled}) ? Layout::kPooled : NaturalLayout(v);
}

void Emitter::Set(Value v, Layout layout, std::string name) { values_[{v.id, layout}] = std::move(name); }

std::string Emitter::Read(Value v, Layout layout) {
  if (const auto known = values_.find({v.id, layout}); known != values_.end()) return known->second;
  const auto in = [&](Layout other) {
    const auto known = values_.find({v.id, other});
    return known == values_.end() ? std::optional<std::string>() : known->second;
  };
  std::string name;
  if (layout == Layout::kPooled) {
    name = Add("Unsqueeze", {Read(v, Layout::kPlain), Integers({2, 3})});
  } else if (layout == Layout::kChannelsFirst) {
    name = Add("Transpose", {Read(v, Layout::kPlain)}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  } else if (const auto pooled = in(Layout::kPooled)) {
    name = Add("Flatten", {*pooled}, {{"axis", int64_t{1}}});
  } else if (const auto image = in(Layout::kChannelsFirst)) {
    name = Add("Transpose", {*image}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
  } else if (const ValueKind kind = graph_.info(v).kind; kind == ValueKind::kParameter || kind == ValueKind::kState) {
    return Weight(v);
  } else {
    Fail(absl::UnimplementedError(fmt::format("an output of {} that has no counterpart in ONNX is read",
                                              NameOf(graph_.nodes()[graph_.info(v).node].op))));
  }
  Set(v, layout, name);
  return name;
}

std::string Emitter::Weight(Value v) { return Weight(v, ToVector(shape(v))); }

std::string Emitter::Weight(Value v, std::vector<int64_t> wanted) {
  std::string name;
  std::vector<int64_t> found = ToVector(shape(v));
  const Graph::ValueInfo& info = graph_.info(v);
  if (info.kind == ValueKind::kComputed || info.kind == ValueKind::kInput) {
    name = Read(v, Layout::kPlain);  // a part of a weight, or whatever else a node computes
  } else {
    name = info.name;
    const auto [known, is_new] = weight_shapes_.try_emplace(name, wanted);
    found = known->second;
    if (is_new) {
      const Tensor* tensor = weights_.Find(name);
      if (tensor == nullptr) {
        Fail(absl::NotFoundError(fmt::format("tensor \"{}\": missing", name)));
        return name;
      }
      if (tensor->desc() != info.desc) {
        Fail(absl::InvalidArgumentError(fmt::format("tensor \"{}\" is {} {}, expected {} {}", name,
                                                    Name(tensor->desc().dtype), kernels::ToString(tensor->shape()),
                                                    Name(info.desc.dtype), kernels::ToString(info.desc.shape))));
        return name;
      }
      model_.initializers.push_back({name, wanted, Tensor::Borrow(tensor->view(), nullptr)});
    }
  }
  if (found == wanted) return name;
  return Once(fmt::format("reshape {} {}", name, fmt::join(wanted, " ")), [&] {
    return Add("Reshape", {name, Integers(wanted)});
  });
}

std::string Emitter::Transposed(Value matrix) {
  const std::string name = Weight(matrix);
  return Once(fmt::format("transpose {}", name), [&] {
    return Add("Transpose", {name}, {{"perm", std::vector<int64_t>{1, 0}}});
  });
}

std::string Emitter::AddConstant(const std::string& name, Tensor tensor) {
  std::string fresh = Fresh(name);
  const Shape& shape = tensor.shape();
  model_.initializers.push_back({fresh, ToVector(shape), std::move(tensor)});
  return made_[name] = fresh;
}

std::string Emitter::Integers(const std::vector<int64_t>& values) {
  return Constant(fmt::format("integers[{}]", fmt::join(values, ",")),
                  [&] { return Filled(values, {std::ssize(values)}); });
}

std::string Emitter::Integer(int64_t value) {
  return Constant(fmt::format("integer {}", value), [&] { return Filled<int64_t>({value}, {}); });
}

std::string Emitter::Float(double value) {
  return Constant(fmt::format("float {}", static_cast<float>(value)),
                  [&] { return Filled<float>({static_cast<float>(value)}, {}); });
}

std::string Emitter::Floats(std::vector<float> values) {
  return Constant(fmt::format("floats[{}]", fmt::join(values, ",")),
                  [&] { return Filled(values, {std::ssize(values)}); });
}

void Emitter::AddWritten(Value leaf) {
  if (!written_.insert(leaf.id).second) return;
  AddInput(leaf, Layout::kPlain);
  Reserve("output", fmt::format("{}{}", graph_.info(leaf).name, kNext));
}

std::string Emitter::ShapeWithBatch(const Shape& wanted, Layout layout) {
  std::vector<int64_t> extents = InLayout(wanted, layout);
  for (const Port& input : model_.inputs) {
    if (input.shape.empty() || input.shape[0].symbol.empty() || input.shape[0].extent != extents[0]) continue;
    const std::string batch = Add("Shape", {input.name}, {{"start", int64_t{0}}, {"end", int64_t{1}}});
    return Add("Concat", {batch, Integers({extents.begin() + 1, extents.end()})}, {{"axis", int64_t{0}}});
  }
  return Integers(extents);
}

absl::StatusOr<Port> Emitter::MakePort(std::string_view name, const TensorDesc& desc, Layout layout) const {
  Port port = {std::string(name), desc.dtype == DType::kI64 ? ElementType::kInt64 : ElementType::kFloat, {}};
  for (int64_t extent : InLayout(desc.shape, layout)) port.shape.push_back({extent});
  const auto axes = options_.axes.find(name);
  if (axes == options_.axes.end()) return port;
  if (axes->second.size() != port.shape.size()) {
    return absl::InvalidArgumentError(fmt::format("axes of \"{}\": {} names, expected {}, one for each of {}", name,
                                                  axes->second.size(), port.shape.size(),
                                                  kernels::ToString(desc.shape)));
  }
  for (size_t i = 0; i < port.shape.size(); ++i) port.shape[i].symbol = axes->second[i];
  return port;
}

bool Emitter::Rename(const std::string& from, const std::string& to) {
  return computed_.contains(from) && renamed_.emplace(from, to).second;
}

void Emitter::AddOutput(const std::string& name, Value v, Layout layout) {
  const std::string value = Read(v, layout);
  if (!Rename(value, name)) model_.nodes.push_back({"Identity", Fresh(name + "/Identity"), {value}, name, {}});
  auto port = MakePort(name, graph_.desc(v), layout);
  if (!port.ok()) return Fail(port.status());
  model_.outputs.push_back(*std::move(port));
}

absl::StatusOr<Model> Emitter::Finish() {
  block_.clear();
  for (const kernels::PlanOutput& o : outputs_) AddOutput(o.name, o.value, NaturalLayout(o.value));
  for (int32_t id : written_) {
    const Value leaf = {id};
    AddOutput(fmt::format("{}{}", graph_.info(leaf).name, kNext), leaf, Layout::kPlain);
  }
  if (!status_.ok()) return status_;
  for (const auto& [name, axes] : options_.axes) {
    const auto is_it = [&name = name](const Port& port) { return port.name == name; };
    if (std::none_of(model_.inputs.begin(), model_.inputs.end(), is_it) &&
        std::none_of(model_.outputs.begin(), model_.outputs.end(), is_it)) {
      return absl::InvalidArgumentError(fmt::format("axes: no input or output is called \"{}\"", name));
    }
  }
  // Activations keep their names where nothing else has them.
  for (size_t i = 0; i < graph_.values().size(); ++i) {
    const Graph::ValueInfo& info = graph_.values()[i];
    const Value v = {static_cast<int32_t>(i)};
    if (info.kind != ValueKind::kComputed || info.name.empty()) continue;
    const auto known = values_.find({v.id, NaturalLayout(v)});
    if (known == values_.end() || names_.contains(info.name)) continue;
    if (Rename(known->second, info.name)) names_.insert(info.name);
  }
  const auto rename = [&](std::string& name) {
    if (const auto to = renamed_.find(name); to != renamed_.end()) name = to->second;
  };
  for (Node& node : model_.nodes) {
    for (std::string& input : node.inputs) rename(input);
    rename(node.output);
  }
  return std::move(model_);
}

}  // namespace mathnas::onnx::internal
