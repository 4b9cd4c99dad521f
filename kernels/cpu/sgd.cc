// SGD: own vector code.
#include "kernels/cpu/elements.h"
#include "kernels/cpu/plain_sgd.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/optimizer_kernels.h"

namespace mathnas::kernels {

void SgdStep(absl::Span<const SgdUpdate<absl::Span<float>>> updates, int threads) {
  const cpu::VectorKernels& v = cpu::Vector();
  const auto update = [&](const SgdUpdate<absl::Span<float>>& u, int64_t begin, int64_t size) {
    const SgdParameters& p = u.parameters;
    const cpu::SgdCoefficients with = {static_cast<float>(p.learning_rate), static_cast<float>(p.momentum),
                                       static_cast<float>(p.weight_decay), static_cast<float>(p.gradient_scale),
                                       p.nesterov};
    v.sgd(with, u.w.data() + begin, u.g.data() + begin, u.b.empty() ? nullptr : u.b.data() + begin, u.first, size);
  };
  cpu::ParallelElementsOfAll(threads, updates, &SgdUpdate<absl::Span<float>>::w, update);
}

void SgdStep(absl::Span<const SgdUpdate<absl::Span<double>>> updates, int) {
  for (const auto& u : updates) cpu::PlainSgdStep(u);
}

}  // namespace mathnas::kernels
