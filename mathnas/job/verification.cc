#include "mathnas/job/verification.h"

#include <algorithm>
#include <limits>

#include "fmt/format.h"
#include "mathnas/job/landscape.h"
#include "mathnas/profile/space_table.h"

namespace mathnas::job {
namespace {

using supernet::Choice;

constexpr int kAttempts = 5;

bool IsLatency(const core::Limit& limit) { return limit.metric == "latency" && limit.op == core::LimitOp::kAtMost; }

// By how much the measured latency is above the limits: the upper quartile counts, so that the next run is within too.
double Excess(const profile::LatencyStats& stats, const std::vector<core::Limit>& limits) {
  double excess = 0;
  for (const core::Limit& l : limits) {
    if (IsLatency(l)) excess = std::max(excess, stats.high_ms / l.value);
  }
  return excess;
}

// The search with measurements, attempt by attempt.
class Verification {
 public:
  Verification(const supernet::SearchSpace& space, const std::vector<core::Limit>& limits, profile::Meter& meter)
      : space_(space), limits_(limits), meter_(meter) {}

  // Measures the best networks of an attempt and takes the first that keeps the latency limits in measurement too, or
  // else the one that comes nearest of all attempts. The least excess of the attempt, at most 1 where it is done.
  absl::StatusOr<double> Try(const core::SearchResult& found, int attempt, Verified& taken) {
    std::vector<Choice> choices;
    for (const core::FoundNetwork& n : found.networks) {
      choices.push_back(profile::InSpace(space_, {n.choice, n.shared_index}));
    }
    if (auto s = meter_.MeasureLatency(choices); !s.ok()) return s;
    double least = std::numeric_limits<double>::infinity();
    for (size_t rank = 0; rank < choices.size(); ++rank) {
      auto stats = profile::Summarise(meter_.of(choices[rank]).latency_ms);
      if (!stats.ok()) return stats.status();
      const double excess = Excess(*stats, limits_);
      least = std::min(least, excess);
      if (excess > 1 && excess >= nearest_) continue;
      nearest_ = excess;
      taken.choice = choices[rank];
      taken.found = found.networks[rank];
      taken.latency = *stats;
      if (excess > 1) continue;
      if (rank > 0 || attempt > 0) {
        taken.note = fmt::format(
            "The predicted optimum took longer than the budget when it was measured. Taken is network {} of the "
            "search{}.",
            rank + 1, attempt > 0 ? " under a tightened limit" : "");
      }
      break;
    }
    return least;
  }

 private:
  const supernet::SearchSpace& space_;
  const std::vector<core::Limit>& limits_;
  profile::Meter& meter_;
  double nearest_ = std::numeric_limits<double>::infinity();  // excess of what is taken so far
};

}  // namespace

absl::StatusOr<Verified> SearchVerified(const supernet::SearchSpace& space, const core::BlockTable& table,
                                        const VerificationOptions& options, profile::Meter& meter) {
  Verified verified;
  core::SearchRequest request = {
      .limits = options.limits, .estimator = options.estimator, .top = options.networks, .cancel = options.cancel};
  if (!IsLarge(table)) request.fronts = {"latency"};
  Verification verification(space, options.limits, meter);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto found = core::Search(table, request);
    if (!found.ok()) return found.status();
    if (attempt == 0) {
      verified.search = *found;
      if (found->networks.empty()) return verified;
    }
    if (found->networks.empty()) break;  // so tight that nothing is left
    auto excess = verification.Try(*found, attempt, verified);
    if (!excess.ok()) return excess.status();
    if (*excess <= 1) return verified;
    for (core::Limit& l : request.limits) {
      if (IsLatency(l)) l.value /= *excess;
    }
  }
  verified.within_budget = false;
  verified.note = "No network near the predicted optimum met the latency budget when it was measured.";
  return verified;
}

}  // namespace mathnas::job
