// Characters of UTF-8 text, and lines and words made of them.
#ifndef MATHNAS_SUPERNET_TEXT_INTERNAL_UTF8_H_
#define MATHNAS_SUPERNET_TEXT_INTERNAL_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mathnas::supernet::text {

// Takes the first character off `text`, which is not empty. Nullopt, and one byte taken: no valid UTF-8 there (overlong
// forms, surrogates and what is above U+10FFFF are not).
std::optional<char32_t> TakeCharacter(std::string_view& text);
bool IsValidUtf8(std::string_view text);
// What is not valid becomes U+FFFD, one for each byte.
std::string RepairUtf8(std::string_view text);

// C0 and C1 but the tab, and DEL.
bool IsControl(char32_t c);
// As Python's str.isspace(), by which sacreBLEU cuts words.
bool IsSpace(char32_t c);

// The parts of `text` between spaces as IsSpace has them; bytes that are no valid UTF-8 belong to a word.
std::vector<std::string_view> Words(std::string_view text);

// Without the byte order mark that a file may begin with.
std::string_view WithoutByteOrderMark(std::string_view text);

// Takes the line up to the next \n, or the rest, off `text`, which is not empty; a \r at its end is dropped.
std::string_view TakeLine(std::string_view& text);

// 64 bits of FNV-1a.
uint64_t Fnv1a(std::string_view bytes);

}  // namespace mathnas::supernet::text

#endif  // MATHNAS_SUPERNET_TEXT_INTERNAL_UTF8_H_
