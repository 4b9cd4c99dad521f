// Where the time of a plan goes, step by step. Contexts that are run without it time nothing.
#ifndef MATHNAS_KERNELS_STEP_TIMES_H_
#define MATHNAS_KERNELS_STEP_TIMES_H_

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "kernels/plan.h"

namespace mathnas::kernels {

// The times of the runs of one plan, the first that comes. Not thread-safe.
class StepTimes {
 public:
  struct Line {
    std::string block;
    std::string_view op;         // NameOf the operator
    std::string shapes;          // "1x48x48x24 24x1x3x3 -> 1x48x48x24"
    std::string implementation;  // of the kernel
    double seconds = 0;          // lower quartile over the runs, which are disturbed upwards only
  };

  // kRuns: of runs alone, as they are when nobody times steps; these have no times then.
  enum class Of : uint8_t { kSteps, kRuns };

  explicit StepTimes(Of what = Of::kSteps) : what_(what) {}
  // Of runs alone, by the records of the device (Device::Observe), which has every context run twice and outlives this.
  explicit StepTimes(Device& recorder) : what_(Of::kRuns), recorder_(&recorder) {}

  // Runs the context and keeps the times of the run and of each step, unless its plan is another one. Errors: those of
  // the run, and of the recorder; Unavailable too where it has less records than the plan has steps.
  absl::Status Run(Context& context);

  int64_t runs() const { return runs_; }
  // When a run began, in seconds since the first one did; how long the host waited for it; and the time of a step in
  // it. By the records of a device: from its first to its last work, and in how much of this it was at work.
  double StartOf(int64_t run) const { return starts_[static_cast<size_t>(run)]; }
  double SecondsOf(int64_t run) const { return wholes_[static_cast<size_t>(run)]; }
  double BusyOf(int64_t run) const { return busy_[static_cast<size_t>(run)]; }
  double SecondsOf(size_t step, int64_t run) const { return seconds_[step][static_cast<size_t>(run)]; }
  // In the order in which the steps run; empty before the first run.
  std::vector<Line> Lines() const;
  // The lines of each operator together, the longest first; block, shapes and implementation are empty.
  std::vector<Line> ByOperator() const;

 private:
  Of what_;
  Device* recorder_ = nullptr;
  std::shared_ptr<const Plan> plan_;
  std::vector<Line> steps_;
  std::vector<std::vector<double>> seconds_;  // by step and run
  std::vector<double> now_;
  std::vector<double> starts_, wholes_, busy_;  // by run
  std::chrono::steady_clock::time_point first_;
  int64_t runs_ = 0;
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_STEP_TIMES_H_
