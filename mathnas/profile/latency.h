// How long networks take, measured so that a machine's moods hit all of them alike.
#ifndef MATHNAS_MATHNAS_PROFILE_LATENCY_H_
#define MATHNAS_MATHNAS_PROFILE_LATENCY_H_

#include <atomic>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace mathnas::profile {

struct LatencyOptions {
  int64_t batch = 1;
  int threads = 1;
  int warmup_rounds = 2;
  int min_rounds = 10;
  int max_rounds = 100;          // also where it is less than min_rounds
  double round_seconds = 0.004;  // of one network in one round after a run that fills the caches, at least one run
  // Stop when the standard error of every median is below this fraction of it.
  double relative_error = 0.01;
};

struct LatencyStats {
  double median_ms = 0;
  double low_ms = 0, high_ms = 0;  // quartiles
  double stddev_ms = 0;            // robust: 1.4826 times the median absolute deviation of the rounds
  int64_t rounds = 0;
};

// Statistics of one sample (milliseconds) per round.
absl::StatusOr<LatencyStats> Summarise(const std::vector<double>& samples_ms);
// Whether the samples are enough by the options.
bool Settled(const std::vector<double>& samples_ms, const LatencyOptions& options);

// What a run says how long it took, in seconds, by its place among the runs: of a device that has a clock of its own.
using RunClock = std::function<std::optional<double>(size_t run)>;

// Calls all of `runs` in turn, round after round, each round in an order of its own, and appends to samples_ms[i] the
// median time of runs[i] in each round, with its weights in the caches: the first run of a round does not count.
// `after_round` is told the number of rounds done. Cancelled when the flag is set; errors of the runs.
absl::Status MeasureInTurn(absl::Span<const std::function<absl::Status()>> runs, const LatencyOptions& options,
                           std::vector<std::vector<double>>& samples_ms,
                           const std::function<absl::Status(int rounds)>& after_round, const std::atomic<bool>* cancel,
                           const RunClock& clock = nullptr);

}  // namespace mathnas::profile

#endif  // MATHNAS_MATHNAS_PROFILE_LATENCY_H_
