// What a build without CPU kernels answers.
#include "absl/status/status.h"
#include "kernels/cpu/plain_adam.h"
#include "kernels/cpu/plain_sgd.h"
#include "kernels/device.h"

namespace mathnas::kernels {

absl::StatusOr<std::shared_ptr<Device>> CpuDevice(int) {
  return absl::UnimplementedError("this build has no CPU kernels (MATHNAS_CPU is off)");
}

void SgdStep(const SgdParameters& p, absl::Span<float> w, absl::Span<float> g, absl::Span<float> b, bool first, int) {
  cpu::PlainSgdStep(p, w, g, b, first);
}

void SgdStep(const SgdParameters& p, absl::Span<double> w, absl::Span<double> g, absl::Span<double> b, bool first,
             int) {
  cpu::PlainSgdStep(p, w, g, b, first);
}

void AdamStep(const AdamParameters& p, absl::Span<float> w, absl::Span<float> g, absl::Span<float> m,
              absl::Span<float> v, int64_t t, int) {
  cpu::PlainAdamStep(p, w, g, m, v, t);
}

void AdamStep(const AdamParameters& p, absl::Span<double> w, absl::Span<double> g, absl::Span<double> m,
              absl::Span<double> v, int64_t t, int) {
  cpu::PlainAdamStep(p, w, g, m, v, t);
}

double SumOfSquares(absl::Span<const float> x, int) { return cpu::PlainSumOfSquares(x); }
double SumOfSquares(absl::Span<const double> x, int) { return cpu::PlainSumOfSquares(x); }

}  // namespace mathnas::kernels
