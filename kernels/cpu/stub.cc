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

void SgdStep(absl::Span<const SgdUpdate<absl::Span<float>>> updates, int) {
  for (const auto& u : updates) cpu::PlainSgdStep(u);
}
void SgdStep(absl::Span<const SgdUpdate<absl::Span<double>>> updates, int) {
  for (const auto& u : updates) cpu::PlainSgdStep(u);
}

void AdamStep(absl::Span<const AdamUpdate<absl::Span<float>>> updates, int) {
  for (const auto& u : updates) cpu::PlainAdamStep(u);
}
void AdamStep(absl::Span<const AdamUpdate<absl::Span<double>>> updates, int) {
  for (const auto& u : updates) cpu::PlainAdamStep(u);
}

double DotProduct(absl::Span<const float> x, absl::Span<const float> y, int) { return cpu::PlainDotProduct(x, y); }
double DotProduct(absl::Span<const double> x, absl::Span<const double> y, int) { return cpu::PlainDotProduct(x, y); }

void CombineGradients(absl::Span<const GradientPair<absl::Span<float>>> pairs, int) {
  for (const auto& p : pairs) cpu::PlainCombineGradients(p.factor, p.g, p.h);
}
void CombineGradients(absl::Span<const GradientPair<absl::Span<double>>> pairs, int) {
  for (const auto& p : pairs) cpu::PlainCombineGradients(p.factor, p.g, p.h);
}

void MoveAverage(double decay, absl::Span<const AveragedWeight<absl::Span<float>>> weights, int) {
  for (const auto& a : weights) cpu::PlainMoveAverage<float>(decay, a.w, a.average);
}
void MoveAverage(double decay, absl::Span<const AveragedWeight<absl::Span<double>>> weights, int) {
  for (const auto& a : weights) cpu::PlainMoveAverage<double>(decay, a.w, a.average);
}

}  // namespace mathnas::kernels
