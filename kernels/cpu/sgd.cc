// SGD: own vector code.
#include "kernels/cpu/elements.h"
#include "kernels/cpu/plain_sgd.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/optimizer_kernels.h"

namespace mathnas::kernels {

void SgdStep(const SgdParameters& p, absl::Span<float> w, absl::Span<float> g, absl::Span<float> b, bool first,
             int threads) {
  const cpu::VectorKernels& v = cpu::Vector();
  const cpu::SgdCoefficients with = {static_cast<float>(p.learning_rate), static_cast<float>(p.momentum),
                                     static_cast<float>(p.weight_decay), static_cast<float>(p.gradient_scale),
                                     p.nesterov};
  cpu::ParallelElements(threads, static_cast<int64_t>(w.size()), [&](int64_t begin, int64_t size) {
    v.sgd(with, w.data() + begin, g.data() + begin, b.empty() ? nullptr : b.data() + begin, first, size);
  });
}

void SgdStep(const SgdParameters& p, absl::Span<double> w, absl::Span<double> g, absl::Span<double> b, bool first,
             int) {
  cpu::PlainSgdStep(p, w, g, b, first);
}

}  // namespace mathnas::kernels
