// Tensors one behind the other along an axis, and a part of one: HAT's memories of several encoder layers
// (search-spaces.md 4.2, 6).
#ifndef MATHNAS_KERNELS_OPS_CONCAT_H_
#define MATHNAS_KERNELS_OPS_CONCAT_H_

#include <cstdint>
#include <vector>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y = the inputs, at least one, along `axis`, in their order. All other extents are the same.
struct Concat {
  int32_t axis = 0;

  static constexpr std::string_view kName = "concat";
  template <typename V>
  void Visit(V&& v) {
    v("axis", axis);
  }
  bool operator==(const Concat&) const = default;
};

// y = x[.., begin : begin + count, ..] along `axis`: a copy. (Slice is a view, of weights.)
struct Part {
  int32_t axis = 0;
  int32_t begin = 0;
  int32_t count = 0;

  static constexpr std::string_view kName = "part";
  template <typename V>
  void Visit(V&& v) {
    v("axis", axis), v("begin", begin), v("count", count);
  }
  bool operator==(const Part&) const = default;
};

// `pieces` runs of `bytes` each that are copied from one dense tensor to another, all in bytes: where the first one
// lies in them, and how far it is to the next.
struct StridedCopy {
  int64_t from, from_stride;
  int64_t to, to_stride;
  int64_t pieces, bytes;
};
// By input.
std::vector<StridedCopy> CopiesOf(const Concat& op, DescSpan inputs, const TensorDesc& output);
StridedCopy CopyOf(const Part& op, const TensorDesc& input);

absl::StatusOr<Descs> InferOutputs(const Concat& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const Part& op, DescSpan inputs);
Gradients Gradient(const Concat& op, const GradientRequest& request);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_CONCAT_H_
