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

void CombineGradients(double factor, absl::Span<float> g, absl::Span<float> h, int threads) {
  cpu::ParallelElements(threads, static_cast<int64_t>(g.size()), [&](int64_t begin, int64_t size) {
    const auto at = static_cast<size_t>(begin), n = static_cast<size_t>(size);
    cpu::PlainCombineGradients(factor, g.subspan(at, n), h.subspan(at, n));
  });
}

void CombineGradients(double factor, absl::Span<double> g, absl::Span<double> h, int) {
  cpu::PlainCombineGradients(factor, g, h);
}

void MoveAverage(double decay, absl::Span<const float> w, absl::Span<float> average, int threads) {
  cpu::ParallelElements(threads, static_cast<int64_t>(w.size()), [&](int64_t begin, int64_t size) {
    const auto at = static_cast<size_t>(begin), n = static_cast<size_t>(size);
    cpu::PlainMoveAverage(decay, w.subspan(at, n), average.subspan(at, n));
  });
}

void MoveAverage(double decay, absl::Span<const double> w, absl::Span<double> average, int) {
  cpu::PlainMoveAverage(decay, w, average);
}

}  // namespace mathnas::kernels
