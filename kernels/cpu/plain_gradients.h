// What optimizer_kernels.h does besides steps, as plain loops: for double, and for builds without CPU kernels.
#ifndef MATHNAS_KERNELS_CPU_PLAIN_GRADIENTS_H_
#define MATHNAS_KERNELS_CPU_PLAIN_GRADIENTS_H_

#include <cstddef>

#include "absl/types/span.h"

namespace mathnas::kernels::cpu {

template <typename T>
double PlainDotProduct(absl::Span<const T> x, absl::Span<const T> y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += double{x[i]} * y[i];
  return sum;
}

template <typename T>
void PlainCombineGradients(double factor, absl::Span<T> g, absl::Span<T> h) {
  const T f = static_cast<T>(factor);
  for (size_t i = 0; i < g.size(); ++i) {
    g[i] = f * g[i] + h[i];
    h[i] = 0;
  }
}

template <typename T>
void PlainMoveAverage(double decay, absl::Span<const T> w, absl::Span<T> average) {
  const T rest = static_cast<T>(1 - decay);
  for (size_t i = 0; i < w.size(); ++i) average[i] += rest * (w[i] - average[i]);
}

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_PLAIN_GRADIENTS_H_
