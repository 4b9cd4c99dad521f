// Steps of optimisers on many tensors at once, in one loop over all elements. They are no operators: the trainer calls
// them on the whole tensors of a supernet, of which a graph sees slices.
//
// `Elements` is a span of float or double, or, for devices (device.h), a TensorView. Spans of one update have the same
// size; no two of a call overlap.
#ifndef MATHNAS_KERNELS_OPTIMIZER_KERNELS_H_
#define MATHNAS_KERNELS_OPTIMIZER_KERNELS_H_

#include <cstdint>

#include "absl/types/span.h"

namespace mathnas::kernels {

struct SgdParameters {
  double learning_rate = 0.1;
  double momentum = 0.9;
  double weight_decay = 0;
  double gradient_scale = 1;  // of the gradient, before anything else
  bool nesterov = true;
};

// One step of stochastic gradient descent (spec/training-golden.md 2), in one pass that also clears the gradient:
//
//   g = gradient_scale * g + weight_decay * w;  b = g the first time, momentum * b + g later;
//   w -= learning_rate * (g + momentum * b), or learning_rate * b without Nesterov;  g = 0
//
// The first time, b is not read. Without momentum b is not used and may be empty.
template <typename Elements>
struct SgdUpdate {
  SgdParameters parameters;
  Elements w, g, b;
  bool first = false;
};
void SgdStep(absl::Span<const SgdUpdate<absl::Span<float>>> updates, int threads);
// The same in double, for the reference: a plain loop on the calling thread. So below.
void SgdStep(absl::Span<const SgdUpdate<absl::Span<double>>> updates, int threads);

// Where Adam adds epsilon: to sqrt(v) corrected for its bias, as PyTorch does, or to sqrt(v) itself, as fairseq.
enum class AdamForm : uint8_t { kPyTorch, kFairseq };

struct AdamParameters {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;    // decoupled from the gradient (AdamW)
  double gradient_scale = 1;  // of the gradient, before anything else: clipping, a mean over tokens
  AdamForm form = AdamForm::kPyTorch;
};

// Step t = 1, 2, .. of Adam on this tensor (Kingma and Ba, 2015; spec/training-golden.md 2), in one pass that also
// clears the gradient. With g' = gradient_scale * g:
//
//   w *= 1 - learning_rate * weight_decay;  m = beta1 * m + (1 - beta1) * g';  v = beta2 * v + (1 - beta2) * g'^2;
//   w -= learning_rate * c / (1 - beta1^t) * m / (sqrt(v) + e);  g = 0
//
// where c = sqrt(1 - beta2^t), and e = epsilon * c in PyTorch's form or epsilon in fairseq's. m and v are zero before
// the first step.
template <typename Elements>
struct AdamUpdate {
  AdamParameters parameters;
  Elements w, g, m, v;
  int64_t t = 1;
};
void AdamStep(absl::Span<const AdamUpdate<absl::Span<float>>> updates, int threads);
void AdamStep(absl::Span<const AdamUpdate<absl::Span<double>>> updates, int threads);

// sum_i x_i y_i of spans of the same size; of a gradient with itself it is what gradients are clipped by.
double DotProduct(absl::Span<const float> x, absl::Span<const float> y, int threads);
double DotProduct(absl::Span<const double> x, absl::Span<const double> y, int threads);

// g = factor * g + h;  h = 0.
template <typename Elements>
struct GradientPair {
  double factor;
  Elements g, h;
};
void CombineGradients(absl::Span<const GradientPair<absl::Span<float>>> pairs, int threads);
void CombineGradients(absl::Span<const GradientPair<absl::Span<double>>> pairs, int threads);

// average = decay * average + (1 - decay) * w: the exponential moving average of weights.
template <typename Elements>
struct AveragedWeight {
  Elements w, average;
};
void MoveAverage(double decay, absl::Span<const AveragedWeight<absl::Span<float>>> weights, int threads);
void MoveAverage(double decay, absl::Span<const AveragedWeight<absl::Span<double>>> weights, int threads);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPTIMIZER_KERNELS_H_
