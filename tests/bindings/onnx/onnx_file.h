// Reads ONNX files again, by the field numbers of onnx.proto: an own decoder of protobuf's wire format.
#ifndef MATHNAS_TESTS_BINDINGS_ONNX_ONNX_FILE_H_
#define MATHNAS_TESTS_BINDINGS_ONNX_ONNX_FILE_H_

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mathnas::onnx::testing {

// TensorProto.DataType.
constexpr int64_t kFloat = 1, kInt32 = 6, kInt64 = 7, kBool = 9;

// Reals as doubles, everything else as integers.
struct Array {
  int64_t type = kFloat;
  std::vector<int64_t> shape;
  std::vector<double> real = {};
  std::vector<int64_t> integer = {};
};

struct Attribute {
  int64_t type = 0, integer = 0;
  float number = 0;
  std::string text;
  std::vector<int64_t> integers;
};

struct Node {
  std::string type, name;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, Attribute> attributes;
};

struct Port {
  std::string name;
  int64_t type = 0;
  std::vector<std::string> shape;  // extents, or names of axes
};

struct File {
  int64_t ir_version = 0;
  std::map<std::string, int64_t> opsets;  // by domain
  std::string producer, graph_name;
  std::vector<Node> nodes;
  std::map<std::string, Array> initializers;
  std::vector<Port> inputs, outputs;
  std::map<std::string, std::string> metadata;
};

// The fields of a message, one after the other. Throws std::runtime_error where there is none.
class Fields {
 public:
  explicit Fields(std::string_view message) : bytes_(message) {}

  bool Next() {
    if (bytes_.empty()) return false;
    const uint64_t tag = Varint();
    number = static_cast<int>(tag >> 3);
    const int wire_type = static_cast<int>(tag & 7);
    if (wire_type == 0) {
      integer = static_cast<int64_t>(Varint());
    } else if (wire_type == 2) {
      bytes = Take(Varint());
    } else if (wire_type == 5) {
      std::memcpy(&real, Take(4).data(), 4);
    } else {
      throw std::runtime_error("wire type " + std::to_string(wire_type));
    }
    return true;
  }

  int number = 0;
  int64_t integer = 0;
  float real = 0;
  std::string_view bytes;

 private:
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      const auto byte = static_cast<uint8_t>(Take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    throw std::runtime_error("a varint without end");
  }
  std::string_view Take(uint64_t count) {
    if (count > bytes_.size()) throw std::runtime_error("cut off");
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

  std::string_view bytes_;
};

inline std::pair<std::string, Attribute> ReadAttribute(std::string_view bytes) {
  std::pair<std::string, Attribute> read;
  for (Fields f(bytes); f.Next();) {
    if (f.number == 1) read.first = f.bytes;
    if (f.number == 2) read.second.number = f.real;
    if (f.number == 3) read.second.integer = f.integer;
    if (f.number == 4) read.second.text = f.bytes;
    if (f.number == 8) read.second.integers.push_back(f.integer);
    if (f.number == 20) read.second.type = f.integer;
  }
  return read;
}

inline Node ReadNode(std::string_view bytes) {
  Node node;
  for (Fields f(bytes); f.Next();) {
    if (f.number == 1) node.inputs.emplace_back(f.bytes);
    if (f.number == 2) node.outputs.emplace_back(f.bytes);
    if (f.number == 3) node.name = f.bytes;
    if (f.number == 4) node.type = f.bytes;
    if (f.number == 5) node.attributes.insert(ReadAttribute(f.bytes));
    if (f.number > 5) throw std::runtime_error("an unexpected field of a node");
  }
  return node;
}

template <typename From, typename To>
void Copy(std::string_view raw, std::vector<To>& to) {
  to.reserve(raw.size() / sizeof(From));
  for (size_t i = 0; i + sizeof(From) <= raw.size(); i += sizeof(From)) {
    From value;
    std::memcpy(&value, raw.data() + i, sizeof(From));
    to.push_back(static_cast<To>(value));
  }
}

inline std::pair<std::string, Array> ReadTensor(std::string_view bytes) {
  std::pair<std::string, Array> read;
  std::string_view raw;
  for (Fields f(bytes); f.Next();) {
    if (f.number == 1) read.second.shape.push_back(f.integer);
    if (f.number == 2) read.second.type = f.integer;
    if (f.number == 8) read.first = f.bytes;
    if (f.number == 9) raw = f.bytes;
  }
  size_t elements = 1;
  for (int64_t extent : read.second.shape) elements *= static_cast<size_t>(extent);
  const int64_t type = read.second.type;
  if (type == kFloat) Copy<float>(raw, read.second.real);
  if (type == kInt32) Copy<int32_t>(raw, read.second.integer);
  if (type == kInt64) Copy<int64_t>(raw, read.second.integer);
  if (read.second.real.size() + read.second.integer.size() != elements) {
    throw std::runtime_error(read.first + ": another number of elements than its shape says");
  }
  return read;
}

inline Port ReadPort(std::string_view bytes) {
  Port port;
  for (Fields f(bytes); f.Next();) {
    if (f.number == 1) port.name = f.bytes;
    if (f.number != 2) continue;
    for (Fields type(f.bytes); type.Next();) {
      if (type.number != 1) continue;
      for (Fields tensor(type.bytes); tensor.Next();) {
        if (tensor.number == 1) port.type = tensor.integer;
        if (tensor.number != 2) continue;
        for (Fields dim(tensor.bytes); dim.Next();) {
          for (Fields d(dim.bytes); d.Next();) {
            port.shape.push_back(d.number == 1 ? std::to_string(d.integer) : std::string(d.bytes));
          }
        }
      }
    }
  }
  return port;
}

inline File ReadOnnx(const std::string& path) {
  std::string bytes(std::filesystem::file_size(path), '\0');
  std::ifstream(path, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  File file;
  for (Fields f(bytes); f.Next();) {
    if (f.number == 1) file.ir_version = f.integer;
    if (f.number == 2) file.producer = f.bytes;
    if (f.number == 8) {
      std::string domain;
      int64_t version = 0;
      for (Fields o(f.bytes); o.Next();) {
        if (o.number == 1) domain = o.bytes;
        if (o.number == 2) version = o.integer;
      }
      file.opsets[domain] = version;
    }
    if (f.number == 14) {
      std::string key, value;
      for (Fields e(f.bytes); e.Next();) (e.number == 1 ? key : value) = e.bytes;
      file.metadata[key] = value;
    }
    if (f.number != 7) continue;
    for (Fields g(f.bytes); g.Next();) {
      if (g.number == 1) file.nodes.push_back(ReadNode(g.bytes));
      if (g.number == 2) file.graph_name = g.bytes;
      if (g.number == 5) file.initializers.insert(ReadTensor(g.bytes));
      if (g.number == 11) file.inputs.push_back(ReadPort(g.bytes));
      if (g.number == 12) file.outputs.push_back(ReadPort(g.bytes));
    }
  }
  return file;
}

}  // namespace mathnas::onnx::testing

#endif  // MATHNAS_TESTS_BINDINGS_ONNX_ONNX_FILE_H_
