// Adam: own vector code.
#include <cstdint>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/plain_adam.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/optimizer_kernels.h"

namespace mathnas::kernels {

void AdamStep(const AdamParameters& p, absl::Span<float> w, absl::Span<float> g, absl::Span<float> m,
              absl::Span<float> v, int64_t t, int threads) {
  const cpu::VectorKernels& vector = cpu::Vector();
  const cpu::AdamStepSize size(p, t);
  const cpu::AdamCoefficients with = {.gradient_scale = static_cast<float>(p.gradient_scale),
                                      .beta1 = static_cast<float>(p.beta1),
                                      .one_minus_beta1 = static_cast<float>(1 - p.beta1),
                                      .beta2 = static_cast<float>(p.beta2),
                                      .one_minus_beta2 = static_cast<float>(1 - p.beta2),
                                      .keep = static_cast<float>(size.keep),
                                      .step = static_cast<float>(size.step),
                                      .epsilon = static_cast<float>(size.epsilon)};
  cpu::ParallelElements(threads, static_cast<int64_t>(w.size()), [&](int64_t begin, int64_t n) {
    vector.adam(with, w.data() + begin, g.data() + begin, m.data() + begin, v.data() + begin, n);
  });
}

void AdamStep(const AdamParameters& p, absl::Span<double> w, absl::Span<double> g, absl::Span<double> m,
              absl::Span<double> v, int64_t t, int) {
  cpu::PlainAdamStep(p, w, g, m, v, t);
}

}  // namespace mathnas::kernels
