// Dropout (Srivastava et al., 2014) and drop path (Huang et al., 2016): elements, or whole samples, set to zero at
// random in training.
#ifndef MATHNAS_KERNELS_OPS_DROPOUT_H_
#define MATHNAS_KERNELS_OPS_DROPOUT_H_

#include <cstdint>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y = x / (1 - rate) but 0 where DropoutMask(seed, stream, rate) drops i / group, for element i of x. Inputs: x{..},
// seed{1} int64, another one at every step. group is 1 for dropout, the elements of a sample for drop path; it divides
// those of x. 0 <= rate < 1; with rate 0 it is the identity. Operators of one graph take different streams. The
// gradient draws the same mask again: nothing is stored.
struct Dropout {
  double rate = 0;
  int32_t stream = 0;
  int32_t group = 1;

  static constexpr std::string_view kName = "dropout";
  template <typename V>
  void Visit(V&& v) {
    v("rate", rate), v("stream", stream), v("group", group);
  }
  bool operator==(const Dropout&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const Dropout& op, DescSpan inputs);
Gradients Gradient(const Dropout& op, const GradientRequest& request);

// What every operator with a dropout of its own refuses: a rate outside of [0, 1), a negative stream, a seed of another
// shape, and more than 2^32 draws.
absl::Status CheckDropout(std::string_view op, double rate, int32_t stream, const Shape& seed, int64_t draws);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_DROPOUT_H_
