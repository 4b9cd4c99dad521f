// Channels multiplied by learnt factors, one for the whole batch (LayerScale, Touvron et al., 2021), that are a row of
// a table, as NASViT keeps them (search-spaces.md 5.3).
#ifndef MATHNAS_KERNELS_OPS_LAYER_SCALE_H_
#define MATHNAS_KERNELS_OPS_LAYER_SCALE_H_

#include <cstdint>

#include "kernels/ops/extents.h"
#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y{..,C} = x{..,C} * factor * table[row, :C]. Inputs: x, table{..,D}, whose rows are all its axes but the last, D >=
// C. Its gradient in x is the same operator.
struct LayerScale {
  int32_t row = 0;
  double factor = 1;

  static constexpr std::string_view kName = "layer_scale";
  template <typename V>
  void Visit(V&& v) {
    v("row", row), v("factor", factor);
  }
  bool operator==(const LayerScale&) const = default;
};

// diff_table: factor * sum of x diff_y over all but the channels in [row, :C], otherwise 0. Inputs: x, diff_y.
struct LayerScaleBackwardTable {
  int32_t row = 0;
  double factor = 1;
  Extents shape;  // of the table

  static constexpr std::string_view kName = "layer_scale_backward_table";
  template <typename V>
  void Visit(V&& v) {
    v("row", row), v("factor", factor), v("shape", shape);
  }
  bool operator==(const LayerScaleBackwardTable&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const LayerScale& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const LayerScaleBackwardTable& op, DescSpan inputs);
Gradients Gradient(const LayerScale& op, const GradientRequest& request);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_LAYER_SCALE_H_
