// Sums over gradients and what becomes of them between two passes: limited by memory, so plain loops do.
#include <algorithm>
#include <array>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/plain_gradients.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/optimizer_kernels.h"

namespace mathnas::kernels {

double DotProduct(absl::Span<const float> x, absl::Span<const float> y, int threads) {
  const cpu::VectorKernels& v = cpu::Vector();
  const auto size = static_cast<int64_t>(x.size());
  constexpr int kMaxParts = 64;
  std::array<double, kMaxParts> sums{};
  const int parts = cpu::ParallelFor(
      std::min(threads, kMaxParts), size, cpu::kElementsPerThread, [&](int thread, int64_t begin, int64_t end) {
        sums[static_cast<size_t>(thread)] = v.dot(x.data() + begin, y.data() + begin, end - begin);
      });
  double sum = 0;
  for (int t = 0; t < parts; ++t) sum += sums[static_cast<size_t>(t)];
  return sum;
}

double DotProduct(absl::Span<const double> x, absl::Span<const double> y, int) { return cpu::PlainDotProduct(x, y); }

void CombineGradients(absl::Span<const GradientPair<absl::Span<float>>> pairs, int threads) {
  using Pair = GradientPair<absl::Span<float>>;
  cpu::ParallelElementsOfAll(threads, pairs, &Pair::g, [](const Pair& p, int64_t begin, int64_t size) {
    const auto at = static_cast<size_t>(begin), n = static_cast<size_t>(size);
    cpu::PlainCombineGradients(p.factor, p.g.subspan(at, n), p.h.subspan(at, n));
  });
}

void CombineGradients(absl::Span<const GradientPair<absl::Span<double>>> pairs, int) {
  for (const auto& p : pairs) cpu::PlainCombineGradients(p.factor, p.g, p.h);
}

void MoveAverage(double decay, absl::Span<const AveragedWeight<absl::Span<float>>> weights, int threads) {
  using Weight = AveragedWeight<absl::Span<float>>;
  cpu::ParallelElementsOfAll(threads, weights, &Weight::w, [decay](const Weight& a, int64_t begin, int64_t size) {
    const auto at = static_cast<size_t>(begin), n = static_cast<size_t>(size);
    cpu::PlainMoveAverage<float>(decay, a.w.subspan(at, n), a.average.subspan(at, n));
  });
}

void MoveAverage(double decay, absl::Span<const AveragedWeight<absl::Span<double>>> weights, int) {
  for (const auto& a : weights) cpu::PlainMoveAverage<double>(decay, a.w, a.average);
}

}  // namespace mathnas::kernels
