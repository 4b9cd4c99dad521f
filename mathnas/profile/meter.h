// Measures networks of a trained supernet on a workload, and remembers what it has measured in a file, so that a long
// series can be interrupted and go on.
#ifndef MATHNAS_MATHNAS_PROFILE_METER_H_
#define MATHNAS_MATHNAS_PROFILE_METER_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "mathnas/profile/latency.h"
#include "mathnas/profile/workload.h"

namespace mathnas::profile {

// What was measured of one network with weights inherited from the supernet.
struct Measurement {
  std::optional<double> accuracy;  // of the workload's unit, on what is held out
  std::optional<double> loss;
  std::vector<double> latency_ms;       // one per round
  std::optional<double> energy_mj;      // of one run
  std::optional<int64_t> memory_bytes;  // Runnable::memory_bytes
};

struct MeterProgress {
  std::string_view what;  // "accuracy", "latency", "energy"
  int64_t done = 0;       // networks, or rounds
  int64_t total = 0;      // at most, for rounds
  double seconds_left = 0;
};

struct MeterOptions {
  LatencyOptions latency;
  // What latency and energy are measured on; null or a CPU: the CPU with latency.threads threads, and its counters.
  std::shared_ptr<kernels::Device> device;
  // Networks that are timed in turn are in memory together, at most so many bytes of them, or one.
  int64_t latency_bytes = int64_t{4} << 30;
  // Where measurements are kept ("" = nowhere), and what they belong to: a file with another identity is not taken up.
  std::string journal_path;
  std::string identity;
  std::function<void(const MeterProgress&)> progress;
  const std::atomic<bool>* cancel = nullptr;
};

class Meter {
 public:
  // InvalidArgument: a journal that is damaged or of another identity.
  static absl::StatusOr<std::unique_ptr<Meter>> Create(std::unique_ptr<Workload> workload, MeterOptions options);

  // Each measures those of the networks that it does not know yet.
  absl::Status MeasureAccuracy(const std::vector<Choice>& choices);
  // Networks that are chosen as the accuracies before them become known: those that `next` gives until it gives none,
  // `total` at most (for the progress).
  absl::Status MeasureAccuracyInTurn(absl::FunctionRef<absl::StatusOr<std::optional<Choice>>()> next, int64_t total);
  // In the same rounds as many of them as latency_bytes allow, those with the same shared choice together: within it
  // tables compare, and a machine that changes its clock between two series would be taken for a difference. A network
  // that is named several times is timed as often in every round, at several places in memory.
  absl::Status MeasureLatency(const std::vector<Choice>& choices);
  absl::Status MeasureMemory(const std::vector<Choice>& choices);
  // Unavailable says why there is no energy to be had on this machine.
  absl::Status MeasureEnergy(const std::vector<Choice>& choices);

  const Measurement& of(const Choice& choice) { return known_[choice]; }
  const Workload& workload() const { return *workload_; }
  const kernels::Device& latency_device() const { return *latency_device_; }

 private:
  Meter() = default;
  absl::StatusOr<std::unique_ptr<Runnable>> MakeRunnable(const Choice& choice);
  absl::Status MeasureOneAccuracy(const Choice& choice);
  absl::Status MeasureTogether(const std::vector<Choice>& choices, std::vector<std::unique_ptr<Runnable>> runnables);
  absl::Status ReadJournal();
  absl::Status WriteJournal();
  absl::Status Cancelled() const;

  std::unique_ptr<Workload> workload_;
  std::shared_ptr<kernels::Device> latency_device_;
  MeterOptions options_;
  std::map<Choice, Measurement> known_;
};

}  // namespace mathnas::profile

#endif  // MATHNAS_MATHNAS_PROFILE_METER_H_
