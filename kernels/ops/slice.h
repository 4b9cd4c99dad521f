// Leading or middle parts of shared weights (spec/search-spaces.md 1.1): views, which no device computes.
#ifndef MATHNAS_KERNELS_OPS_SLICE_H_
#define MATHNAS_KERNELS_OPS_SLICE_H_

#include <cstdint>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y{rows,columns,..} = x{R,C,..}[begin : begin + rows, : columns], a view of a parameter or a state: it costs nothing,
// what is written into it is written into x, and what flows back into it stays there (Differentiate). Of a vector, and
// where all columns are meant, columns is 0.
struct Slice {
  int32_t begin = 0;
  int32_t rows = 0;
  int32_t columns = 0;

  static constexpr std::string_view kName = "slice";
  template <typename V>
  void Visit(V&& v) {
    v("begin", begin), v("rows", rows), v("columns", columns);
  }
  bool operator==(const Slice&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const Slice& op, DescSpan inputs);

// The leading [:rows] or [:rows, :columns] of a leaf; the leaf itself if that is all of it.
Value Leading(Graph& g, Value leaf, int64_t rows, int64_t columns = 0);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_SLICE_H_
