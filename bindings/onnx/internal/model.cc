#include "bindings/onnx/internal/model.h"

#include <limits>
#include <optional>
#include <set>

#include "bindings/onnx/export.h"
#include "bindings/onnx/internal/wire.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/atomic_file.h"
#include "supernet/text/internal/utf8.h"

namespace mathnas::onnx::internal {
namespace {

constexpr size_t kMostBytes = std::numeric_limits<int32_t>::max();

// Numbers of the fields, by message.
namespace field {
namespace model {
constexpr int kIrVersion = 1, kProducerName = 2, kProducerVersion = 3, kGraph = 7, kOpsetImport = 8,
              kMetadataProps = 14;
}
namespace opset {
constexpr int kVersion = 2;
}
namespace entry {
constexpr int kKey = 1, kValue = 2;
}
namespace graph {
constexpr int kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12;
}
namespace node {
constexpr int kInput = 1, kOutput = 2, kName = 3, kType = 4, kAttribute = 5;
}
namespace attribute {
constexpr int kName = 1, kFloat = 2, kInteger = 3, kText = 4, kIntegers = 8, kType = 20;
constexpr int kFloatType = 1, kIntegerType = 2, kTextType = 3, kIntegersType = 7;
}  // namespace attribute
namespace tensor {
constexpr int kDims = 1, kDataType = 2, kName = 8, kRawData = 9;
}
namespace value_info {
constexpr int kName = 1, kType = 2;
}
namespace type {
constexpr int kTensor = 1;
constexpr int kElementType = 1, kShape = 2;  // of the tensor
constexpr int kDim = 1;                      // of the shape
constexpr int kDimValue = 1, kDimParam = 2;  // of the dimension
}  // namespace type
}  // namespace field

ElementType TypeOf(kernels::DType dtype) {
  if (dtype == kernels::DType::kI64) return ElementType::kInt64;
  return dtype == kernels::DType::kI32 ? ElementType::kInt32 : ElementType::kFloat;
}

Message ToMessage(const Attribute& a) {
  using namespace field::attribute;
  Message message;
  message.Text(kName, a.name);
  if (const auto* number = std::get_if<float>(&a.value)) {
    message.Float(kFloat, *number);
    message.Integer(kType, kFloatType);
  } else if (const auto* integer = std::get_if<int64_t>(&a.value)) {
    message.Integer(kInteger, *integer);
    message.Integer(kType, kIntegerType);
  } else if (const auto* text = std::get_if<std::string>(&a.value)) {
    message.Text(kText, *text);
    message.Integer(kType, kTextType);
  } else {
    for (int64_t i : std::get<std::vector<int64_t>>(a.value)) message.Integer(kIntegers, i);
    message.Integer(kType, kIntegersType);
  }
  return message;
}

Message ToMessage(const Node& n) {
  using namespace field::node;
  Message message;
  for (const std::string& input : n.inputs) message.Text(kInput, input);
  message.Text(kOutput, n.output);
  message.Text(kName, n.name);
  message.Text(kType, n.type);
  for (const Attribute& a : n.attributes) message.Nested(kAttribute, ToMessage(a));
  return message;
}

Message ToMessage(const Initializer& i) {
  using namespace field::tensor;
  Message message;
  for (int64_t extent : i.shape) message.Integer(kDims, extent);
  message.Integer(kDataType, static_cast<int64_t>(TypeOf(i.tensor.desc().dtype)));
  message.Text(kName, i.name);
  message.Borrowed(kRawData, {static_cast<const char*>(i.tensor.data()), i.tensor.desc().bytes()});
  return message;
}

Message ToMessage(const Port& p) {
  using namespace field::type;
  Message shape;
  for (const Dimension& d : p.shape) {
    Message dimension;
    if (d.symbol.empty()) {
      dimension.Integer(kDimValue, d.extent);
    } else {
      dimension.Text(kDimParam, d.symbol);
    }
    shape.Nested(kDim, std::move(dimension));
  }
  Message tensor;
  tensor.Integer(kElementType, static_cast<int64_t>(p.type));
  tensor.Nested(kShape, std::move(shape));
  Message type;
  type.Nested(kTensor, std::move(tensor));
  Message message;
  message.Text(field::value_info::kName, p.name);
  message.Nested(field::value_info::kType, std::move(type));
  return message;
}

Message ToMessage(const Model& m) {
  Message graph;
  for (const Node& n : m.nodes) graph.Nested(field::graph::kNode, ToMessage(n));
  graph.Text(field::graph::kName, m.name);
  for (const Initializer& i : m.initializers) graph.Nested(field::graph::kInitializer, ToMessage(i));
  for (const Port& p : m.inputs) graph.Nested(field::graph::kInput, ToMessage(p));
  for (const Port& p : m.outputs) graph.Nested(field::graph::kOutput, ToMessage(p));

  Message opset;  // of the standard operators, whose domain is empty
  opset.Integer(field::opset::kVersion, kOpset);
  Message message;
  message.Integer(field::model::kIrVersion, kIrVersion);
  message.Text(field::model::kProducerName, "mathnas");
  message.Text(field::model::kProducerVersion, MATHNAS_VERSION);
  message.Nested(field::model::kGraph, std::move(graph));
  message.Nested(field::model::kOpsetImport, std::move(opset));
  for (const auto& [key, value] : m.metadata) {
    Message entry;
    entry.Text(field::entry::kKey, key);
    entry.Text(field::entry::kValue, value);
    message.Nested(field::model::kMetadataProps, std::move(entry));
  }
  return message;
}

// What is wrong with a name of a value, if anything.
std::optional<std::string> Complaint(std::string_view name) {
  if (name.empty()) return "an empty name, which stands for a value that is left out";
  if (!supernet::text::IsValidUtf8(name)) {
    return fmt::format("the name \"{}\" is not UTF-8", supernet::text::RepairUtf8(name.substr(0, 100)));
  }
  return std::nullopt;
}

absl::Status CheckNames(const Model& m) {
  std::set<std::string_view> values;
  const auto add = [&](std::string_view what, const std::string& name) -> absl::Status {
    if (const auto wrong = Complaint(name)) return absl::InvalidArgumentError(fmt::format("{}: {}", what, *wrong));
    if (!values.insert(name).second) {
      return absl::InvalidArgumentError(fmt::format("{}: the name \"{:.100}\" is taken", what, name));
    }
    return absl::OkStatus();
  };
  for (const Port& p : m.inputs) {
    if (auto s = add("input", p.name); !s.ok()) return s;
  }
  for (const Initializer& i : m.initializers) {
    if (auto s = add("tensor", i.name); !s.ok()) return s;
  }
  for (const Node& n : m.nodes) {
    if (auto s = add(n.type, n.output); !s.ok()) return s;
  }
  for (const std::vector<Port>* ports : {&m.inputs, &m.outputs}) {
    for (const Port& p : *ports) {
      for (const Dimension& d : p.shape) {
        if (!supernet::text::IsValidUtf8(d.symbol)) {
          return absl::InvalidArgumentError(fmt::format("axes of \"{:.100}\": a name that is not UTF-8", p.name));
        }
      }
    }
  }
  for (const auto& [key, value] : m.metadata) {
    for (const std::string& text : {key, value}) {
      if (!supernet::text::IsValidUtf8(text)) {
        return absl::InvalidArgumentError(
            fmt::format("metadata \"{}\" is not UTF-8", supernet::text::RepairUtf8(key.substr(0, 100))));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int64_t> Write(const std::string& path, const Model& model) {
  if (auto s = CheckNames(model); !s.ok()) return kernels::Annotate(s, path);
  const Message message = ToMessage(model);
  if (message.bytes() > kMostBytes) {
    return absl::ResourceExhaustedError(
        fmt::format("{}: {} bytes, expected at most {}, which is all that an ONNX file can hold", path, message.bytes(),
                    kMostBytes));
  }
  if (auto s = supernet::AtomicWriteFile(path, message.parts()); !s.ok()) return s;
  return static_cast<int64_t>(message.bytes());
}

}  // namespace mathnas::onnx::internal
