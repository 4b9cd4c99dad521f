#include "mathnas/core/internal/json_writer.h"

#include <charconv>
#include <cmath>

#include "mathnas/core/internal/text.h"

namespace mathnas::core::internal {
namespace {

constexpr size_t kNumberLength = 32;  // the longest double takes 24 characters

}  // namespace

void JsonWriter::Key(std::string_view key) {
  Separate();
  AppendQuoted(key);
  text_ += ':';
  needs_comma_ = false;
}

void JsonWriter::Value(double value) {
  if (!std::isfinite(value)) return Null();
  char number[kNumberLength];
  const auto result = std::to_chars(number, number + kNumberLength, value);
  Raw({number, static_cast<size_t>(result.ptr - number)});
  if (value == 0 && std::signbit(value)) text_ += ".0";  // readers take -0 for an integer, which has no sign
}

void JsonWriter::Integer(int64_t value) {
  char number[kNumberLength];
  const auto result = std::to_chars(number, number + kNumberLength, value);
  Raw({number, static_cast<size_t>(result.ptr - number)});
}

void JsonWriter::Value(std::string_view text) {
  Separate();
  AppendQuoted(text);
}

void JsonWriter::Raw(std::string_view json) {
  Separate();
  text_ += json;
}

void JsonWriter::Open(char bracket) {
  Separate();
  text_ += bracket;
  needs_comma_ = false;
}

void JsonWriter::Close(char bracket) {
  text_ += bracket;
  needs_comma_ = true;
}

void JsonWriter::Separate() {
  if (needs_comma_) text_ += ',';
  needs_comma_ = true;
}

void JsonWriter::AppendQuoted(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  constexpr std::string_view kHex = "0123456789abcdef";
  text_ += '"';
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    const size_t length = CharacterLength(text, at);
    if (length == 0) {
      text_ += kReplacement;
    } else if (c == '"' || c == '\\') {
      text_ += '\\';
      text_ += c;
    } else if (static_cast<unsigned char>(c) < ' ') {
      text_ += "\\u00";
      text_ += kHex[static_cast<unsigned char>(c) >> 4];
      text_ += kHex[c & 15];
    } else {
      text_ += text.substr(at, length);
    }
    at += length == 0 ? 1 : length;
  }
  text_ += '"';
}

}  // namespace mathnas::core::internal
