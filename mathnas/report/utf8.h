// Reading text that may not be what it claims to be.
#ifndef MATHNAS_REPORT_UTF8_H_
#define MATHNAS_REPORT_UTF8_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace mathnas::report {

inline constexpr char32_t kReplacement = 0xFFFD;

struct Character {
  char32_t code = kReplacement;
  int bytes = 1;  // taken from the text
};

// The first character of a text that is not empty. Malformed, overlong and surrogate sequences give kReplacement and
// take one byte.
inline Character FirstCharacter(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  int bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < static_cast<size_t>(bytes)) return {};
  char32_t code = lead & (0x7F >> bytes);
  for (int i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3F);
  }
  bool overlong = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {};
  return {code, bytes};
}

// C0 and C1 controls, and marks that change the direction of the text around them.
inline bool IsControl(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x202A && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069) || code == 0xFFFE || code == 0xFFFF;
}

}  // namespace mathnas::report

#endif  // MATHNAS_REPORT_UTF8_H_
