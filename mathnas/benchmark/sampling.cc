#include "mathnas/benchmark/sampling.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "fmt/format.h"

namespace mathnas::benchmark {
namespace {

// Between order statistics at position q * (n - 1).
double SortedQuantile(std::span<const double> sorted, double q) {
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// Ranks of the samples, counted from 0, between which the median lies with 95 % (normal approximation of the binomial).
std::pair<size_t, size_t> MedianInterval(size_t n) {
  const double half = 1.96 * std::sqrt(static_cast<double>(n)) / 2, middle = static_cast<double>(n) / 2;
  const double low = std::floor(middle - half), high = std::ceil(middle + half);
  return {static_cast<size_t>(std::max(low, 0.0)), static_cast<size_t>(std::min(high, static_cast<double>(n) - 1))};
}

bool IsPrecise(const std::vector<double>& seconds, double precision) {
  const auto summary = Summarize(seconds);
  return summary.ok() && summary->high - summary->median <= precision * summary->median &&
         summary->median - summary->low <= precision * summary->median;
}

}  // namespace

absl::StatusOr<Samples> Sample(absl::FunctionRef<absl::Status()> run, const std::function<void()>& before,
                               const SamplingOptions& options, absl::FunctionRef<double()> now) {
  const auto cancelled = [&] { return options.cancel != nullptr && options.cancel->load(); };
  const bool cold = before != nullptr;
  double once = 0;
  for (double begin = now(), i = 0; i < 3; ++i) {
    if (cold) before();
    const double start = now();
    if (absl::Status s = run(); !s.ok()) return s;
    once = now() - start;
    if (cancelled()) return absl::CancelledError("benchmark interrupted");
    if (now() - begin > options.most_seconds / 4) break;
  }
  Samples samples;
  if (!cold && once < options.least_sample_seconds) {
    samples.runs_per_sample =
        static_cast<int64_t>(std::clamp(std::ceil(options.least_sample_seconds / std::max(once, 1e-9)), 1.0, 1e5));
  }
  size_t check_at = static_cast<size_t>(std::max(options.least_samples, 2));
  double timed = 0;
  for (const double begin = now();;) {
    if (cancelled()) return absl::CancelledError("benchmark interrupted");
    if (cold) before();
    const double start = now();
    for (int64_t i = 0; i < samples.runs_per_sample; ++i) {
      if (absl::Status s = run(); !s.ok()) return s;
    }
    const double seconds = now() - start;
    timed += seconds;
    samples.seconds.push_back(seconds / static_cast<double>(samples.runs_per_sample));
    const size_t n = samples.seconds.size();
    // Emptying the caches counts: nobody wants to wait for it longer than he said.
    const bool last = now() - begin >= options.most_seconds || n >= static_cast<size_t>(options.most_samples);
    if (n < check_at && !last) continue;
    // The check sorts: only when there are a tenth more.
    check_at = n + std::max<size_t>(1, n / 10);
    const double enough = cold ? std::min(options.least_seconds, 1e-3) : options.least_seconds;
    if (timed < enough && !last) continue;
    samples.stable = IsPrecise(samples.seconds, options.precision);
    if (samples.stable || last) return samples;
  }
}

absl::StatusOr<Samples> Sample(absl::FunctionRef<absl::Status()> run, const std::function<void()>& before,
                               const SamplingOptions& options) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point zero = Clock::now();
  return Sample(run, before, options, [&] { return std::chrono::duration<double>(Clock::now() - zero).count(); });
}

absl::StatusOr<Summary> Summarize(std::span<const double> samples) {
  if (samples.empty()) return absl::InvalidArgumentError("no samples");
  for (size_t i = 0; i < samples.size(); ++i) {
    if (!std::isfinite(samples[i])) {
      return absl::InvalidArgumentError(fmt::format("sample {} is {}, expected a finite number", i, samples[i]));
    }
  }
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  const auto [low, high] = MedianInterval(sorted.size());
  return Summary{.minimum = sorted.front(),
                 .lower_quartile = SortedQuantile(sorted, 0.25),
                 .median = SortedQuantile(sorted, 0.5),
                 .upper_quartile = SortedQuantile(sorted, 0.75),
                 .low = sorted[low],
                 .high = sorted[high],
                 .samples = static_cast<int64_t>(sorted.size())};
}

}  // namespace mathnas::benchmark
