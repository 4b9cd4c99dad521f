#include "supernet/text/trans_de_en.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/text/internal/damage.h"
#include "supernet/text/internal/utf8.h"

namespace mathnas::supernet {
namespace {

constexpr std::string_view kSides = " :: ", kPart = " | ";
constexpr std::string_view kOpening = "([{<", kClosing = ")]}>";
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";

bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// `text` without an abbreviation, " /GA/" or " /b/f/", that stands between spaces or at an end.
std::string WithoutAbbreviations(std::string_view text) {
  std::string out;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t open = text.find('/', begin);
    if (open == text.npos) break;
    size_t close = text.npos;
    if (open == 0 || text[open - 1] == ' ') {
      for (close = text.find('/', open + 1); close != text.npos; close = text.find('/', close + 1)) {
        if (close + 1 == text.size() || text[close + 1] == ' ' || text[close + 1] == ';') break;
      }
    }
    if (close == text.npos) {
      out += text.substr(begin, open + 1 - begin);
      begin = open + 1;
    } else {
      out += text.substr(begin, open - begin);
      begin = close + 1;
    }
  }
  if (begin < text.size()) out += text.substr(begin);
  return out;
}

// The synonyms of a part without their marks; nullopt when the marks are not balanced.
std::optional<std::vector<std::string>> Synonyms(std::string_view part) {
  const std::string text = WithoutAbbreviations(part);
  std::vector<std::string> synonyms(1);
  std::string open;  // the closing brackets that are wanted, the next one last
  for (char c : text) {
    if (const size_t kind = kOpening.find(c); kind != kOpening.npos) {
      open += kClosing[kind];
    } else if (kClosing.find(c) != kClosing.npos) {
      if (!open.ends_with(c)) return std::nullopt;
      open.pop_back();
      synonyms.back() += ' ';
    } else if (!open.empty()) {
      continue;
    } else if (c == ';') {
      synonyms.emplace_back();
    } else {
      synonyms.back() += c;
    }
  }
  if (!open.empty()) return std::nullopt;
  return synonyms;
}

// One space between words, none at the ends and before punctuation.
std::string WithoutSpaces(std::string_view text) {
  std::string out;
  for (std::string_view word : text::Words(text)) {
    const bool punctuation = word.find_first_not_of(",.:!?") == word.npos && !word.starts_with("..");
    if (!out.empty() && !punctuation) out += ' ';
    out += word;
  }
  while (out.ends_with(',') || out.ends_with(' ')) out.pop_back();
  while (out.starts_with(',') || out.starts_with(' ')) out.erase(0, 1);
  return out;
}

// "jdm./etw.", "sb./sth.": placeholders, of which a word may well have two.
bool IsPlaceholders(std::string_view word) {
  while (!word.empty() && std::string_view(",;:!?").find(word.back()) != std::string_view::npos) word.remove_suffix(1);
  while (true) {
    const size_t slash = word.find('/');
    const std::string_view piece = word.substr(0, slash);
    if (piece.size() < 3 || !piece.ends_with('.') || !IsAsciiLetter(piece[0])) return false;
    if (slash == word.npos) return true;
    word.remove_prefix(slash + 1);
  }
}

enum class Fault : uint8_t { kNone, kEmpty, kChoice, kFragment, kSymbol };

Fault FaultOf(std::string_view synonym) {
  bool letter = false;
  for (std::string_view rest = synonym; !rest.empty();) {
    const std::optional<char32_t> c = text::TakeCharacter(rest);
    if (!c || text::IsControl(*c) || *c == U'\u2192') return Fault::kSymbol;
    if (*c < 0x80 && std::string_view("~=+*_^\\#@&<>|").find(static_cast<char>(*c)) != std::string_view::npos) {
      return Fault::kSymbol;
    }
    letter |= (*c < 0x80 && IsAsciiLetter(static_cast<char>(*c))) || *c >= 0xC0;
  }
  if (synonym.empty() || !letter) return Fault::kEmpty;
  for (std::string_view word : text::Words(synonym)) {
    if (word.find('/') != word.npos && !IsPlaceholders(word)) return Fault::kChoice;
  }
  for (std::string_view end : {kEllipsis, std::string_view("..."), std::string_view("-")}) {
    if (synonym.starts_with(end) || synonym.ends_with(end)) return Fault::kFragment;
  }
  return Fault::kNone;
}

// The synonyms that are of use, counting the others.
std::vector<std::string> Usable(const std::vector<std::string>& synonyms, DictionaryCounts& counts) {
  std::vector<std::string> usable;
  for (const std::string& s : synonyms) {
    std::string clean = WithoutSpaces(s);
    switch (FaultOf(clean)) {
      case Fault::kNone:
        usable.push_back(std::move(clean));
        break;
      case Fault::kEmpty:
        ++counts.empty;
        break;
      case Fault::kChoice:
        ++counts.choices;
        break;
      case Fault::kFragment:
        ++counts.fragments;
        break;
      case Fault::kSymbol:
        ++counts.symbols;
        break;
    }
  }
  return usable;
}

// Of a text with one space between words.
int64_t WordCount(std::string_view text) { return std::count(text.begin(), text.end(), ' ') + 1; }

std::vector<std::string_view> Parts(std::string_view side) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  for (size_t at; (at = side.find(kPart, begin)) != side.npos; begin = at + kPart.size()) {
    parts.push_back(side.substr(begin, at - begin));
  }
  parts.push_back(side.substr(begin));
  return parts;
}

}  // namespace

