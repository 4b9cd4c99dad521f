// SgdStep as a plain loop: for double, and for builds without CPU kernels.
#ifndef MATHNAS_KERNELS_CPU_PLAIN_SGD_H_
#define MATHNAS_KERNELS_CPU_PLAIN_SGD_H_

#include "kernels/optimizer_kernels.h"

namespace mathnas::kernels::cpu {

template <typename T>
void PlainSgdStep(const SgdUpdate<absl::Span<T>>& update) {
  const auto& [p, w, g, b, first] = update;
  const T learning_rate = static_cast<T>(p.learning_rate), momentum = static_cast<T>(p.momentum);
  const T weight_decay = static_cast<T>(p.weight_decay), scale = static_cast<T>(p.gradient_scale);
  for (size_t i = 0; i < w.size(); ++i) {
    const T gradient = scale * g[i] + weight_decay * w[i];
    T step = gradient;
    if (momentum != 0) {
      b[i] = first ? gradient : momentum * b[i] + gradient;
      step = p.nesterov ? gradient + momentum * b[i] : b[i];
    }
    w[i] -= learning_rate * step;
    g[i] = 0;
  }
}

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_PLAIN_SGD_H_
