#include "bindings/onnx/internal/wire.h"

#include <bit>
#include <utility>

namespace mathnas::onnx::internal {
namespace {

constexpr int kVarint = 0, kLengthDelimited = 2, kFixed32 = 5;

}  // namespace

void Message::Own(std::string_view bytes) {
  if (parts_.empty() || !parts_.back().borrowed.empty()) parts_.emplace_back();
  parts_.back().own += bytes;
  bytes_ += bytes.size();
}

// Seven bits a byte, the least first; the eighth says that more follow.
void Message::Varint(uint64_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7) text += static_cast<char>(value | 0x80);
  text += static_cast<char>(value);
  Own(text);
}

void Message::Integer(int field, int64_t value) {
  Tag(field, kVarint);
  Varint(static_cast<uint64_t>(value));
}

void Message::Float(int field, float value) {
  Tag(field, kFixed32);
  const auto bits = std::bit_cast<uint32_t>(value);
  std::string text;
  for (int shift = 0; shift < 32; shift += 8) text += static_cast<char>(bits >> shift);
  Own(text);
}

void Message::Text(int field, std::string_view text) {
  Tag(field, kLengthDelimited);
  Varint(text.size());
  Own(text);
}

void Message::Borrowed(int field, std::string_view bytes) {
  Tag(field, kLengthDelimited);
  Varint(bytes.size());
  parts_.back().borrowed = bytes;
  bytes_ += bytes.size();
}

void Message::Nested(int field, Message message) {
  Tag(field, kLengthDelimited);
  Varint(message.bytes_);
  for (Part& part : message.parts_) {
    Own(part.own);
    parts_.back().borrowed = part.borrowed;
    bytes_ += part.borrowed.size();
  }
}

std::vector<std::string_view> Message::parts() const {
  std::vector<std::string_view> parts;
  for (const Part& part : parts_) {
    parts.push_back(part.own);
    if (!part.borrowed.empty()) parts.push_back(part.borrowed);
  }
  return parts;
}

}  // namespace mathnas::onnx::internal
