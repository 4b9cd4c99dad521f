#include "kernels/testing/shape_line.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>

#include "fmt/format.h"

namespace mathnas::kernels::testing {
namespace {

constexpr double kLargestSize = 1 << 24;

// What numbers a key may have.
struct Range {
  double low, high;
  bool integer = true;
  bool flag = false;
};

// Keys whose number belongs to the name of a type.
bool IsType(std::string_view key) { return key == "bfloat" || key == "float" || key == "to_float"; }

Range RangeOf(std::string_view key) {
  const auto is_one_of = [&](const auto&... names) { return ((key == names) || ...); };
  if (is_one_of("bias", "addend", "relu", "hard_swish", "swish", "affine", "track", "causal", "path", "matrix",
                "include_padding", "sum", "linear", "total", "wide")) {
    return {0, 1, true, true};
  }
  if (is_one_of("factor", "offset", "range", "rate", "scale", "smoothing")) return {-1e9, 1e9, false};
  if (is_one_of("k", "s")) return {1, kLargestSize};  // classes and keys are many
  if (is_one_of("kh", "kw", "g", "heads", "window", "source")) return {1, 4096};
  if (is_one_of("p")) return {0, 4096};
  if (IsType(key)) return {16, 16};
  if (is_one_of("axis")) return {0, 3};
  if (is_one_of("axes")) return {1, 4};
  if (is_one_of("terms", "addends", "flows")) return {0, 1024};
  if (is_one_of("ignored", "padding")) return {-1, kLargestSize};
  return {0, kLargestSize};
}

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool IsKnown(std::string_view key, std::string_view keys) {
  for (size_t begin = 0; begin < keys.size();) {
    const size_t end = std::min(keys.find(' ', begin), keys.size());
    if (keys.substr(begin, end - begin) == key) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

absl::StatusOr<ShapeLine> ShapeLine::Parse(std::string_view text, std::string_view keys, int first_column) {
  ShapeLine line;
  line.text_ = text;
  double product = 1;
  for (size_t begin = 0; begin < text.size();) {
    if (IsBlank(text[begin])) {
      ++begin;
      continue;
    }
    size_t end = begin;
    while (end < text.size() && !IsBlank(text[end])) ++end;
    const std::string word(text.substr(begin, end - begin));
    const auto error = [&](std::string_view what) {
      return absl::InvalidArgumentError(
          fmt::format("column {}: \"{}\": {}", first_column + static_cast<int>(begin), word, what));
    };

    size_t key_size = 0;
    while (key_size < word.size() &&
           (std::islower(static_cast<unsigned char>(word[key_size])) || word[key_size] == '_'))
      ++key_size;
    const std::string key = word.substr(0, key_size);
    if (key.empty() || !IsKnown(key, keys)) return error(fmt::format("expected a key out of: {}", keys));
    const Range range = RangeOf(key);
    const std::string number = word.substr(std::min(key_size + (word[key_size] == '=' ? 1 : 0), word.size()));
    double value = 1;
    if (key_size < word.size() || !range.flag) {
      char* number_end = nullptr;
      value = std::strtod(number.c_str(), &number_end);
      // Decimal alone: strtod knows hexadecimal numbers and infinities too.
      const bool decimal = !number.empty() && number[0] != '+' && number[0] != 'e' &&
                           number.find_first_not_of("0123456789.e+-") == std::string::npos;
      if (!decimal || *number_end != '\0') return error(fmt::format("expected a number after {}", key));
    }
    if (!(value >= range.low && value <= range.high) || (range.integer && value != std::floor(value))) {
      return error(fmt::format("expected {} {} to {}", range.integer ? "an integer," : "a number,", range.low,
                               static_cast<int64_t>(range.high)));
    }
    if (range.integer && value > 1 && !IsType(key)) product *= value;
    if (product > 0x1p62) return error("with it the product of all sizes is more than 2^62");
    if (!line.values_.emplace(key, value).second) return error(fmt::format("{} is there twice", key));

    std::string part = key + (key_size < word.size() ? number : "");
    std::replace_if(
        part.begin(), part.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
    line.name_ += (line.name_.empty() ? "" : "_") + part;
    begin = end;
  }
  return line;
}

double ShapeLine::Number(std::string_view key, double otherwise) const {
  const auto it = values_.find(key);
  return it == values_.end() ? otherwise : it->second;
}

ShapeLineWriter& ShapeLineWriter::Add(std::string_view key, double value, double otherwise) {
  if (value != otherwise) fmt::format_to(std::back_inserter(text_), " {}{}", key, value);
  return *this;
}

ShapeLineWriter& ShapeLineWriter::AddFlag(std::string_view key, bool value, bool otherwise) {
  if (value != otherwise) fmt::format_to(std::back_inserter(text_), " {}{}", key, value ? "" : "0");
  return *this;
}

}  // namespace mathnas::kernels::testing
