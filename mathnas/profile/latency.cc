#include "mathnas/profile/latency.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "kernels/random.h"
#include "mathnas/core/statistics.h"

namespace mathnas::profile {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kOrderSeed = 0x0DE5;

// Median time of a run in one round, in milliseconds.
absl::StatusOr<double> OneRound(const std::function<absl::Status()>& run, double seconds,
                                const std::function<std::optional<double>()>& clock) {
  // The networks before it in the round have taken the caches: a small one takes two or three times as long then.
  if (auto s = run(); !s.ok()) return s;
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  Clock::time_point before = start;
  do {
    if (auto s = run(); !s.ok()) return s;
    const Clock::time_point after = Clock::now();
    const std::optional<double> own = clock ? clock() : std::nullopt;
    times.push_back(own ? 1e3 * *own : std::chrono::duration<double, std::milli>(after - before).count());
    before = after;
  } while (std::chrono::duration<double>(before - start).count() < seconds);
  return core::Median(times);
}

}  // namespace

absl::StatusOr<LatencyStats> Summarise(const std::vector<double>& samples_ms) {
  LatencyStats stats;
  auto median = core::Median(samples_ms);
  if (!median.ok()) return median.status();
  stats.median_ms = *median;
  stats.low_ms = *core::Quantile(samples_ms, 0.25);
  stats.high_ms = *core::Quantile(samples_ms, 0.75);
  std::vector<double> deviations;
  for (double s : samples_ms) deviations.push_back(std::abs(s - *median));
  stats.stddev_ms = 1.4826 * *core::Median(deviations);
  stats.rounds = static_cast<int64_t>(samples_ms.size());
  return stats;
}

bool Settled(const std::vector<double>& samples_ms, const LatencyOptions& options) {
  const auto rounds = static_cast<int>(samples_ms.size());
  if (rounds >= options.max_rounds) return true;
  if (rounds < options.min_rounds) return false;
  const LatencyStats stats = *Summarise(samples_ms);
  // 1.2533 = sqrt(pi / 2): the standard error of a median of normal samples.
  return 1.2533 * stats.stddev_ms / std::sqrt(rounds) <= options.relative_error * stats.median_ms;
}

absl::Status MeasureInTurn(absl::Span<const std::function<absl::Status()>> runs, const LatencyOptions& options,
                           std::vector<std::vector<double>>& samples_ms,
                           const std::function<absl::Status(int rounds)>& after_round, const std::atomic<bool>* cancel,
                           const RunClock& clock) {
  const auto one_round = [&](size_t run, double seconds) {
    return OneRound(runs[run], seconds, [&]() { return clock ? clock(run) : std::nullopt; });
  };
  samples_ms.resize(runs.size());
  const auto all_settled = [&] {
    return std::all_of(samples_ms.begin(), samples_ms.end(), [&](const auto& s) { return Settled(s, options); });
  };
  for (int round = 0; round < options.warmup_rounds; ++round) {
    for (size_t run = 0; run < runs.size(); ++run) {
      if (auto r = one_round(run, options.round_seconds / 2); !r.ok()) return r.status();
    }
  }
  // In an order of its own every round: a place in the round must not favour or harm the same run again and again.
  std::vector<uint32_t> order(runs.size());
  std::iota(order.begin(), order.end(), 0);
  for (int round = 0; !all_settled(); ++round) {
    kernels::Random(kOrderSeed, static_cast<uint64_t>(round)).Shuffle(order);
    for (uint32_t i : order) {
      if (cancel != nullptr && cancel->load()) return absl::CancelledError("latency measurement interrupted");
      auto sample = one_round(i, options.round_seconds);
      if (!sample.ok()) return sample.status();
      samples_ms[i].push_back(*sample);
    }
    if (after_round) {
      if (auto s = after_round(round + 1); !s.ok()) return s;
    }
  }
  return absl::OkStatus();
}

}  // namespace mathnas::profile
