// Steps of optimisers on one tensor. They are no operators: the trainer calls them on the whole tensors of a supernet,
// of which a graph sees slices.
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
// The three spans have the same size and do not overlap. The first time, b is not read. Without momentum b is not used
// and may be empty.
void SgdStep(const SgdParameters& parameters, absl::Span<float> w, absl::Span<float> g, absl::Span<float> b, bool first,
             int threads);
// The same in double, for the reference: a plain loop on the calling thread.
void SgdStep(const SgdParameters& parameters, absl::Span<double> w, absl::Span<double> g, absl::Span<double> b,
             bool first, int threads);

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
// where c = sqrt(1 - beta2^t), and e = epsilon * c in PyTorch's form or epsilon in fairseq's. The four spans have the
// same size and do not overlap; m and v are zero before the first step.
void AdamStep(const AdamParameters& parameters, absl::Span<float> w, absl::Span<float> g, absl::Span<float> m,
              absl::Span<float> v, int64_t t, int threads);
void AdamStep(const AdamParameters& parameters, absl::Span<double> w, absl::Span<double> g, absl::Span<double> m,
              absl::Span<double> v, int64_t t, int threads);

// sum_i x_i y_i of spans of the same size; of a gradient with itself it is what gradients are clipped by.
double DotProduct(absl::Span<const float> x, absl::Span<const float> y, int threads);
double DotProduct(absl::Span<const double> x, absl::Span<const double> y, int threads);

// g = factor * g + h;  h = 0. Spans of the same size that do not overlap.
void CombineGradients(double factor, absl::Span<float> g, absl::Span<float> h, int threads);
void CombineGradients(double factor, absl::Span<double> g, absl::Span<double> h, int threads);

// average = decay * average + (1 - decay) * w: the exponential moving average of weights. As above.
void MoveAverage(double decay, absl::Span<const float> w, absl::Span<float> average, int threads);
void MoveAverage(double decay, absl::Span<const double> w, absl::Span<double> average, int threads);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPTIMIZER_KERNELS_H_
