// Adam: own vector code.
#include <cstdint>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/plain_adam.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/optimizer_kernels.h"

namespace mathnas::kernels {

void AdamStep(absl::Span<const AdamUpdate<absl::Span<float>>> updates, int threads) {
  const cpu::VectorKernels& vector = cpu::Vector();
  const auto update = [&](const AdamUpdate<absl::Span<float>>& u, int64_t begin, int64_t n) {
    const AdamParameters& p = u.parameters;
    const cpu::AdamStepSize size(p, u.t);
    const cpu::AdamCoefficients with = {.gradient_scale = static_cast<float>(p.gradient_scale),
                                        .beta1 = static_cast<float>(p.beta1),
                                        .one_minus_beta1 = static_cast<float>(1 - p.beta1),
                                        .beta2 = static_cast<float>(p.beta2),
                                        .one_minus_beta2 = static_cast<float>(1 - p.beta2),
                                        .keep = static_cast<float>(size.keep),
                                        .step = static_cast<float>(size.step),
                                        .epsilon = static_cast<float>(size.epsilon)};
    vector.adam(with, u.w.data() + begin, u.g.data() + begin, u.m.data() + begin, u.v.data() + begin, n);
  };
  cpu::ParallelElementsOfAll(threads, updates, &AdamUpdate<absl::Span<float>>::w, update);
}

void AdamStep(absl::Span<const AdamUpdate<absl::Span<double>>> updates, int) {
  for (const auto& u : updates) cpu::PlainAdamStep(u);
}

}  // namespace mathnas::kernels
