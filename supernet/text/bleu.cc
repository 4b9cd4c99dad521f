#include "supernet/text/bleu.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "supernet/text/internal/utf8.h"

namespace mathnas::supernet {
namespace {

constexpr size_t kOrders = 4;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsPoint(char c) { return c == '.' || c == ','; }

// What 13a takes for a token of its own wherever it is: ASCII punctuation but for . , - and the apostrophe.
bool IsMark(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
         (c >= ':' && c <= '@') || c == '/';
}

std::string Replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t begin = 0;
  for (size_t at; (at = text.find(from, begin)) != text.npos; begin = at + from.size()) {
    out += text.substr(begin, at - begin);
    out += to;
  }
  out += text.substr(begin);
  return out;
}

// Writes `text` again, with `put(first, second, out)` for each two neighbours that `matches`, from left to right, none
// in two pairs. Bytes will do: what is looked for is ASCII, and what is not is never cut in two by what is put.
template <typename Matches, typename Put>
std::string RewritePairs(std::string_view text, Matches matches, Put put) {
  std::string out;
  out.reserve(text.size() * 2);
  for (size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && matches(text[i], text[i + 1])) {
      put(text[i], text[i + 1], out);
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

// mteval-v13a's for Western languages, as sacreBLEU has it.
std::string Tokenize13a(std::string_view sentence) {
  std::string line = Replaced(sentence, "<skipped>", "");
  line = Replaced(line, "-\n", "");
  line = Replaced(line, "\n", " ");
  line = Replaced(line, "&quot;", "\"");
  line = Replaced(line, "&amp;", "&");
  line = Replaced(line, "&lt;", "<");
  line = Replaced(line, "&gt;", ">");
  std::string marked = " ";
  for (char c : line) {
    if (IsMark(c)) {
      ((marked += ' ') += c) += ' ';
    } else {
      marked += c;
    }
  }
  marked += ' ';
  marked = RewritePairs(
      marked, [](char a, char b) { return !IsDigit(a) && IsPoint(b); },
      [](char a, char b, std::string& out) { (((out += a) += ' ') += b) += ' '; });
  marked = RewritePairs(
      marked, [](char a, char b) { return IsPoint(a) && !IsDigit(b); },
      [](char a, char b, std::string& out) { (((out += ' ') += a) += ' ') += b; });
  return RewritePairs(
      marked, [](char a, char b) { return IsDigit(a) && b == '-'; },
      [](char a, char b, std::string& out) { (((out += a) += ' ') += b) += ' '; });
}

// As fairseq's compound_split_bleu.sh: s{(\S)-(\S)}{$1 ##AT##-##AT## $2}g, which takes a character between two hyphens
// for the first of them alone.
std::string SplitCompounds(std::string_view sentence) {
  std::vector<std::string_view> characters;
  for (std::string_view rest = sentence; !rest.empty();) {
    const std::string_view before = rest;
    text::TakeCharacter(rest);
    characters.push_back(before.substr(0, before.size() - rest.size()));
  }
  auto is_space = [](std::string_view c) {
    const std::optional<char32_t> code = text::TakeCharacter(c);
    return code && text::IsSpace(*code);
  };
  std::string out;
  for (size_t i = 0; i < characters.size(); ++i) {
    if (i + 2 < characters.size() && characters[i + 1] == "-" && !is_space(characters[i]) &&
        !is_space(characters[i + 2])) {
      ((out += characters[i]) += " ##AT##-##AT## ") += characters[i + 2];
      i += 2;
    } else {
      out += characters[i];
    }
  }
  return out;
}

using Counts = std::map<std::vector<std::string_view>, int64_t>;

Counts CountNgrams(const std::vector<std::string>& tokens, size_t order) {
  Counts counts;
  for (size_t i = 0; i + order <= tokens.size(); ++i) {
    const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(i);
    ++counts[{begin, begin + static_cast<std::ptrdiff_t>(order)}];
  }
  return counts;
}

}  // namespace

std::vector<std::string> BleuTokens(std::string_view sentence, const BleuOptions& options) {
  // Spaces at the end count for neither tokenizer: sacreBLEU takes them away first.
  const std::vector<std::string_view> words = text::Words(sentence);
  if (words.empty()) return {};
  sentence = sentence.substr(0, static_cast<size_t>(words.back().data() + words.back().size() - sentence.data()));
  std::string line(sentence);
  if (options.split_compounds) line = SplitCompounds(line);
  if (options.tokenizer == BleuOptions::Tokenizer::k13a) line = Tokenize13a(line);
  std::vector<std::string> tokens;
  for (std::string_view word : text::Words(line)) tokens.emplace_back(word);
  return tokens;
}

std::string Signature(const BleuOptions& options) {
  return fmt::format("nrefs:1|case:mixed|eff:no|tok:{}|smooth:exp{}",
                     options.tokenizer == BleuOptions::Tokenizer::k13a ? "13a" : "none",
                     options.split_compounds ? "|compounds:split" : "");
}

absl::StatusOr<BleuScore> Bleu(std::span<const std::string> hypotheses, std::span<const std::string> references,
                               const BleuOptions& options) {
  if (hypotheses.size() != references.size()) {
    return absl::InvalidArgumentError(fmt::format("BLEU: {} hypotheses and {} references, expected as many of both",
                                                  hypotheses.size(), references.size()));
  }
  BleuScore result;
  for (size_t i = 0; i < hypotheses.size(); ++i) {
    const std::vector<std::string> hypothesis = BleuTokens(hypotheses[i], options);
    const std::vector<std::string> reference = BleuTokens(references[i], options);
    result.hypothesis_length += static_cast<int64_t>(hypothesis.size());
    result.reference_length += static_cast<int64_t>(reference.size());
    for (size_t order = 1; order <= kOrders; ++order) {
      if (hypothesis.size() < order) break;
      result.ngrams[order - 1] += static_cast<int64_t>(hypothesis.size() - order + 1);
      const Counts wanted = CountNgrams(reference, order);
      for (const auto& [ngram, count] : CountNgrams(hypothesis, order)) {
        if (const auto found = wanted.find(ngram); found != wanted.end()) {
          result.matches[order - 1] += std::min(count, found->second);
        }
      }
    }
  }

  const auto hypothesis_length = static_cast<double>(result.hypothesis_length);
  const auto reference_length = static_cast<double>(result.reference_length);
  result.brevity_penalty = result.hypothesis_length >= result.reference_length ? 1.0
                           : result.hypothesis_length == 0                     ? 0.0
                                                           : std::exp(1.0 - reference_length / hypothesis_length);
  if (std::all_of(result.matches.begin(), result.matches.end(), [](int64_t m) { return m == 0; })) return result;
  double smoothing = 1.0;
  double log_sum = 0;
  for (size_t n = 0; n < kOrders; ++n) {
    if (result.ngrams[n] == 0) return result;  // no n-gram of this order anywhere
    if (result.matches[n] == 0) {
      smoothing *= 2;
      result.precisions[n] = 100.0 / (smoothing * static_cast<double>(result.ngrams[n]));
    } else {
      result.precisions[n] = 100.0 * static_cast<double>(result.matches[n]) / static_cast<double>(result.ngrams[n]);
    }
    log_sum += std::log(result.precisions[n]);
  }
  result.score = result.brevity_penalty * std::exp(log_sum / static_cast<double>(kOrders));
  return result;
}

}  // namespace mathnas::supernet
