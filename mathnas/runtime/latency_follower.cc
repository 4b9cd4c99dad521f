#include "mathnas/runtime/latency_follower.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "mathnas/core/statistics.h"

namespace mathnas::runtime {

FollowOptions FollowOptions::ReferenceDemo(double limit, double latency_min) {
  return {.warmup = 10,
          .window = 20,
          .average = Average::kMean,
          .over = 0,
          .under = 1 - latency_min / limit,
          .margin = 0,
          .dwell = 0,
          .longest_patience = 0};
}

absl::Status Check(const FollowOptions& o) {
  const auto fail = [](std::string_view field, double value, std::string_view expected) {
    return absl::InvalidArgumentError(fmt::format("follow.{}: {}, expected {}", field, value, expected));
  };
  if (o.metric.empty()) return absl::InvalidArgumentError("follow.metric: empty, expected a metric of the table");
  if (o.warmup < 0) return fail("warmup", o.warmup, "0 or more runs");
  if (o.window < 1) return fail("window", o.window, "at least 1 run");
  if (!(o.over >= 0 && std::isfinite(o.over))) return fail("over", o.over, "0 or more");
  if (!(o.under > 0 && o.under <= 1)) return fail("under", o.under, "more than 0, at most 1");
  if (!(o.margin >= 0 && o.margin < o.under)) return fail("margin", o.margin, "0 or more, and less than under");
  if (!(o.dwell >= 0 && std::isfinite(o.dwell))) return fail("dwell", o.dwell, "0 or more seconds");
  if (!(o.longest_patience >= o.dwell && std::isfinite(o.longest_patience))) {
    return fail("longest_patience", o.longest_patience, "at least dwell");
  }
  return absl::OkStatus();
}

void LatencyFollower::SetLimit(std::optional<double> limit) {
  if (limit == limit_) return;
  limit_ = limit;
  patience_ = options_.dwell;
  on_trial_ = false;
}

void LatencyFollower::Switched(double predicted, Verdict reason, double now) {
  if (reason == Verdict::kTooSlow) {
    const bool mistaken = on_trial_ && (windows_ <= kFewWindows || now - switched_at_ < 2 * patience_);
    patience_ = mistaken ? std::min(2 * patience_, options_.longest_patience) : options_.dwell;
  }
  on_trial_ = reason == Verdict::kRoom;
  predicted_ = predicted;
  measured_ms_.reset();
  window_.clear();
  warmup_left_ = options_.warmup;
  windows_ = 0;
  switched_at_ = asked_at_ = now;
}

LatencyFollower::Verdict LatencyFollower::Measured(double ms, double now) {
  if (warmup_left_ > 0) {
    --warmup_left_;
    return Verdict::kStay;
  }
  window_.push_back(ms);
  if (std::ssize(window_) < options_.window) return Verdict::kStay;
  const double average = options_.average == Average::kMedian
                             ? *core::Median(window_)
                             : std::accumulate(window_.begin(), window_.end(), 0.0) / options_.window;
  window_.clear();
  ++windows_;
  measured_ms_ = average;
  if (predicted_ > 0 && average > 0) factor_ = average / predicted_;
  if (!limit_) return Verdict::kStay;
  const double since = now - asked_at_;
  if (average > *limit_ * (1 + options_.over)) return since >= options_.dwell ? Verdict::kTooSlow : Verdict::kStay;
  if (average < *limit_ * (1 - options_.under)) return since >= patience_ ? Verdict::kRoom : Verdict::kStay;
  return Verdict::kStay;
}

}  // namespace mathnas::runtime