absl::StatusOr<std::vector<SentencePair>> ParseDictionaryLine(std::string_view line, DictionaryCounts* counts) {
  std::vector<SentencePair> pairs;
  if (line.starts_with('#') || text::Words(line).empty()) return pairs;
  const size_t middle = line.find(kSides);
  if (middle == line.npos || line.find(kSides, middle + 1) != line.npos) {
    return absl::InvalidArgumentError("expected \"GERMAN :: ENGLISH\"");
  }
  const std::vector<std::string_view> german = Parts(line.substr(0, middle));
  const std::vector<std::string_view> english = Parts(line.substr(middle + kSides.size()));
  if (german.size() != english.size()) {
    return absl::InvalidArgumentError(
        fmt::format("{} German parts and {} English ones, expected as many", german.size(), english.size()));
  }
  DictionaryCounts unused;
  DictionaryCounts& count = counts == nullptr ? unused : *counts;
  ++count.entries;
  count.parts += static_cast<int64_t>(german.size());
  for (size_t p = 0; p < german.size(); ++p) {
    const auto german_all = Synonyms(german[p]), english_all = Synonyms(english[p]);
    if (!german_all || !english_all) {
      ++count.unbalanced;
      continue;
    }
    const std::vector<std::string> sources = Usable(*german_all, count), targets = Usable(*english_all, count);
    if (targets.empty()) continue;
    // As many in the dictionary and none left out: otherwise the n-th are no longer the n-th.
    const bool aligned = german_all->size() == english_all->size() && sources.size() == german_all->size() &&
                         targets.size() == english_all->size();
    for (size_t i = 0; i < sources.size(); ++i) {
      const std::string& target = targets[aligned ? i : 0];
      if (sources[i] == target) {
        ++count.same_on_both_sides;
        continue;
      }
      ++count.pairs;
      pairs.push_back({sources[i], target, 0});
    }
  }
  return pairs;
}

std::string SplitKey(std::string_view source) {
  std::string key;
  for (size_t i = 0; i < source.size(); ++i) {
    const auto c = static_cast<uint8_t>(source[i]);
    if (c >= 'A' && c <= 'Z') {
      key += static_cast<char>(c + 0x20);
    } else if (c == 0xC3 && i + 1 < source.size()) {
      // U+00C0 to U+00DE but the multiplication sign: the small letter is 0x20 further, as in ASCII.
      auto next = static_cast<uint8_t>(source[++i]);
      if (next >= 0x80 && next <= 0x9E && next != 0x97) next += 0x20;
      key += static_cast<char>(c);
      key += static_cast<char>(next);
    } else if (c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      key += static_cast<char>(c);
    }
  }
  return key;
}

SplitPart SplitPartOf(std::string_view source) {
  const uint64_t hash = text::Fnv1a(SplitKey(source));
  const uint64_t place = (hash ^ hash >> 32) % 100;
  return place == 0 ? SplitPart::kTest : place == 1 ? SplitPart::kValid : SplitPart::kTrain;
}

absl::StatusOr<ParallelText> ParseTransDeEn(std::string_view text, const std::string& path,
                                            const ParallelTextOptions& options, DictionaryCounts* counts) {
  DictionaryCounts unused;
  DictionaryCounts& count = counts == nullptr ? unused : *counts;
  ParallelText result;
  result.source_language = "de";
  result.target_language = "en";
  for (auto [part, name] : {std::pair(&result.train, "train"), {&result.valid, "valid"}, {&result.test, "test"}}) {
    part->name = fmt::format("trans-de-en/{}", name);
    part->source_path = part->target_path = path;
  }
  absl::flat_hash_set<std::string> seen, held_out;
  int64_t line_number = 0, damaged = 0;
  std::vector<DamagedLine> damage;
  while (!text.empty()) {
    ++line_number;
    const std::string_view line = text::TakeLine(text);
    std::string fault;
    absl::StatusOr<std::vector<SentencePair>> pairs;
    if (text::IsValidUtf8(line)) {
      pairs = ParseDictionaryLine(line, &count);
      if (!pairs.ok()) fault = kernels::Message(pairs.status());
    } else {
      fault = "expected valid UTF-8";
    }
    if (!fault.empty()) {
      if (absl::Status s = text::CountDamage(path, line_number, fault, options, damaged, damage); !s.ok()) return s;
      continue;
    }
    for (SentencePair& pair : *pairs) {
      if (options.min_words > 1 && std::max(WordCount(pair.source), WordCount(pair.target)) < options.min_words) {
        ++count.short_ones;
        continue;
      }
      // Neither side has a control character, so this keeps them apart.
      if (!seen.insert(pair.source + '\n' + pair.target).second) {
        ++count.repeated;
        continue;
      }
      pair.line = line_number;
      const SplitPart split = SplitPartOf(pair.source);
      if (split != SplitPart::kTrain && !held_out.insert(SplitKey(pair.source)).second) continue;
      TextPart& part = split == SplitPart::kTrain   ? result.train
                       : split == SplitPart::kValid ? result.valid
                                                    : result.test;
      part.pairs.push_back(std::move(pair));
    }
  }
  for (TextPart* part : {&result.train, &result.valid, &result.test}) {
    part->lines = line_number;
    if (part->pairs.empty()) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: no pairs for {}, expected a dictionary with lines \"GERMAN :: ENGLISH\" enough", path, part->name));
    }
  }
  result.train.damaged = damaged;
  result.train.damage = std::move(damage);
  return result;
}

}  // namespace mathnas::supernet
