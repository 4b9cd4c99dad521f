#include "supernet/text/internal/utf8.h"

namespace mathnas::supernet::text {

std::optional<char32_t> TakeCharacter(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) {
    text.remove_prefix(1);
    return first;
  }
  // The second byte's range is what keeps overlong forms, surrogates and too large numbers out (Unicode 15, table 3-7).
  size_t length = 0;
  uint8_t low = 0x80, high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  }
  if (length == 0 || text.size() < length || byte(1) < low || byte(1) > high) {
    text.remove_prefix(1);
    return std::nullopt;
  }
  char32_t c = first & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) {
      text.remove_prefix(1);
      return std::nullopt;
    }
    c = c << 6 | (byte(i) & 0x3Fu);
  }
  text.remove_prefix(length);
  return c;
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    if (!TakeCharacter(text)) return false;
  }
  return true;
}

std::string RepairUtf8(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size());
  while (!text.empty()) {
    const std::string_view before = text;
    if (TakeCharacter(text)) {
      repaired += before.substr(0, before.size() - text.size());
    } else {
      repaired += "\xEF\xBF\xBD";
    }
  }
  return repaired;
}

bool IsControl(char32_t c) { return (c < 0x20 && c != '\t') || (c >= 0x7F && c < 0xA0); }

bool IsSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  const char* begin = nullptr;  // of the word that is open
  while (!text.empty()) {
    const char* here = text.data();
    const std::optional<char32_t> c = TakeCharacter(text);
    if (c && IsSpace(*c)) {
      if (begin != nullptr) words.emplace_back(begin, static_cast<size_t>(here - begin));
      begin = nullptr;
    } else if (begin == nullptr) {
      begin = here;
    }
  }
  if (begin != nullptr) words.emplace_back(begin, static_cast<size_t>(text.data() - begin));
  return words;
}

std::string_view WithoutByteOrderMark(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

std::string_view TakeLine(std::string_view& text) {
  const size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

uint64_t Fnv1a(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : bytes) {
    hash ^= static_cast<uint8_t>(c);
    hash *= 0x100000001b3;
  }
  return hash;
}

}  // namespace mathnas::supernet::text
