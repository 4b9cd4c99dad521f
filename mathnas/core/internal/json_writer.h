// Writing JSON straight into text: small, and keys keep the order in which they are written.
#ifndef MATHNAS_CORE_INTERNAL_JSON_WRITER_H_
#define MATHNAS_CORE_INTERNAL_JSON_WRITER_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mathnas::core::internal {

// The caller balances Begin and End and writes a Key before every value of an object.
class JsonWriter {
 public:
  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }
  void Key(std::string_view key);

  void Null() { Raw("null"); }
  // The shortest decimal that reads back to the same double; NaN and infinities, which JSON lacks, become null.
  void Value(double value);
  void Value(std::signed_integral auto value) { Integer(value); }
  // Bytes that are not UTF-8 become U+FFFD.
  void Value(std::string_view text);
  void Value(const std::string& text) { Value(std::string_view(text)); }
  void Value(const char* text) { Value(std::string_view(text)); }
  template <typename Item>
  void Value(const std::vector<Item>& items) {
    BeginArray();
    for (const Item& item : items) Value(item);
    EndArray();
  }
  // Text that is JSON already.
  void Raw(std::string_view json);

  template <typename Item>
  void Member(std::string_view key, const Item& value) {
    Key(key);
    Value(value);
  }

  const std::string& text() const { return text_; }

 private:
  void Open(char bracket);
  void Close(char bracket);
  void Separate();
  void Integer(int64_t value);
  void AppendQuoted(std::string_view text);

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_JSON_WRITER_H_
