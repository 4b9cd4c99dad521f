// AdamStep as a plain loop: for double, and for builds without CPU kernels.
#ifndef MATHNAS_KERNELS_CPU_PLAIN_ADAM_H_
#define MATHNAS_KERNELS_CPU_PLAIN_ADAM_H_

#include <cmath>

#include "kernels/optimizer_kernels.h"

namespace mathnas::kernels::cpu {

// What step t comes down to: w = w * keep - step * m / (sqrt(v) + epsilon).
struct AdamStepSize {
  double keep, step, epsilon;

  AdamStepSize(const AdamParameters& p, int64_t t) {
    const double correction = std::sqrt(1 - std::pow(p.beta2, static_cast<double>(t)));
    keep = 1 - p.learning_rate * p.weight_decay;
    step = p.learning_rate * correction / (1 - std::pow(p.beta1, static_cast<double>(t)));
    epsilon = p.form == AdamForm::kPyTorch ? p.epsilon * correction : p.epsilon;
  }
};

template <typename T>
void PlainAdamStep(const AdamUpdate<absl::Span<T>>& update) {
  const auto& [p, w, g, m, v, t] = update;
  const AdamStepSize size(p, t);
  for (size_t i = 0; i < w.size(); ++i) {
    const double gradient = p.gradient_scale * g[i];
    m[i] = static_cast<T>(p.beta1 * m[i] + (1 - p.beta1) * gradient);
    v[i] = static_cast<T>(p.beta2 * v[i] + (1 - p.beta2) * gradient * gradient);
    w[i] = static_cast<T>(size.keep * w[i] - size.step * m[i] / (std::sqrt(double{v[i]}) + size.epsilon));
    g[i] = 0;
  }
}

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_PLAIN_ADAM_H_
