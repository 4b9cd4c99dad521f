// What networks are measured on: images, or sentences.
#ifndef MATHNAS_MATHNAS_PROFILE_WORKLOAD_H_
#define MATHNAS_MATHNAS_PROFILE_WORKLOAD_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "supernet/search_space.h"

namespace mathnas::profile {

using supernet::Choice;

// A network with weights inherited from the supernet, as it will be deployed, and input for it. Not thread-safe.
class Runnable {
 public:
  virtual ~Runnable() = default;
  // The same work every time.
  virtual absl::Status Run() = 0;
  // Seconds of the last run by the clock of its device, where that has one (Context::last_seconds).
  virtual std::optional<double> last_seconds() const { return std::nullopt; }
  // Weights, activations and scratch memory; what kernels pack of the weights is not counted.
  virtual int64_t memory_bytes() const = 0;
};

// How good a network is.
struct Score {
  double accuracy = 0;  // in the unit of the workload, more is better
  double loss = 0;
};

// What the metrics of a table are, in words: Metric::convention.
struct Conventions {
  std::string accuracy_unit;
  std::string accuracy, latency, memory, energy;
};

class Workload {
 public:
  virtual ~Workload() = default;
  virtual const supernet::SearchSpace& space() const = 0;
  virtual Conventions conventions() const = 0;
  // What networks are scored on, in words ("5000 validation images"): scores on other data are not compared with these.
  virtual std::string held_out() const = 0;
  // Of a valid choice, with weights inherited from the supernet. Cancelled when the flag is set.
  virtual absl::StatusOr<Score> ScoreOf(const Choice& choice, const std::atomic<bool>* cancel) = 0;
  // Of a valid choice, for so many images or sentences at once.
  virtual absl::StatusOr<std::unique_ptr<Runnable>> MakeRunnable(const Choice& choice, int64_t batch,
                                                                 const std::shared_ptr<kernels::Device>& device) = 0;
};

}  // namespace mathnas::profile

#endif  // MATHNAS_MATHNAS_PROFILE_WORKLOAD_H_
