// Smaller depthwise kernels made of the centre of larger ones (spec/search-spaces.md 3.2, once-for-all's elastic
// kernels), and their gradients.
#ifndef MATHNAS_KERNELS_OPS_KERNEL_TRANSFORM_H_
#define MATHNAS_KERNELS_OPS_KERNEL_TRANSFORM_H_

#include <cstdint>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y{C,1,k,k} from weights{C,1,K,K} and matrix{k k,k k}: the central k x k of each channel, row-major, as a vector v;
// y_j = sum_i matrix[j,i] v_i. K - k is even. Without a matrix y = v (NASViT, 5.2).
struct KernelTransform {
  int32_t kernel = 1;  // k
  bool has_matrix = true;

  static constexpr std::string_view kName = "kernel_transform";
  template <typename V>
  void Visit(V&& v) {
    v("kernel", kernel), v("has_matrix", has_matrix);
  }
  bool operator==(const KernelTransform&) const = default;
};

// diff_weights{C,1,K,K}, zero around the centre, from diff_y{C,1,k,k} and matrix{k k,k k}.
struct KernelTransformBackwardWeights {
  int32_t source_kernel = 1;  // K
  bool has_matrix = true;

  static constexpr std::string_view kName = "kernel_transform_backward_weights";
  template <typename V>
  void Visit(V&& v) {
    v("source_kernel", source_kernel), v("has_matrix", has_matrix);
  }
  bool operator==(const KernelTransformBackwardWeights&) const = default;
};

// diff_matrix{k k,k k} from weights{C,1,K,K} and diff_y{C,1,k,k}.
struct KernelTransformBackwardMatrix {
  static constexpr std::string_view kName = "kernel_transform_backward_matrix";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const KernelTransformBackwardMatrix&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const KernelTransform& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const KernelTransformBackwardWeights& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const KernelTransformBackwardMatrix& op, DescSpan inputs);
Gradients Gradient(const KernelTransform& op, const GradientRequest& request);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_KERNEL_TRANSFORM_H_
