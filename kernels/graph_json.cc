#include "kernels/graph_json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/bounded_json.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"

namespace mathnas::kernels {
namespace {

using internal::IntegerIn;
using internal::Shortened;
using nlohmann::json;

constexpr std::string_view kFormat = "mathnas-graph/1";
constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr int kMaxDepth = 8;
constexpr size_t kMaxEntries = 1'000'000;  // leaves, nodes, blocks, names
constexpr size_t kMaxInputs = 1024;
// The multiply-adds of a convolution are at most the product of two tensors' elements: these fit 63 bits.
constexpr int64_t kMaxElements = std::numeric_limits<int32_t>::max();
// Sizes computed from attributes in 32 bits do not overflow.
constexpr int64_t kMaxAttribute = int64_t{1} << 24;

// --- Writing ---

std::string_view KindOf(const Graph::ValueInfo& leaf) {
  switch (leaf.kind) {
    case ValueKind::kParameter:
      return "parameter";
    case ValueKind::kState:
      return "state";
    default:
      return leaf.desc.dtype == DType::kI64 ? "integers" : "input";
  }
}

template <typename T>
json Attribute(const T& attribute) {
  return attribute;
}
json Attribute(Activation attribute) { return Name(attribute); }
json Attribute(DType attribute) { return Name(attribute); }
json Attribute(const Extents& attribute) {
  const Shape shape = attribute.shape();
  return std::vector<int64_t>(shape.begin(), shape.end());
}

absl::StatusOr<json> Attributes(const Operator& op) {
  json attributes = json::object();
  absl::Status status;
  const auto write = [&](std::string_view name, const auto& attribute) {
    if constexpr (std::is_same_v<std::decay_t<decltype(attribute)>, double>) {
      if (!std::isfinite(attribute)) {
        status = OperatorError(NameOf(op), fmt::format("{} is {}, expected a finite number", name, attribute));
      }
    }
    attributes[std::string(name)] = Attribute(attribute);
  };
  std::visit([&](auto o) { o.Visit(write); }, op);  // by value: Visit hands out references that a reader may assign to
  if (!status.ok()) return status;
  return attributes;
}

// --- Reading ---

absl::Status Expected(std::string_view path, std::string_view what, const json& found) {
  return absl::InvalidArgumentError(fmt::format("{}: found {}, expected {}", path, Shortened(found), what));
}

absl::Status ReadAttribute(std::string_view path, const json& value, bool& attribute) {
  if (!value.is_boolean()) return Expected(path, "true or false", value);
  attribute = value.get<bool>();
  return absl::OkStatus();
}

absl::Status ReadAttribute(std::string_view path, const json& value, int32_t& attribute) {
  const std::optional<int64_t> v = IntegerIn(value, -kMaxAttribute, kMaxAttribute);
  if (!v) return Expected(path, fmt::format("an integer of at most {} in size", kMaxAttribute), value);
  attribute = static_cast<int32_t>(*v);
  return absl::OkStatus();
}

absl::Status ReadAttribute(std::string_view path, const json& value, double& attribute) {
  if (!value.is_number()) return Expected(path, "a number", value);
  attribute = value.get<double>();
  return absl::OkStatus();
}

absl::Status ReadAttribute(std::string_view path, const json& value, Activation& attribute) {
  const std::string* name = value.get_ptr<const std::string*>();
  const absl::StatusOr<Activation> activation = ParseActivation(name == nullptr ? "" : *name);
  if (!activation.ok()) return Expected(path, "none, relu, hard_swish or swish", value);
  attribute = *activation;
  return absl::OkStatus();
}

absl::Status ReadAttribute(std::string_view path, const json& value, DType& attribute) {
  const std::string* name = value.get_ptr<const std::string*>();
  const absl::StatusOr<DType> type = ParseDType(name == nullptr ? "" : *name);
  if (!type.ok()) return Expected(path, "an element type", value);
  attribute = *type;
  return absl::OkStatus();
}

// Extents of at least 1 whose product is at most kMaxElements.
absl::Status ReadShape(std::string_view path, const json& value, Shape& shape) {
  if (!value.is_array() || value.size() > Extents::kMaxRank) {
    return Expected(path, fmt::format("an array of at most {} extents", Extents::kMaxRank), value);
  }
  int64_t elements = 1;
  for (const json& e : value) {
    const std::optional<int64_t> extent = IntegerIn(e, 1, kMaxElements);
    if (!extent) return Expected(fmt::format("{}[{}]", path, shape.size()), fmt::format("1 to {}", kMaxElements), e);
    elements *= *extent;
    shape.push_back(*extent);
    if (elements > kMaxElements) {
      return absl::InvalidArgumentError(fmt::format("{}: more than {} elements", path, kMaxElements));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadAttribute(std::string_view path, const json& value, Extents& attribute) {
  Shape shape;
  if (auto s = ReadShape(path, value, shape); !s.ok()) return s;
  attribute = shape;
  return absl::OkStatus();
}

// The operator of this name, with the attributes of `object` if that is not null.
template <typename... Ops>
absl::StatusOr<Operator> ReadOperator(const std::string& path, const std::string& name, const json* object,
                                      std::type_identity<std::variant<Ops...>>) {
  std::optional<Operator> op;
  ((name == Ops::kName && (op.emplace(Ops{}), true)) || ...);
  if (!op) {
    return absl::InvalidArgumentError(fmt::format("{}.op: unknown operator {}, expected one of {}", path,
                                                  Shortened(name), fmt::join({Ops::kName...}, ", ")));
  }
  if (object == nullptr) return *std::move(op);

  const std::string attributes_path = path + ".attributes";
  if (!object->is_object()) return Expected(attributes_path, "an object", *object);
  absl::Status status;
  std::set<std::string> known;
  const auto read = [&](std::string_view attribute_name, auto& attribute) {
    const auto it = object->find(*known.emplace(attribute_name).first);
    if (it == object->end() || !status.ok()) return;
    status = ReadAttribute(fmt::format("{}.{}", attributes_path, attribute_name), *it, attribute);
  };
  std::visit([&](auto& o) { o.Visit(read); }, *op);
  if (!status.ok()) return status;
  for (const auto& [key, value] : object->items()) {
    if (known.contains(key)) continue;
    return absl::InvalidArgumentError(fmt::format("{}[{}]: unknown, {} has {}", attributes_path, Shortened(key), name,
                                                  known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", "))));
  }
  return *std::move(op);
}

// One object of the text, and where it is. Fields that were not asked for are an error in the end.
class Fields {
 public:
  Fields(const json& object, std::string path) : object_(object), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string PathOf(std::string_view name) const {
    return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
  }

  // Null when there is none of this name.
  const json* Optional(const char* name) {
    names_.push_back(name);
    if (!object_.is_object()) return nullptr;
    const auto it = object_.find(name);
    return it == object_.end() ? nullptr : &*it;
  }
  absl::StatusOr<const json*> Get(const char* name, json::value_t type) {
    if (!object_.is_object()) return Expected(path_.empty() ? "document" : path_, "an object", object_);
    const json* value = Optional(name);
    if (value == nullptr) return absl::InvalidArgumentError(fmt::format("{}: missing", PathOf(name)));
    if (value->type() == type) return value;
    return Expected(PathOf(name),
                    type == json::value_t::string  ? "a string"
                    : type == json::value_t::array ? "an array"
                                                   : "an object",
                    *value);
  }
  absl::StatusOr<std::string> String(const char* name) {
    const absl::StatusOr<const json*> value = Get(name, json::value_t::string);
    if (!value.ok()) return value.status();
    return (*value)->get<std::string>();
  }
  absl::StatusOr<const json*> Array(const char* name, size_t max_size) {
    absl::StatusOr<const json*> value = Get(name, json::value_t::array);
    if (value.ok() && (*value)->size() > max_size) {
      return absl::InvalidArgumentError(
          fmt::format("{}: {} entries, expected at most {}", PathOf(name), (*value)->size(), max_size));
    }
    return value;
  }
  absl::Status NoOthers() const {
    for (const auto& [name, value] : object_.items()) {
      if (std::find(names_.begin(), names_.end(), name) != names_.end()) continue;
      return absl::InvalidArgumentError(
          fmt::format("{}[{}]: unknown, expected {}", path_, Shortened(name), fmt::join(names_, ", ")));
    }
    return absl::OkStatus();
  }

 private:
  const json& object_;
  std::string path_;
  absl::InlinedVector<std::string_view, 8> names_;
};

class Reader {
 public:
  absl::StatusOr<Graph> Read(const json& document) {
    Fields fields(document, "");
    const absl::StatusOr<std::string> format = fields.String("format");
    if (!format.ok()) return format.status();
    if (*format != kFormat) return Expected("format", fmt::format("\"{}\"", kFormat), *format);
    const absl::StatusOr<std::string> type = fields.String("type");
    if (!type.ok()) return type.status();
    const absl::StatusOr<DType> real = ParseDType(*type);
    if (!real.ok() || (*real != DType::kF32 && *real != DType::kF64))
      return Expected("type", "\"F32\" or \"F64\"", *type);
    const absl::StatusOr<const json*> blocks = fields.Array("blocks", kMaxEntries);
    if (!blocks.ok()) return blocks.status();
    const absl::StatusOr<const json*> leaves = fields.Array("leaves", kMaxEntries);
    if (!leaves.ok()) return leaves.status();
    const absl::StatusOr<const json*> nodes = fields.Array("nodes", kMaxEntries);
    if (!nodes.ok()) return nodes.status();
    const absl::StatusOr<const json*> names = fields.Get("names", json::value_t::object);
    if (!names.ok()) return names.status();
    if (auto s = fields.NoOthers(); !s.ok()) return s;

    graph_ = Graph(*real);
    if (auto s = ReadBlocks(**blocks); !s.ok()) return s;
    for (size_t i = 0; i < (*leaves)->size(); ++i) {
      if (auto s = ReadLeaf(Fields((**leaves)[i], fmt::format("leaves[{}]", i))); !s.ok()) return s;
    }
    for (size_t i = 0; i < (*nodes)->size(); ++i) {
      if (auto s = ReadNode(Fields((**nodes)[i], fmt::format("nodes[{}]", i))); !s.ok()) return s;
    }
    graph_.SetBlock("");
    for (const auto& [name, value] : (*names)->items()) {
      if (auto s = ReadName(name, value); !s.ok()) return s;
    }
    return std::move(graph_);
  }

 private:
  absl::Status ReadBlocks(const json& blocks) {
    for (size_t i = 0; i < blocks.size(); ++i) {
      const std::string path = fmt::format("blocks[{}]", i);
      if (!blocks[i].is_string()) return Expected(path, "a string", blocks[i]);
      blocks_.push_back(blocks[i].get<std::string>());
      graph_.SetBlock(blocks_.back());
      if (graph_.blocks().size() != i + 1 || graph_.blocks()[i] != blocks_[i]) {
        return Expected(path, "\"\" first and every name once", blocks[i]);
      }
    }
    if (blocks_.empty()) return absl::InvalidArgumentError("blocks: empty, expected \"\" first");
    return absl::OkStatus();
  }

  absl::Status ReadLeaf(Fields leaf) {
    const absl::StatusOr<std::string> kind = leaf.String("kind");
    if (!kind.ok()) return kind.status();
    const absl::StatusOr<std::string> name = leaf.String("name");
    if (!name.ok()) return name.status();
    const absl::StatusOr<const json*> extents = leaf.Get("shape", json::value_t::array);
    if (!extents.ok()) return extents.status();
    const json* type_name = leaf.Optional("type");
    if (auto s = leaf.NoOthers(); !s.ok()) return s;
    Shape shape;
    if (auto s = ReadShape(leaf.PathOf("shape"), **extents, shape); !s.ok()) return s;
    DType type = graph_.real();
    if (type_name != nullptr) {
      if (auto s = ReadAttribute(leaf.PathOf("type"), *type_name, type); !s.ok()) return s;
      if (!IsLow(type) || (*kind != "input" && *kind != "parameter")) {
        return Expected(leaf.PathOf("type"), "BF16 or F16, of an input or a parameter", *type_name);
      }
    }
    if (graph_.Find(*name).valid()) return Expected(leaf.PathOf("name"), "every name once", *name);

    if (*kind == "input") {
      values_.push_back(graph_.TypedInput(*name, {type, shape}));
    } else if (*kind == "integers") {
      values_.push_back(graph_.Integers(*name, shape));
    } else if (*kind == "parameter") {
      values_.push_back(graph_.TypedParameter(*name, {type, shape}));
    } else if (*kind == "state") {
      values_.push_back(graph_.State(*name, shape));
    } else {
      return Expected(leaf.PathOf("kind"), "input, integers, parameter or state", *kind);
    }
    return Annotate(graph_.status(), leaf.path());
  }

  absl::Status ReadNode(Fields node) {
    const absl::StatusOr<std::string> name = node.String("op");
    if (!name.ok()) return name.status();
    absl::StatusOr<Operator> op =
        ReadOperator(node.path(), *name, node.Optional("attributes"), std::type_identity<Operator>());
    if (!op.ok()) return op.status();
    const absl::StatusOr<const json*> operands = node.Array("inputs", kMaxInputs);
    if (!operands.ok()) return operands.status();
    const absl::StatusOr<const json*> block = node.Get("block", json::value_t::number_unsigned);
    if (!block.ok()) return block.status();
    if (auto s = node.NoOthers(); !s.ok()) return s;

    Values inputs;
    for (const json& operand : **operands) {
      const absl::StatusOr<Value> value = FindValue(operand);
      if (!value.ok()) return Annotate(value.status(), fmt::format("{}.inputs[{}]", node.path(), inputs.size()));
      inputs.push_back(*value);
    }
    const std::optional<int64_t> block_index = IntegerIn(**block, 0, static_cast<int64_t>(blocks_.size()) - 1);
    if (!block_index) return Expected(node.PathOf("block"), fmt::format("0 to {}", blocks_.size() - 1), **block);
    graph_.SetBlock(blocks_[*block_index]);

    const Values outputs = graph_.Apply(*std::move(op), inputs);
    if (!graph_.status().ok()) return Annotate(graph_.status(), node.path());
    for (Value v : outputs) {
      if (auto s = CheckSize(graph_.desc(v).shape); !s.ok()) return Annotate(s, node.path());
      values_.push_back(v);
    }
    return absl::OkStatus();
  }

  // Of an output: attributes may ask for any size.
  static absl::Status CheckSize(const Shape& shape) {
    int64_t elements = 1;
    for (int64_t extent : shape) {
      if (extent < 1 || extent > kMaxElements || (elements *= extent) > kMaxElements) {
        return absl::InvalidArgumentError(fmt::format(
            "the output is {}, expected positive extents and at most {} elements", ToString(shape), kMaxElements));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Value> FindValue(const json& index) const {
    const auto count = static_cast<int64_t>(values_.size());
    if (const std::optional<int64_t> i = IntegerIn(index, 0, count - 1)) return values_[*i];
    return absl::InvalidArgumentError(
        fmt::format("found {}, expected one of the {} values so far", Shortened(index), count));
  }

  absl::Status ReadName(const std::string& name, const json& index) {
    const std::string path = fmt::format("names[{}]", Shortened(name));
    const absl::StatusOr<Value> value = FindValue(index);
    if (!value.ok()) return Annotate(value.status(), path);
    if (name.empty()) return absl::InvalidArgumentError(path + ": empty");
    if (graph_.Find(name).valid()) return absl::InvalidArgumentError(path + ": taken, expected every name once");
    const std::string& known = graph_.info(*value).name;
    if (!known.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("{}: value {} is {} already", path, Shortened(index), Shortened(known)));
    }
    graph_.SetName(*value, name);
    return absl::OkStatus();
  }

  Graph graph_;
  std::vector<std::string> blocks_;
  std::vector<Value> values_;  // by the index in the text
};

}  // namespace

absl::StatusOr<std::string> GraphToJson(const Graph& graph) {
  if (!graph.status().ok()) return graph.status();
  json leaves = json::array(), nodes = json::array(), names = json::object();
  std::vector<int64_t> index(graph.values().size(), -1);
  int64_t count = 0;
  for (size_t i = 0; i < graph.values().size(); ++i) {
    const Graph::ValueInfo& info = graph.values()[i];
    if (info.kind == ValueKind::kComputed) continue;
    index[i] = count++;
    json leaf = {{"kind", KindOf(info)},
                 {"name", info.name},
                 {"shape", std::vector<int64_t>(info.desc.shape.begin(), info.desc.shape.end())}};
    if (IsLow(info.desc.dtype)) leaf["type"] = Name(info.desc.dtype);  // the others have the graph's
    leaves.push_back(std::move(leaf));
  }
  for (const Graph::Node& node : graph.nodes()) {
    absl::StatusOr<json> attributes = Attributes(node.op);
    if (!attributes.ok()) return attributes.status();
    json inputs = json::array();
    for (Value v : node.inputs) inputs.push_back(index[v.id]);
    json entry = {{"op", NameOf(node.op)}, {"inputs", std::move(inputs)}, {"block", node.block}};
    if (!attributes->empty()) entry["attributes"] = *std::move(attributes);
    nodes.push_back(std::move(entry));
    for (Value v : node.outputs) index[v.id] = count++;
  }
  for (size_t i = 0; i < graph.values().size(); ++i) {
    const Graph::ValueInfo& info = graph.values()[i];
    const Value value = {static_cast<int32_t>(i)};
    if (info.kind == ValueKind::kComputed && !info.name.empty() && graph.Find(info.name) == value)
      names[info.name] = index[i];
  }
  return internal::DumpJson({{"format", kFormat},
                             {"type", Name(graph.real())},
                             {"blocks", graph.blocks()},
                             {"leaves", std::move(leaves)},
                             {"nodes", std::move(nodes)},
                             {"names", std::move(names)}});
}

absl::StatusOr<Graph> GraphFromJson(std::string_view text) {
  const absl::StatusOr<json> document = internal::ParseBoundedJson(text, kMaxBytes, kMaxDepth);
  if (!document.ok()) return document.status();
  return Reader().Read(*document);
}

}  // namespace mathnas::kernels
