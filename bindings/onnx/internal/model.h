// What an ONNX file holds, as far as networks of ours need it, and the file (onnx.proto of ONNX 1.12: intermediate
// representation 8, operator set 17).
#ifndef MATHNAS_BINDINGS_ONNX_INTERNAL_MODEL_H_
#define MATHNAS_BINDINGS_ONNX_INTERNAL_MODEL_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/tensor.h"

namespace mathnas::onnx::internal {

// TensorProto.DataType.
enum class ElementType : int32_t { kFloat = 1, kInt32 = 6, kInt64 = 7, kBool = 9 };

struct Attribute {
  std::string name;
  std::variant<int64_t, float, std::string, std::vector<int64_t>> value;
};

struct Node {
  std::string type, name;
  std::vector<std::string> inputs;  // "" where an optional one is left out
  std::string output;
  std::vector<Attribute> attributes;
};

// An initialiser: a weight by its name, or a constant.
struct Initializer {
  std::string name;
  std::vector<int64_t> shape;  // as many elements as the tensor has
  kernels::Tensor tensor;      // float32, int64 or int32
};

struct Dimension {
  int64_t extent = 0;
  std::string symbol = {};  // not empty: any extent
};

struct Port {
  std::string name;
  ElementType type = ElementType::kFloat;
  std::vector<Dimension> shape;
};

struct Model {
  std::string name;
  std::vector<Node> nodes;
  std::vector<Initializer> initializers;
  std::vector<Port> inputs, outputs;
  std::map<std::string, std::string> metadata;
};

// Writes the file as supernet::AtomicWriteFile does, complete or not at all, and returns its size in bytes. Errors name
// the file. InvalidArgument: a name that is empty or not UTF-8, a name twice; ResourceExhausted: a file of 2 GiB or
// more, which readers of protobuf refuse.
absl::StatusOr<int64_t> Write(const std::string& path, const Model& model);

}  // namespace mathnas::onnx::internal

#endif  // MATHNAS_BINDINGS_ONNX_INTERNAL_MODEL_H_
