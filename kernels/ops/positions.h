// Sinusoidal positions of tokens (Vaswani et al., 2017; search-spaces.md 4.2, items 1 and 2).
#ifndef MATHNAS_KERNELS_OPS_POSITIONS_H_
#define MATHNAS_KERNELS_OPS_POSITIONS_H_

#include <cstdint>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y{..,columns} = the first `columns` of rows of a table{rows, width}, without gradient: with half = width / 2 and
// f_i = exp(-i log(10000) / (half - 1)), row p is [sin(p f_0), .., sin(p f_(half-1)), cos(p f_0), ..], and row
// `padding` is zero. Input: ids{..} int64, rows of the table, or with `from_tokens` tokens{..,T}: a token other than
// `padding` has the row padding + (its 1-based count among those of its T), a padding token has row `padding`. Rows
// outside of 0 .. rows-1 are NaN: they must be checked before. width is even and at least 4; the table has at most
// kMaxElements elements.
struct SinusoidalPositions {
  int32_t columns = 4;
  int32_t width = 4;
  int32_t rows = 1;
  int32_t padding = 0;
  bool from_tokens = false;

  static constexpr std::string_view kName = "sinusoidal_positions";
  static constexpr int64_t kMaxElements = int64_t{1} << 26;
  template <typename V>
  void Visit(V&& v) {
    v("columns", columns), v("width", width), v("rows", rows), v("padding", padding), v("from_tokens", from_tokens);
  }
  bool operator==(const SinusoidalPositions&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const SinusoidalPositions& op, DescSpan inputs);
// Tokens are counted by a product with a mask.
Counts Count(const SinusoidalPositions& op, DescSpan inputs, DescSpan outputs);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_POSITIONS_H_
