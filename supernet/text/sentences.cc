#include "supernet/text/sentences.h"

#include <optional>

#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/inflating_file.h"
#include "supernet/text/internal/utf8.h"

namespace mathnas::supernet {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{256} << 20;

absl::Status Damage(std::string_view what) {
  return absl::InvalidArgumentError(absl::string_view(what.data(), what.size()));
}

}  // namespace

absl::Status CleanSentence(std::string_view line, int64_t max_positions, std::string& clean) {
  clean.clear();
  int64_t words = 0;
  bool space = true;  // before what comes next
  for (std::string_view rest = line; !rest.empty();) {
    const std::string_view before = rest;
    const std::optional<char32_t> c = text::TakeCharacter(rest);
    if (!c) {
      return Damage(fmt::format("byte 0x{:02x} at offset {}, expected valid UTF-8", static_cast<uint8_t>(before[0]),
                                line.size() - before.size()));
    }
    if (text::IsControl(*c)) {
      return Damage(fmt::format("control character U+{:04X} at offset {}, expected none but the tab",
                                static_cast<uint32_t>(*c), line.size() - before.size()));
    }
    if (*c == ' ' || *c == '\t') {
      space = true;
      continue;
    }
    if (space) {
      if (words > 0) clean += ' ';
      ++words;
      space = false;
    }
    clean += before.substr(0, before.size() - rest.size());
  }
  if (words == 0) return Damage("empty line, expected a sentence");
  if (words + 1 > max_positions) {
    return Damage(
        fmt::format("{} words and the end of the sentence, expected at most {} positions", words, max_positions));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ParseSentences(std::string_view text, const std::string& path,
                                                        int64_t max_positions) {
  text = text::WithoutByteOrderMark(text);
  std::vector<std::string> sentences;
  std::string clean;
  while (!text.empty()) {
    const std::string_view line = text::TakeLine(text);
    if (absl::Status s = CleanSentence(line, max_positions, clean); !s.ok()) {
      return kernels::Annotate(s, fmt::format("{}:{}", path, sentences.size() + 1));
    }
    sentences.push_back(clean);
  }
  if (sentences.empty()) return Damage(fmt::format("{}: empty, expected a sentence on every line", path));
  return sentences;
}

absl::StatusOr<std::vector<std::string>> LoadSentences(const std::string& path, int64_t max_positions) {
  absl::StatusOr<std::string> text = ReadText(path, kMaxFileBytes);
  if (!text.ok()) return text.status();
  return ParseSentences(*text, path, max_positions);
}

}  // namespace mathnas::supernet
