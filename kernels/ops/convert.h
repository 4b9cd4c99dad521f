// Between float32 and the types of 16 bits.
#ifndef MATHNAS_KERNELS_OPS_CONVERT_H_
#define MATHNAS_KERNELS_OPS_CONVERT_H_

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y = x as float32, bfloat16 or float16 (`to`), rounded to nearest even. In a graph of float64, which is exact
// arithmetic, y = x. The gradient of x is that of y, converted back; that of weights is float32 already.
struct Convert {
  DType to = DType::kBf16;

  static constexpr std::string_view kName = "convert";
  template <typename V>
  void Visit(V&& v) {
    v("to", to);
  }
  bool operator==(const Convert&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const Convert& op, DescSpan inputs);
Gradients Gradient(const Convert& op, const GradientRequest& request);

// x as `to`: itself where it is that.
Value Converted(Graph& graph, Value x, DType to);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_CONVERT_H_
