// What the main job is asked for, whatever its networks do.
#ifndef MATHNAS_MATHNAS_JOB_OPTIONS_H_
#define MATHNAS_MATHNAS_JOB_OPTIONS_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/device.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/limit.h"
#include "mathnas/profile/meter.h"
#include "mathnas/report/report.h"
#include "supernet/training/trainer.h"

namespace mathnas::job {

struct SearchNetworkOptions {
  std::shared_ptr<kernels::Device> device;
  std::string data_name;  // as given to --data

  // Everything is written into this folder: supernet.safetensors, measurements.json, table.json, finetuned.safetensors,
  // network.mathnas, report.html, result.json, and vocabularies where there are any.
  std::string out;
  bool resume = false;                    // go on with what lies in `out`
  std::optional<std::string> checkpoint;  // a trained supernet to use instead; its tensors must be the space's
  double checkpoint_seconds = 60;

  // Accuracy and latency are what is searched by; they must be among them.
  std::set<std::string, std::less<>> metrics = {"accuracy", "latency", "energy", "flops", "parameters", "memory"};
  profile::LatencyOptions latency;
  std::vector<core::Limit> limits;  // none: latency at most the median of the space
  core::EstimatorOptions estimator = {core::EstimatorKind::kEq6, core::FlopsFixed::kInclude};
  // Above 0: accuracy is predicted by the estimator `interaction` (interaction.h) from this many networks measured
  // whole, chosen within the limits once the space is covered; `estimator` is for the rest.
  int evaluations = 0;
  int audited = 40;   // random networks to be predicted and measured
  int verified = 12;  // best networks whose latency is measured before one is taken

  std::string command;  // for the report
  std::string created_at;
  report::Environment environment;

  std::function<void(std::string_view stage)> on_stage;
  std::function<void(const supernet::TrainingProgress&)> on_training;
  std::function<void(const profile::MeterProgress&)> on_measuring;
  const std::atomic<bool>* cancel = nullptr;

  // A file in `out`.
  std::string Path(std::string_view name) const { return out + "/" + std::string(name); }
};

// Training that leaves its checkpoint in a file of `out`.
inline supernet::TrainingRun RunOf(const SearchNetworkOptions& options, std::string_view file) {
  return {.checkpoint_path = options.Path(file),
          .checkpoint_seconds = options.checkpoint_seconds,
          .resume = options.resume,
          .progress = options.on_training,
          .cancel = options.cancel};
}

// Checkpoints in `out` that a job goes on with.
inline constexpr std::string_view kSupernetFile = "supernet.safetensors", kFineTunedFile = "finetuned.safetensors";

}  // namespace mathnas::job

#endif  // MATHNAS_MATHNAS_JOB_OPTIONS_H_
