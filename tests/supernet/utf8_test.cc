#include "supernet/text/internal/utf8.h"

#include "gtest/gtest.h"

namespace mathnas::supernet::text {
namespace {

// By the definition: as many bits as the length has room for.
std::string EncodeNaively(uint32_t c) {
  auto tail = [&](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xE0 | c >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
}

TEST(Utf8, EveryCharacterComesBack) {
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    const std::string bytes = EncodeNaively(c);
    std::string_view rest = bytes;
    const std::optional<char32_t> taken = TakeCharacter(rest);
    if (c >= 0xD800 && c <= 0xDFFF) {
      EXPECT_FALSE(taken) << c;
      EXPECT_EQ(rest.size(), bytes.size() - 1);
    } else {
      ASSERT_TRUE(taken) << c;
      EXPECT_EQ(*taken, c);
      EXPECT_TRUE(rest.empty());
    }
  }
}

// Of all sequences of one to three bytes, and of four with some last ones, those are valid that some character has.
TEST(Utf8, NothingElseIsValid) {
  int64_t valid = 0;
  for (uint32_t three = 0; three < 1u << 24; three += 1) {
    const std::string bytes = {static_cast<char>(three >> 16), static_cast<char>(three >> 8), static_cast<char>(three)};
    if ((three >> 16) < 0xE0) continue;  // shorter ones are told by their first byte
    std::string_view rest = bytes;
    if (TakeCharacter(rest) && rest.empty()) ++valid;
  }
  EXPECT_EQ(valid, 0x10000 - 0x800 - 0x800);  // U+0800 to U+FFFF but the surrogates
  valid = 0;
  for (uint32_t two = 0; two < 1u << 16; ++two) {
    const std::string bytes = {static_cast<char>(two >> 8), static_cast<char>(two)};
    std::string_view rest = bytes;
    if (TakeCharacter(rest) && rest.empty()) ++valid;
  }
  EXPECT_EQ(valid, 0x800 - 0x80);
  for (std::string_view bad :
       {"\xF5\x80\x80\x80", "\xF4\x90\x80\x80", "\xF0\x8F\xBF\xBF", "\xF0\x9F\x98", "\x80", "\xFF"}) {
    EXPECT_FALSE(IsValidUtf8(bad));
  }
  EXPECT_TRUE(IsValidUtf8("\xF4\x8F\xBF\xBF\xF0\x90\x80\x80"));
}

TEST(Utf8, Repaired) {
  EXPECT_EQ(RepairUtf8("a\xC3\xA4\xFFz\xE2\x82"), "a\xC3\xA4\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(RepairUtf8(""), "");
}

TEST(Utf8, Words) {
  EXPECT_EQ(Words(" a\t\xC3\xA4 b\xC2\xA0"
                  "c\xE3\x80\x80"),
            (std::vector<std::string_view>{"a", "\xC3\xA4", "b", "c"}));
  EXPECT_EQ(Words("\xFF\xFE x"), (std::vector<std::string_view>{"\xFF\xFE", "x"}));
  EXPECT_TRUE(Words(" \n").empty());
}

TEST(Utf8, Lines) {
  std::string_view text = "a\r\n\nb\rc";
  EXPECT_EQ(TakeLine(text), "a");
  EXPECT_EQ(TakeLine(text), "");
  EXPECT_EQ(TakeLine(text), "b\rc");
  EXPECT_TRUE(text.empty());
}

// The test vectors of the authors of FNV.
TEST(Utf8, Fnv1a) {
  EXPECT_EQ(Fnv1a(""), 0xcbf29ce484222325u);
  EXPECT_EQ(Fnv1a("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(Fnv1a("foobar"), 0x85944171f73967e8u);
}

}  // namespace
}  // namespace mathnas::supernet::text
