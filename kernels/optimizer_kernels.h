// Steps of optimisers on one tensor. They are no operators: the trainer calls them on the whole tensors of a supernet,
// of which a graph sees slices.
#ifndef MATHNAS_KERNELS_OPTIMIZER_KERNELS_H_
#define MATHNAS_KERNELS_OPTIMIZER_KERNELS_H_

#include "absl/types/span.h"

namespace mathnas::kernels {

struct SgdParameters {
  double learning_rate = 0.1;
  double momentum = 0.9;
  double weight_decay = 0;
  bool nesterov = true;
};

// One step of stochastic gradient descent (spec/training-golden.md 2), in one pass that also clears the gradient:
//
//   g += weight_decay * w;  b = g the first time, momentum * b + g later;
//   w -= learning_rate * (g + momentum * b), or learning_rate * b without Nesterov;  g = 0
//
// The three spans have the same size and do not overlap. The first time, b is not read. Without momentum b is not used
// and may be empty.
void SgdStep(const SgdParameters& parameters, absl::Span<float> w, absl::Span<float> g, absl::Span<float> b, bool first,
             int threads);
// The same in double, for the reference: a plain loop on the calling thread.
void SgdStep(const SgdParameters& parameters, absl::Span<double> w, absl::Span<double> g, absl::Span<double> b,
             bool first, int threads);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPTIMIZER_KERNELS_H_
