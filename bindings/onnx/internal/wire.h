// Messages in protobuf's wire format (protobuf.dev/programming-guides/encoding), as far as ONNX files need it: varints,
// 32 bit numbers, and bytes with their length before them. A hundred lines in place of a library and its compiler.
#ifndef MATHNAS_BINDINGS_ONNX_INTERNAL_WIRE_H_
#define MATHNAS_BINDINGS_ONNX_INTERNAL_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mathnas::onnx::internal {

// A message that grows field by field. Large fields can be left where they are: weights are written to the file from
// the tensors they are in.
class Message {
 public:
  void Integer(int field, int64_t value);
  void Float(int field, float value);
  void Text(int field, std::string_view text);
  // The same of bytes that must outlive the message.
  void Borrowed(int field, std::string_view bytes);
  void Nested(int field, Message message);

  size_t bytes() const { return bytes_; }
  // The message is these one after the other. They are valid as long as it is.
  std::vector<std::string_view> parts() const;

 private:
  // Bytes of its own, and bytes elsewhere after them.
  struct Part {
    std::string own;
    std::string_view borrowed;
  };

  void Own(std::string_view bytes);
  void Varint(uint64_t value);
  void Tag(int field, int wire_type) { Varint(static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire_type)); }

  std::vector<Part> parts_;
  size_t bytes_ = 0;
};

}  // namespace mathnas::onnx::internal

#endif  // MATHNAS_BINDINGS_ONNX_INTERNAL_WIRE_H_
