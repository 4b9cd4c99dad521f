// What a build without CPU kernels answers.
#include "absl/status/status.h"
#include "kernels/cpu/plain_adam.h"
#include "kernels/cpu/plain_gradients.h"
#include "kernels/cpu/plain_sgd.h"
#include "kernels/device.h"
#include "kernels/machine.h"

namespace mathnas::kernels {

namespace {

absl::Status NoCpuKernels() { return absl::UnimplementedError("this build has no CPU kernels (MATHNAS_CPU is off)"); }

}  // namespace

absl::StatusOr<std::shared_ptr<Device>> CpuDevice(int) { return NoCpuKernels(); }

absl::StatusOr<MachineDescription> DescribeMachine() { return NoCpuKernels(); }
absl::StatusOr<double> MeasureMultiplyAdds(int, double) { return NoCpuKernels(); }
absl::StatusOr<double> MeasureBandwidth(int, size_t, double) { return NoCpuKernels(); }
CacheSweep::CacheSweep(int threads) : threads_(threads) {}
void CacheSweep::Run() {}

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

double DotProduct(absl::Span<const float> x, absl::Span<const float> y, int) { return cpu::PlainDotProduct(x, y); }
double DotProduct(absl::Span<const double> x, absl::Span<const double> y, int) { return cpu::PlainDotProduct(x, y); }

void CombineGradients(double factor, absl::Span<float> g, absl::Span<float> h, int) {
  cpu::PlainCombineGradients(factor, g, h);
}
void CombineGradients(double factor, absl::Span<double> g, absl::Span<double> h, int) {
  cpu::PlainCombineGradients(factor, g, h);
}

void MoveAverage(double decay, absl::Span<const float> w, absl::Span<float> average, int) {
  cpu::PlainMoveAverage(decay, w, average);
}
void MoveAverage(double decay, absl::Span<const double> w, absl::Span<double> average, int) {
  cpu::PlainMoveAverage(decay, w, average);
}

}  // namespace mathnas::kernels
