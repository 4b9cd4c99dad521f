#include "mathnas/benchmark/roofline.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fmt/format.h"
#include "kernels/machine.h"
#include "mathnas/benchmark/operator_bench.h"
#include "mathnas/benchmark/sampling.h"
#include "mathnas/report/html_style.h"
#include "mathnas/report/markup.h"
#include "mathnas/report/svg.h"

namespace mathnas::benchmark {
namespace {

constexpr double kWidth = 960, kHeight = 600;

// The range of powers of ten around the values.
report::Range Decades(const std::vector<double>& values) {
  const auto range = report::RangeOf(values).value_or(report::Range{1, 10});
  const double low = std::pow(10, std::floor(std::log10(std::max(range.low, 1e-6))));
  return {low, std::max(std::pow(10, std::ceil(std::log10(std::max(range.high, 1e-6)))), 10 * low)};
}

}  // namespace

std::string RooflineSvg(const BenchmarkRun& run) {
  std::vector<const Record*> shown;
  std::vector<double> x, y = {run.peaks.gflops};
  for (const Record& r : run.records) {
    if (!(r.multiply_adds > 0 && r.bytes > 0)) continue;
    shown.push_back(&r);
    x.push_back(2 * r.multiply_adds / r.bytes);
    y.push_back(r.gflops());
  }
  // The ridge, where memory gives way to arithmetic, is always in the picture.
  for (const Peaks::Bandwidth& b : run.peaks.bandwidth) {
    if (b.gbs > 0) x.push_back(run.peaks.gflops / b.gbs);
  }
  const report::Range xs = Decades(x), ys = Decades(y);
  report::Plot plot(
      kWidth, kHeight, {xs, "operations for each byte [FLOP/B]", 6, true}, {ys, "GFLOP/s", 6, true},
      fmt::format("Roofline of {}: {} of {} records", run.machine.processor, shown.size(), run.records.size()));
  for (const Peaks::Bandwidth& b : run.peaks.bandwidth) {
    const double ridge = std::clamp(b.gbs > 0 ? run.peaks.gflops / b.gbs : xs.high, xs.low, xs.high);
    const report::Point roof[] = {{xs.low, std::min(b.gbs * xs.low, run.peaks.gflops)},
                                  {ridge, std::min(b.gbs * ridge, run.peaks.gflops)},
                                  {xs.high, std::min(b.gbs * xs.high, run.peaks.gflops)}};
    plot.Line(roof, &b == &run.peaks.bandwidth.back() ? "front" : "identity");
  }
  plot.HorizontalRule(run.peaks.gflops, fmt::format("{:.0f} GFLOP/s", run.peaks.gflops), report::Plot::Side::kNone);
  for (const Record* r : shown) {
    plot.Dot({2 * r->multiply_adds / r->bytes, r->gflops()}, 4, r->cache == "cold" ? "chosen-predicted" : "audited",
             fmt::format("{} ({}, {}): {:.1f} GFLOP/s, {:.1f} GB/s, {:.0f} % of the roof, {}", r->name, r->pass,
                         r->cache, r->gflops(), r->gbs(), 100 * r->RoofShare(run.peaks), r->implementation));
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {2}\">\n"
      "<style><![CDATA[{3}]]></style>\n<rect width=\"100%\" height=\"100%\" style=\"fill: var(--page)\"/>\n"
      "<text class=\"axis-label\" x=\"16\" y=\"20\">{4}</text>\n<g transform=\"translate(0 30)\">\n"
      "<svg width=\"{0}\" height=\"{5}\">\n{6}</svg>\n</g>\n</svg>\n",
      kWidth, kHeight + 30, kHeight + 30, report::kStyle, report::Escape(DescribeMachine(run)), kHeight, plot.Finish());
}

absl::StatusOr<Peaks> MeasurePeaks(int threads, double most_bytes) {
  Peaks peaks;
  const auto multiply_adds = kernels::MeasureMultiplyAdds(threads, 0.1);
  if (!multiply_adds.ok()) return multiply_adds.status();
  peaks.gflops = 2e-9 * *multiply_adds;
  for (double bytes = 16384.0 * threads;; bytes *= 4) {
    const double size = std::min(bytes, most_bytes);
    const auto bandwidth =
        kernels::MeasureBandwidth(threads, static_cast<size_t>(size), size < most_bytes ? 0.05 : 0.3);
    if (!bandwidth.ok()) return bandwidth.status();
    peaks.bandwidth.push_back({size, 1e-9 * *bandwidth});
    if (size >= most_bytes) break;
  }
  // Noise apart, what fits into a nearer cache is no slower for it.
  for (size_t i = peaks.bandwidth.size() - 1; i-- > 0;) {
    peaks.bandwidth[i].gbs = std::max(peaks.bandwidth[i].gbs, peaks.bandwidth[i + 1].gbs);
  }
  return peaks;
}

namespace {

// The least seconds of one run of the operator of a line, of many within about `seconds`.
absl::StatusOr<double> LeastSeconds(kernels::Device& device, const std::string& line, double seconds) {
  const auto problems = ProblemsOf(line, Pass::kForward, 0x1p40);
  if (!problems.ok()) return problems.status();
  const auto timed = PrepareOperators(device, *problems, /*constant_weights=*/false, /*seed=*/0);
  if (!timed.ok()) return timed.status();
  if (auto s = (*timed)->Run(); !s.ok()) return s;
  const auto samples =
      Sample([&] { return (*timed)->Run(); }, nullptr, {.least_seconds = seconds, .most_seconds = seconds});
  if (!samples.ok()) return samples.status();
  return *std::min_element(samples->seconds.begin(), samples->seconds.end());
}

}  // namespace

absl::StatusOr<Peaks> MeasurePeaksOf(kernels::Device& device, double most_bytes) {
  constexpr double kSide = 4096;  // of the matrices
  const auto product = LeastSeconds(device, fmt::format("linear n{0:.0f} i{0:.0f} o{0:.0f}", kSide), 0.3);
  if (!product.ok()) return product.status();
  Peaks peaks;
  peaks.gflops = 2e-9 * kSide * kSide * kSide / *product;
  for (double bytes = 256 << 10;; bytes *= 4) {
    // x + y -> z of float32: three tensors, in rows, since no extent of a line may be as large as these.
    constexpr double kRow = 1024;
    const double rows = std::max(1.0, std::floor(std::min(bytes, most_bytes) / (12 * kRow)));
    const auto sum = LeastSeconds(device, fmt::format("add n{:.0f} h1 w1 c{:.0f}", rows, kRow), 0.1);
    if (!sum.ok()) return sum.status();
    const double size = 12 * kRow * rows;
    peaks.bandwidth.push_back({size, 1e-9 * size / *sum});
    if (bytes >= most_bytes) break;
  }
  return peaks;
}

}  // namespace mathnas::benchmark
