// When the latency that is measured calls for another network, and what the table's latencies have to be multiplied
// with: the recalibration of spec/mathnas.md 3.7, with a hysteresis so that networks do not take turns.
//
// Of the runs of a network the first `warmup` are not looked at; every `window` after them are averaged. The average
// over what the table says of that network is the factor of the whole metric, as in the reference. With limit L:
//
//   slower than L (1 + over)    too slow: another network, at the earliest `dwell` after the last switch
//   faster than L (1 - under)   room for a better one, `patience` after it; patience begins at `dwell`
//   between                     stays
//
// New networks are looked for below L (1 - margin), so that one that is as fast as predicted lies between. One that was
// taken because there was room, and is too slow within its first few windows or within twice the patience, was a
// mistake of the table that the same factor would repeat: patience is doubled then, up to `longest_patience`. A network
// that proves good for longer, or a new limit, sets it back. So with latencies that do not change, there are at most
// 2 log2(longest_patience / dwell) + 2 switches in the first 2 longest_patience, then two per longest_patience.
#ifndef MATHNAS_MATHNAS_RUNTIME_LATENCY_FOLLOWER_H_
#define MATHNAS_MATHNAS_RUNTIME_LATENCY_FOLLOWER_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace mathnas::runtime {

enum class Average { kMedian, kMean };

struct FollowOptions {
  std::string metric = "latency";  // whose limit "<=" is followed; its unit is ms
  int warmup = 5;                  // runs
  int window = 20;                 // runs
  Average average = Average::kMedian;
  double over = 0.05, under = 0.15, margin = 0.02;  // of the limit
  double dwell = 1, longest_patience = 64;          // seconds

  // The demo of the reference: the mean of 20 runs after 10, another network as soon as it is outside of
  // [latency_min, limit].
  static FollowOptions ReferenceDemo(double limit, double latency_min);
};
// InvalidArgument names the field.
absl::Status Check(const FollowOptions& options);

// Not thread-safe; time is what the caller says, in seconds.
class LatencyFollower {
 public:
  explicit LatencyFollower(FollowOptions options)
      : options_(std::move(options)), warmup_left_(options_.warmup), patience_(options_.dwell) {}

  enum class Verdict { kStay, kTooSlow, kRoom };

  // Of the metric, in ms; none: the factor is followed, and nothing is ever too slow.
  void SetLimit(std::optional<double> limit);
  // Another network runs: `predicted` ms by the table as it was loaded. `reason` is the verdict that led to it, kStay
  // for anything else.
  void Switched(double predicted, Verdict reason, double now);
  // A run of the present network. Whether something is to be done, after a window.
  Verdict Measured(double ms, double now);
  // Something was done about a verdict that did not lead to another network: asks no earlier than after another dwell,
  // or patience.
  void Stayed(double now) { asked_at_ = now; }

  const FollowOptions& options() const { return options_; }
  double factor() const { return factor_; }                           // 1 before the first window
  std::optional<double> measured_ms() const { return measured_ms_; }  // of the last window of this network
  double patience() const { return patience_; }                       // seconds

 private:
  static constexpr int kFewWindows = 3;

  FollowOptions options_;
  std::optional<double> limit_, measured_ms_;
  double predicted_ = 0, factor_ = 1;
  std::vector<double> window_;
  int warmup_left_ = 0, windows_ = 0;  // windows_: since the last switch
  double patience_ = 0;
  double switched_at_ = 0, asked_at_ = 0;
  bool on_trial_ = false;  // taken because there was room
};

}  // namespace mathnas::runtime

#endif  // MATHNAS_MATHNAS_RUNTIME_LATENCY_FOLLOWER_H_
