// Rows of a table by number: embeddings of tokens and of positions (search-spaces.md 4.2), and their gradient.
#ifndef MATHNAS_KERNELS_OPS_EMBEDDING_H_
#define MATHNAS_KERNELS_OPS_EMBEDDING_H_

#include <cstdint>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y{..,D} = scale * table[ids]. Inputs: ids{..} int64 in 0 .. rows-1 (others make a row of NaN: they must be checked
// before), table{rows,D}. Nothing flows back into row `padding`; -1: there is no such row.
struct Embedding {
  double scale = 1;
  int32_t padding = -1;

  static constexpr std::string_view kName = "embedding";
  template <typename V>
  void Visit(V&& v) {
    v("scale", scale), v("padding", padding);
  }
  bool operator==(const Embedding&) const = default;
};

// diff_table{rows,D} = scale * the sum of diff_y over the places of each id, in their order. Inputs: ids{..},
// diff_y{..,D}.
struct EmbeddingBackward {
  double scale = 1;
  int32_t padding = -1;
  int32_t rows = 1;

  static constexpr std::string_view kName = "embedding_backward";
  template <typename V>
  void Visit(V&& v) {
    v("scale", scale), v("padding", padding), v("rows", rows);
  }
  bool operator==(const EmbeddingBackward&) const = default;
};

// sum[id] += scale * diff_y over the places of each id, in place: the same gradient where it is summed, for tables of
// which a batch touches few rows. Inputs: sum{rows,D} (of Graph::State, or a slice of one), ids{..}, diff_y{..,D}. No
// outputs.
struct AccumulateRows {
  double scale = 1;
  int32_t padding = -1;

  static constexpr std::string_view kName = "accumulate_rows";
  template <typename V>
  void Visit(V&& v) {
    v("scale", scale), v("padding", padding);
  }
  bool operator==(const AccumulateRows&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const Embedding& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const EmbeddingBackward& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const AccumulateRows& op, DescSpan inputs);
Gradients Gradient(const Embedding& op, const GradientRequest& request);
Counts Count(const Embedding& op, DescSpan inputs, DescSpan outputs);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_EMBEDDING_H_
