// The main job: from images to a network that is trained, measured, chosen with proof, and ready to run.
#ifndef MATHNAS_MATHNAS_JOB_SEARCH_NETWORK_H_
#define MATHNAS_MATHNAS_JOB_SEARCH_NETWORK_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "mathnas/core/limit.h"
#include "mathnas/core/search.h"
#include "mathnas/profile/meter.h"
#include "mathnas/report/report.h"
#include "supernet/data/image_source.h"
#include "supernet/data/loader.h"
#include "supernet/recalibration.h"
#include "supernet/search_space.h"
#include "supernet/training/trainer.h"

namespace mathnas::job {

struct SearchNetworkOptions {
  std::shared_ptr<const supernet::SearchSpace> space;
  std::shared_ptr<kernels::Device> device;
  std::string data_name;             // as given to --data
  int64_t validation_images = 5000;  // HoldOut: blocks are scored on them
  supernet::ReadingOptions reading = {};

  // Everything is written into this folder: supernet.safetensors, measurements.json, table.json, finetuned.safetensors,
  // network.mathnas, report.html, result.json.
  std::string out;
  bool resume = false;                    // go on with what lies in `out`
  std::optional<std::string> checkpoint;  // a trained supernet to use instead; its tensors must be the space's
  supernet::TrainingRecipe supernet;
  // In its place, stages of progressive shrinking in their order (stages.h), for mobilenetv3: each with `shrinking`.
  // Each stage but the last leaves stage-NAME.safetensors in `out`.
  std::vector<supernet::TrainingRecipe> stages = {};
  // Of the chosen network, on all of the training part, what was held out of it included.
  supernet::TrainingRecipe fine_tuning;
  double checkpoint_seconds = 60;

  std::set<std::string, std::less<>> metrics = {"accuracy", "latency", "energy", "flops", "parameters", "memory"};
  supernet::RecalibrationOptions recalibration;
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
};

// One stage of progressive shrinking, finished.
struct TrainedStage {
  std::string name, checkpoint;
  std::vector<supernet::EpochRecord> epochs;
};

struct SearchNetworkResult {
  std::vector<TrainedStage> stages;
  core::SearchResult search;  // of the limits as requested
  bool infeasible = false;    // no network meets them; nothing else below is set then
  supernet::Choice choice;    // of the space
  std::string subnet;         // JSON
  double test_accuracy = 0;   // in %, after fine-tuning
  profile::LatencyStats latency;
  bool within_budget = true;  // in measurement, where latency is limited
  std::string network_path, table_path, report_path;
  report::Report report;
};

// Runs all stages. Files are decoded as their batches come up. Errors: of the stages; Cancelled when interrupted, and
// then --resume goes on.
absl::StatusOr<SearchNetworkResult> SearchNetwork(supernet::ImageSources data, const SearchNetworkOptions& options);

}  // namespace mathnas::job

#endif  // MATHNAS_MATHNAS_JOB_SEARCH_NETWORK_H_
