// Measures networks of a trained supernet, and remembers what it has measured in a file, so that a long series can be
// interrupted and go on.
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
#include "supernet/data/image_source.h"
#include "supernet/evaluation.h"
#include "supernet/recalibration.h"
#include "supernet/search_space.h"

namespace mathnas::profile {

using supernet::Choice;

// What was measured of one network with weights inherited from the supernet.
struct Measurement {
  std::optional<double> accuracy;  // in %, of the validation images
  std::optional<double> loss;
  std::vector<double> latency_ms;       // one per round
  std::optional<double> energy_mj;      // of one run
  std::optional<int64_t> memory_bytes;  // folded weights and arena
};

struct MeterProgress {
  std::string_view what;  // "accuracy", "latency", "energy"
  int64_t done = 0;       // networks, or rounds
  int64_t total = 0;      // at most, for rounds
  double seconds_left = 0;
};

struct MeterOptions {
  supernet::RecalibrationOptions recalibration;
  supernet::ReadingOptions reading = {};
  LatencyOptions latency;
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
  // `shared`, which must outlive the meter, are the supernet's weights, `training` the images that statistics are
  // recalibrated on, `validation` those that accuracy is measured on. InvalidArgument: a journal that is damaged or of
  // another identity.
  static absl::StatusOr<std::unique_ptr<Meter>> Create(std::shared_ptr<const supernet::SearchSpace> space,
                                                       std::shared_ptr<kernels::Device> device,
                                                       const kernels::TensorMap& shared,
                                                       supernet::ImageSourcePtr training,
                                                       supernet::ImageSourcePtr validation, MeterOptions options);

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

 private:
  struct Runnable;
  Meter() = default;
  // A network with inherited weights as it will be deployed, ready to run on noise.
  absl::StatusOr<std::unique_ptr<Runnable>> MakeRunnable(const Choice& choice);
  absl::Status MeasureOneAccuracy(const Choice& choice);
  absl::Status MeasureTogether(const std::vector<Choice>& choices, std::vector<std::unique_ptr<Runnable>> runnables);
  // Extracted and recalibrated weights of a network.
  absl::StatusOr<kernels::TensorMap> OwnWeights(const Choice& choice);
  absl::Status ReadJournal();
  absl::Status WriteJournal();
  absl::Status Cancelled() const;

  std::shared_ptr<const supernet::SearchSpace> space_;
  std::shared_ptr<kernels::Device> device_;
  std::shared_ptr<kernels::Device> latency_device_;
  const kernels::TensorMap* shared_ = nullptr;
  supernet::ImageSourcePtr training_, validation_;
  MeterOptions options_;
  std::map<Choice, Measurement> known_;
};

}  // namespace mathnas::profile

#endif  // MATHNAS_MATHNAS_PROFILE_METER_H_
