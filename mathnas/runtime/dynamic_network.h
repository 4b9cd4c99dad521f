// The dynamic network of the paper (3.4; spec/mathnas.md 3.7): a supernet that serves requests by the subnet that is
// best within the limits of the moment. Limits are changed from outside, or the latency that is measured calls for
// another subnet; what comes next is solved for and prepared while the present one serves, and takes over between two
// requests.
#ifndef MATHNAS_MATHNAS_RUNTIME_DYNAMIC_NETWORK_H_
#define MATHNAS_MATHNAS_RUNTIME_DYNAMIC_NETWORK_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/tasks.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/limit.h"
#include "mathnas/runtime/choosing.h"
#include "mathnas/runtime/latency_follower.h"
#include "mathnas/runtime/prepared_subnet.h"
#include "mathnas/runtime/statistics.h"

namespace mathnas::runtime {

struct DynamicOptions {
  // How a network is chosen. `choosing.request.limits` are the first limits. `choosing.nearest` counts for what is
  // decided after a measured latency alone: limits that cannot be met are refused by SetLimits.
  ChoosingOptions choosing = {};
  std::optional<FollowOptions> follow = {};  // none: latencies are counted, and change nothing
  CalibrationData calibration = {};
  std::string statistics_file = {};  // of SaveStatistics; empty: none
  int64_t batch = 1;                 // images of a run, 1 to 65536
  // Side of the images that requests bring, where subnets differ in theirs; 0: that of the space, which must be one.
  int64_t image_side = 0;
  // Of a run, for threads of the caller: `device` has one then. Recalibration is not divided.
  kernels::Division division = {};
  int lanes = 1;              // requests that run at the same time, 1 to 1024; others wait
  int prepared = 8;           // subnets that are kept ready, the present one included; at least 2
  int64_t statistics = 1024;  // subnets whose statistics are kept; at least 1
  // Whether a thread of this object prepares. Without, DynamicNetwork::Work does it on the thread that calls it.
  bool background = true;
  std::shared_ptr<kernels::Device> calibrating = nullptr;  // for recalibration; null: the one that serves
  std::function<double()> clock = {};                      // seconds, never backwards; empty: the system's steady one
};

// What became of a request for another subnet.
enum class Switching {
  kPresent,   // it serves already
  kSwitched,  // it was prepared before: the next request is its
  kPlanned,   // it is prepared first; until then the present one serves
};

struct Decision {
  supernet::Choice choice;
  Switching switching = Switching::kPresent;
  double objective = 0;
  std::map<std::string, double> predicted = {};  // by the table, recalibrated; empty where no table was asked
};

struct Served {
  supernet::Choice choice;  // whose answer it is
  double milliseconds = 0;  // of the runs, without the time in which all lanes were taken
};

struct SubnetCount {
  int64_t requests = 0, runs = 0;
  double milliseconds = 0;  // of all runs
};

struct DynamicStatistics {
  int64_t requests = 0, failed_requests = 0;
  int64_t switches = 0;               // present subnets that were replaced
  int64_t followed = 0;               // of these, after a measured latency
  int64_t light = 0;                  // decisions by the light search
  int64_t hits = 0, misses = 0;       // decisions for another subnet that was prepared, that was not
  int64_t prepared = 0;               // subnets made ready so far
  int64_t evicted = 0;                // of these, given up for others
  int64_t failures = 0;               // preparations that failed
  int64_t infeasible = 0;             // limits, at the recalibrated latency too, that no network holds
  size_t ready = 0;                   // subnets that are ready now
  size_t weight_bytes = 0;            // of these
  size_t packed_bytes = 0;            // of these, packed for kernels (everything that the device serves)
  size_t arena_bytes = 0;             // of all lanes
  size_t subnet_statistics = 0;       // subnets whose statistics are kept
  double latency_factor = 1;          // measured over predicted
  std::optional<double> measured_ms;  // of the last window of the present subnet
  absl::Status last_problem;  // of the last preparation or followed decision that failed; OK again after a success
  std::map<supernet::Choice, SubnetCount> by_subnet;
};

// Thread-safe.
class DynamicNetwork {
 public:
  // Chooses the first subnet and prepares it: it can serve afterwards. `table` is one of the space (names of nodes and
  // candidates agree), its latencies of this device; `device` computes in float32.
  // InvalidArgument names the option, or how table and space differ; FailedPrecondition: no network holds the limits,
  // or no statistics for the one that is best; Unimplemented: a space that translates.
  static absl::StatusOr<std::unique_ptr<DynamicNetwork>> Create(Supernet supernet, core::BlockTable table,
                                                                std::shared_ptr<kernels::Device> device,
                                                                DynamicOptions options);
  // Ends a preparation that is under way after its present batch. No request may be running.
  ~DynamicNetwork();
  DynamicNetwork(const DynamicNetwork&) = delete;
  DynamicNetwork& operator=(const DynamicNetwork&) = delete;

