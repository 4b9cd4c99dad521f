// Walking through a box: sums so far on the nodes before a block, bounds over what lies below, blocks side by side.
#ifndef MATHNAS_CORE_INTERNAL_SWEEP_WALK_H_
#define MATHNAS_CORE_INTERNAL_SWEEP_WALK_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/internal/selection.h"
#include "mathnas/core/internal/sweep/boxes.h"
#include "mathnas/core/internal/vector/kernels.h"

namespace mathnas::core::internal {

// From `least` to `greatest`; empty if least > greatest.
struct Interval {
  double least = -std::numeric_limits<double>::infinity();
  double greatest = std::numeric_limits<double>::infinity();

  static Interval Empty() {
    return {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
  }
  bool Contains(const Interval& other) const { return least <= other.least && other.greatest <= greatest; }
  bool Meets(const Interval& other) const { return least <= other.greatest && other.least <= greatest; }
  void Include(const Interval& other) {
    if (other.least < least) least = other.least;
    if (other.greatest > greatest) greatest = other.greatest;
  }
  bool operator==(const Interval&) const = default;
};

// Used metrics by index; metric 0 is the objective.
struct Question {
  std::vector<std::string> metrics = {};
  std::vector<Interval> allowed = {};  // by metric: what all limits on it leave
  double sign = 1;                     // of the objective: sign * value is to be small
  int first_limited = -1;              // metric of the first limit, -1 without limits
  size_t top = 1;
  bool skip = true;
};

// The used metrics of one shared value.
class Forms {
 public:
  // Errors of Estimator::FormOf; InvalidArgument if sums can leave the range of doubles. `estimator` must outlive it.
  static absl::StatusOr<Forms> Create(const Estimator& estimator, const Question& question, int shared);

  size_t channels() const { return channels_.size(); }
  size_t denominator() const { return channels_.size() - 1; }  // its channel, if a metric is divided
  bool AnyDivided() const { return channels_.size() > metrics_.size(); }
  const LinearForm& channel(size_t c) const { return *channels_[c]; }
  const MetricForm& metric(size_t m) const { return *metrics_[m]; }
  const ValueForm& value_form(size_t m) const { return value_forms_[m]; }
  // What the limits leave: of sums for a metric that is not divided, of values for one that is.
  const Interval& allowed(size_t m) const { return allowed_[m]; }
  // The sums whose values lie in an interval, for a metric that is not divided.
  Interval SumsOf(size_t m, const Interval& values) const;
  std::vector<std::vector<bool>> Measured() const;  // by node and candidate

 private:
  std::vector<const MetricForm*> metrics_;
  std::vector<const LinearForm*> channels_;  // sums by metric, then the denominator of all that are divided
  std::vector<ValueForm> value_forms_;
  std::vector<Interval> allowed_;
};

// What threads share.
struct Shared {
  const std::atomic<bool>* cancel = nullptr;
  std::atomic<int64_t> done = 0;
  // Objective key that a network must not exceed to be among the best: the worst of `top` that a thread has found.
  std::atomic<double> threshold = std::numeric_limits<double>::infinity();
};

// The choices of the first `depth` contributing nodes of a box, as one number.
struct Stretch {
  const Forms* forms = nullptr;
  const Box* box = nullptr;
  int shared = 0;
  int depth = 0;
  int64_t number = 0;
};

struct Tally {
  int64_t networks = 0, undefined = 0, within = 0, computed = 0;
  std::vector<Interval> ranges;  // by metric
};

// How many of the contributing nodes come before the block.
size_t BlockBegin(const Box& box);

// One thread.
class Walk {
 public:
  Walk(const Question& question, const VectorKernels& kernels, Shared& shared);

  void Run(const Stretch& stretch);
  const Tally& tally() const { return tally_; }
  std::vector<Ranked> TakeBest() { return best_.Take(); }

 private:
  // A contributing node.
  struct Digit {
    int node;
    const std::vector<int>* candidates;
    std::vector<double> terms = {};     // channel c, candidate k: terms[c * candidates + k]
    std::vector<Interval> bounds = {};  // of terms, by channel
    int64_t count() const { return static_cast<int64_t>(candidates->size()); }
    const double* Terms(size_t channel) const { return terms.data() + channel * candidates->size(); }
  };

  // What is open about the networks below a point.
  struct Open {
    bool undefined = false;    // some may be
    bool none_within = false;  // of the limits
    bool rank = false;         // some may be among the best
    uint32_t limits = 0;       // bit m: some may break the limits of metric m
    uint32_t ranges = 0;       // bit m: some may widen its range
  };

  void Enter(const Stretch& stretch);
  void Descend(size_t level);
  bool Settle(size_t level);
  Interval BoundsOf(size_t metric) const;
  void Block();
  void Slice(int64_t last);
  void Offer(int64_t e, int64_t last);
  double Value(size_t metric, int64_t e, int64_t last) const;
  Interval RankInterval();
  bool Cancelled() const { return shared_.cancel != nullptr && shared_.cancel->load(std::memory_order_relaxed); }

  const Question& question_;
  const VectorKernels& kernels_;
  Shared& shared_;
  TopK best_;
  Tally tally_;

  // Of the current box.
  const Forms* forms_ = nullptr;
  const Box* box_ = nullptr;
  int shared_index_ = 0;
  std::vector<Digit> digits_;
  size_t block_ = 0;                       // digits from here on but the last make the block
  int64_t size_ = 1;                       // of the block
  std::vector<int64_t> below_;             // networks below a level
  std::vector<std::vector<double>> sums_;  // by level, then channel
  std::vector<int64_t> picks_;             // by level before the block
  std::vector<Interval> totals_;           // bounds by channel
  Open open_;
  std::vector<std::vector<double>> x_;       // sums of the block, by channel
  std::vector<std::vector<double>> values_;  // of divided metrics, one slice
  std::vector<double> spare_;
  std::vector<int64_t> mask_;
  Choice choice_;
};

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SWEEP_WALK_H_
