// How long something takes: run again and again until the median is known well enough. Never the mean: what disturbs a
// machine makes times longer, and only some.
#ifndef MATHNAS_BENCHMARK_SAMPLING_H_
#define MATHNAS_BENCHMARK_SAMPLING_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mathnas::benchmark {

struct SamplingOptions {
  double least_seconds = 0.2;  // of samples, at least; and this many of them
  int least_samples = 11;
  double most_seconds = 2;  // then the samples are taken as they are
  int most_samples = 100000;
  // Enough is known when the 95 % interval of the median reaches no further than this fraction of it to either side.
  double precision = 0.02;
  // Runs too short for the clock are timed several at once, for at least this long.
  double least_sample_seconds = 50e-6;
  const std::atomic<bool>* cancel = nullptr;
};

struct Samples {
  std::vector<double> seconds;  // of one run, in the order in which they were taken
  int64_t runs_per_sample = 1;
  bool stable = false;  // whether the precision was reached
};

// Times run(). `before`, if there is one, runs before every single run and is not timed (it empties the caches); a
// sample is one run then. Three runs first are not timed, as many of them as fit into a quarter of `most_seconds`.
// `now` is the clock, in seconds. Errors: those of run(); Cancelled.
absl::StatusOr<Samples> Sample(absl::FunctionRef<absl::Status()> run, const std::function<void()>& before,
                               const SamplingOptions& options, absl::FunctionRef<double()> now);
// By the steady clock.
absl::StatusOr<Samples> Sample(absl::FunctionRef<absl::Status()> run, const std::function<void()>& before,
                               const SamplingOptions& options);

// Of samples, in their unit.
struct Summary {
  double minimum = 0, lower_quartile = 0, median = 0, upper_quartile = 0;
  // The 95 % confidence interval of the median by order statistics (binomial; no assumption on the distribution): all
  // of the samples where they are fewer than six.
  double low = 0, high = 0;
  int64_t samples = 0;

  bool operator==(const Summary&) const = default;
};
// InvalidArgument when there are none, or one that is not finite.
absl::StatusOr<Summary> Summarize(std::span<const double> samples);

}  // namespace mathnas::benchmark

#endif  // MATHNAS_BENCHMARK_SAMPLING_H_