  // Answers one request: {n, side, side, channels} in, {n, classes} out, row-major, n at least 1, `batch` at a time,
  // all by one subnet. Waits while all lanes are taken. InvalidArgument: sizes that do not fit.
  absl::StatusOr<Served> Run(std::span<const float> images, std::span<float> logits);

  // New limits, in place of all before. FailedPrecondition: no network holds them; it says which clash and what could
  // be held, and limits and subnet stay as they are. InvalidArgument: unknown metric, wrong unit. Solves on the thread
  // that calls.
  absl::StatusOr<Decision> SetLimits(std::vector<core::Limit> limits);
  // The same in place of the limits of one metric alone: at most `limit`, at least where more is better, none where it
  // is infinite. InvalidArgument: no metric of the table, or no number.
  absl::StatusOr<Decision> SetBudget(const std::string& metric, double limit);
  // A subnet by its choice of the space, whatever the limits; they count again from the next SetLimits or followed
  // latency on.
  absl::StatusOr<Decision> SetChoice(const supernet::Choice& choice);
  // Makes a subnet ready on the thread that calls, without serving it. It may be given up for others before it is used.
  absl::Status PrepareAhead(const supernet::Choice& choice);

  // Without a thread: does what is to be done, a decision after a measured latency or a preparation, and returns
  // whether there was something. What failed is in statistics().
  bool Work();
  // Until nothing is to be done (and, without a thread, does it). The error of the subnet that was asked for last, if
  // preparing it failed.
  absl::Status Wait();

  supernet::Choice present() const;
  std::vector<core::Limit> limits() const;
  DynamicStatistics statistics() const;
  // What a subnet has answered so far. Waits for no decision or preparation, as statistics() does.
  SubnetCount count(const supernet::Choice& choice) const;
  int64_t image_elements() const { return image_elements_; }
  int64_t classes() const { return supernet_.space->classes(); }
  // What is known of the statistics of subnets, for DynamicOptions::statistics_file.
  absl::Status SaveStatistics(const std::string& path) const;

 private:
  using SubnetPtr = std::shared_ptr<PreparedSubnet>;
  using Verdict = LatencyFollower::Verdict;
  struct Wanted {
    supernet::Choice choice;
    Verdict reason = Verdict::kStay;
  };

  DynamicNetwork(Supernet supernet, core::BlockTable table, std::shared_ptr<kernels::Device> device,
                 DynamicOptions options);
  absl::Status CheckOptions() const;
  absl::Status Start();

  // What follows needs control_.
  absl::StatusOr<Decision> Keeping(std::vector<core::Limit> limits);
  absl::StatusOr<ChosenNetwork> Solve(const std::vector<core::Limit>& limits, bool nearest, double margin);
  Decision GoTo(const supernet::Choice& choice, Verdict reason);
  void SwitchTo(SubnetPtr subnet, Verdict reason);
  void Follow(Verdict verdict);
  SubnetPtr Ready(const supernet::Choice& choice);
  // Returns what has to go for it, to be let go of without the lock: freeing its memory takes a millisecond or more.
  std::list<SubnetPtr> Keep(SubnetPtr subnet);
  double Predicted(const supernet::Choice& choice) const;
  std::optional<double> FollowedLimit(const std::vector<core::Limit>& limits) const;

  absl::StatusOr<SubnetPtr> PrepareOne(const supernet::Choice& choice);
  void Planner();
  void Wake();
  double Now() const { return options_.clock(); }

  const Supernet supernet_;
  const core::BlockTable table_;
  const std::shared_ptr<kernels::Device> device_;
  DynamicOptions options_;
  int64_t image_elements_ = 0;
  mutable StatisticsStore store_;

  // One preparation at a time. Before control_ where both are taken, control_ before serving_.
  std::mutex preparing_;
  Lanes memory_;

  // What is decided: the limits, what is ready, what comes next.
  mutable std::mutex control_;
  std::condition_variable changed_;
  std::vector<core::Limit> limits_;
  std::list<SubnetPtr> ready_;  // last used first
  std::optional<Wanted> wanted_;
  bool working_ = false;
  absl::Status wanted_status_;  // of the subnet that was asked for last
  DynamicStatistics counts_;    // but for what requests count
  std::atomic<bool> stop_{false};

  // What requests look at, held for moments only.
  mutable std::mutex serving_;
  std::condition_variable lane_free_;
  std::vector<size_t> free_lanes_;
  SubnetPtr present_;
  LatencyFollower follower_;
  std::map<supernet::Choice, SubnetCount> by_subnet_;
  int64_t requests_ = 0, failed_requests_ = 0;

  // A verdict that waits for the planner, and its bell.
  std::mutex bell_;
  std::condition_variable rung_;
  bool work_ = false;
  std::atomic<Verdict> due_{Verdict::kStay};

  std::thread planner_;
};

}  // namespace mathnas::runtime

#endif  // MATHNAS_MATHNAS_RUNTIME_DYNAMIC_NETWORK_H_
