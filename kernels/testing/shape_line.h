// The notation of an operator with its shapes: one line, "conv2d n8 h56 w56 c24 o144 k1", or without the name where a
// file is about one operator. bench/BENCH.md describes it for users.
#ifndef MATHNAS_KERNELS_TESTING_SHAPE_LINE_H_
#define MATHNAS_KERNELS_TESTING_SHAPE_LINE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mathnas::kernels::testing {

// Words separated by blanks, each a key with its number, "n8" or "n=8"; a key that says yes or no may stand alone:
// "bias" is "bias1". A key means the same for all operators, and so does the range of its numbers:
//   yes or no       0 or 1
//   k, s            1 to 2^24; kh, kw, g, heads, window, source: 1 to 4096
//   p               0 to 4096; axis 0 to 3, axes 1 to 4; terms, addends, flows 0 to 1024
//   bfloat, float, to_float  16: the words bfloat16, float16, to_float16
//   ids             ignored, padding: -1 (none) to 2^24
//   real numbers    factor, offset, range, rate, scale, smoothing: finite, at most 10^9 in size
//   all others      0 to 2^24
// The product of all that are larger than 1 is at most 2^62: sizes computed from them do not overflow.
class ShapeLine {
 public:
  // InvalidArgument "column 5: .." when a word is no key with a number, the key is not among `keys` (separated by
  // blanks) or is there twice, or the number is out of its range. `first_column` is that of the text in its line.
  static absl::StatusOr<ShapeLine> Parse(std::string_view text, std::string_view keys, int first_column = 1);

  double Number(std::string_view key, double otherwise) const;
  int64_t Get(std::string_view key, int64_t otherwise) const {
    return static_cast<int64_t>(Number(key, static_cast<double>(otherwise)));
  }
  bool Has(std::string_view key) const { return Get(key, 0) != 0; }
  // As it was parsed.
  const std::string& text() const { return text_; }
  // "n2_h7_w9_i16": usable in the name of a test.
  std::string name() const { return name_; }

 private:
  std::map<std::string, double, std::less<>> values_;
  std::string text_, name_;
};

// Writes such a line: words in the order in which they are added, those that have their default left out.
class ShapeLineWriter {
 public:
  explicit ShapeLineWriter(std::string_view operator_name) : text_(operator_name) {}

  ShapeLineWriter& Add(std::string_view key, double value, double otherwise);
  // A key that says yes or no, and means no where it is left out; or yes, for those that are written with their 0.
  ShapeLineWriter& AddFlag(std::string_view key, bool value, bool otherwise = false);
  std::string text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace mathnas::kernels::testing

#endif  // MATHNAS_KERNELS_TESTING_SHAPE_LINE_H_
