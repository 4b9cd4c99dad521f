// Targets of AlphaNet's adaptive loss (Wang et al., 2021; spec/search-spaces.md 5.8).
#ifndef MATHNAS_KERNELS_OPS_ADAPTIVE_TARGETS_H_
#define MATHNAS_KERNELS_OPS_ADAPTIVE_TARGETS_H_

#include <cstdint>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// targets{N,K} of student logits{N,K} and teacher logits{N,K}: with q the softmax of the student's row and p that of
// the teacher's, the side of the larger divergence of
//
//   alpha = -1:  sum_k q_k (u_k - 1) / 2 with u = min(q / p, clip);  target = q (1/2 - u)
//   alpha = 1:   sum_k p_k log(p_k / q_k), the second where both are equal;  target = p
//
// The adaptive loss is the SoftTargetCrossEntropy of the student's logits with them. They are constants to it, though
// computed of the same logits: its gradient is not the derivative of its value.
struct AdaptiveTargets {
  double clip = 5;

  static constexpr std::string_view kName = "adaptive_targets";
  template <typename V>
  void Visit(V&& v) {
    v("clip", clip);
  }
  bool operator==(const AdaptiveTargets&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const AdaptiveTargets& op, DescSpan inputs);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_ADAPTIVE_TARGETS_H_
