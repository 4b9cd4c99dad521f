#include "mathnas/job/image_task.h"

#include <chrono>
#include <utility>

#include "fmt/format.h"
#include "kernels/internal/json_text.h"
#include "kernels/status.h"
#include "mathnas/deploy/image_network.h"
#include "mathnas/profile/image_workload.h"
#include "nlohmann/json.hpp"
#include "supernet/evaluation.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/network_input.h"
#include "supernet/training/stages.h"
#include "supernet/weights.h"

namespace mathnas::job {
namespace {

using kernels::TensorMap;
using supernet::Choice;
using supernet::ImageSourcePtr;
using Clock = std::chrono::steady_clock;

std::string StageFile(std::string_view stage) { return fmt::format("stage-{}.safetensors", stage); }

}  // namespace

absl::Status ImageTask::Begin(const SearchNetworkOptions& options) {
  options_ = &options;
  if (!own_.stages.empty() && options.checkpoint) {
    return absl::InvalidArgumentError("stages: expected none where a checkpoint is given instead of training");
  }
  if (!own_.stages.empty()) {
    if (const auto layers = supernet::LayersOf(own_.space); !layers.ok()) {
      return kernels::Annotate(layers.status(), "stages");
    }
  }
  auto split = supernet::HoldOut(data_, own_.validation_images, /*seed=*/0);
  if (!split.ok()) return split.status();
  training_ = std::move(split->train);
  validation_ = std::move(split->validation);
  for (const ImageSourcePtr& part : {data_.train, validation_, data_.test}) {
    if (auto s = supernet::CheckImages(*own_.space, *part); !s.ok()) return s;
  }
  return absl::OkStatus();
}

Wording ImageTask::wording() const {
  return {.dataset = fmt::format("{}: {} training, {} validation, {} test images", options_->data_name,
                                 training_->count(), validation_->count(), data_.test->count()),
          .quality = "accuracy",
          .unit = "%",
          .training = "accuracy",
          .audit = "inherited weights, recalibrated, validation images",
          .compared = "predicted: inherited weights, validation; measured: fine-tuned, test"};
}

supernet::TrainingRun ImageTask::Run(std::string_view file) const {
  supernet::TrainingRun run = RunOf(*options_, file);
  run.reading = own_.reading;
  return run;
}

absl::StatusOr<TrainedSupernet> ImageTask::TrainSupernet() {
  TensorMap weights = supernet::AllocateWeights(own_.space->Supernet({.mode = supernet::Mode::kTraining}).graph);
  supernet::InitializeWeights(weights, own_.supernet.seed, own_.space->initialization());
  if (!own_.stages.empty()) return TrainStages(std::move(weights));
  auto trained = supernet::Train(own_.space, options_->device, training_, std::nullopt, std::move(weights),
                                 own_.supernet, Run(kSupernetFile));
  if (!trained.ok()) return trained.status();
  return TrainedSupernet{*std::move(trained), {}};
}

absl::StatusOr<TrainedSupernet> ImageTask::TrainStages(TensorMap weights) {
  auto layers = supernet::LayersOf(own_.space);
  if (!layers.ok()) return layers.status();
  supernet::StagesRun stages = {.recipes = own_.stages, .paths = {}, .on_stage = {}};
  for (const supernet::TrainingRecipe& recipe : stages.recipes) {
    const bool last = &recipe == &stages.recipes.back();
    stages.paths.push_back(options_->Path(last ? std::string(kSupernetFile) : StageFile(recipe.shrinking->stage.name)));
  }
  std::vector<Clock::time_point> begins;
  stages.on_stage = [&](const supernet::ShrinkingStage& stage) {
    begins.push_back(Clock::now());
    if (options_->on_stage) options_->on_stage(fmt::format("train supernet: {}", stage.name));
  };
  auto trained = supernet::TrainStages(*layers, options_->device, training_, std::move(weights), stages, Run(""));
  if (!trained.ok()) return trained.status();
  begins.push_back(Clock::now());
  TrainedSupernet whole;
  std::vector<supernet::EpochRecord> epochs;
  for (size_t i = 0; i < trained->size(); ++i) {
    const std::vector<supernet::EpochRecord>& own = (*trained)[i].epochs;
    const double seconds = i + 1 < begins.size() ? std::chrono::duration<double>(begins[i + 1] - begins[i]).count() : 0;
    whole.stages.push_back({stages.recipes[i].shrinking->stage.name, stages.paths[i], own, seconds});
    epochs.insert(epochs.end(), own.begin(), own.end());
  }
  whole.checkpoint = std::move(trained->back());
  whole.checkpoint.epochs = std::move(epochs);
  return whole;
}

absl::StatusOr<std::unique_ptr<profile::Workload>> ImageTask::MakeWorkload(const TensorMap& shared) {
  return std::make_unique<profile::ImageWorkload>(
      own_.space, options_->device, shared, training_, validation_,
      profile::ImageWorkloadOptions{.recalibration = own_.recalibration, .reading = own_.reading});
}

absl::StatusOr<FineTuned> ImageTask::FineTune(const Choice& choice, const TensorMap& shared) {
  const supernet::SearchSpace& space = *own_.space;
  auto weights = supernet::ExtractWeights(space, choice, shared);
  if (!weights.ok()) return weights.status();
  auto s =
      supernet::Recalibrate(space, choice, *weights, options_->device, training_, own_.recalibration, own_.reading);
  if (!s.ok()) return s;
  const supernet::EvaluationOptions evaluation = {.reading = own_.reading, .cancel = options_->cancel};
  auto inherited = supernet::Evaluate(space, choice, *weights, options_->device, data_.test, evaluation);
  if (!inherited.ok()) return inherited.status();

  auto tuned = supernet::Train(own_.space, options_->device, data_.train, choice, *std::move(weights), own_.fine_tuning,
                               Run(kFineTunedFile));
  if (!tuned.ok()) return tuned.status();
  FineTuned result;
  result.checkpoint = *std::move(tuned);
  supernet::TakeTrained(result.checkpoint);
  auto evaluated =
      supernet::Evaluate(space, choice, result.checkpoint.weights, options_->device, data_.test, evaluation);
  if (!evaluated.ok()) return evaluated.status();
  result.quality = evaluated->accuracy;
  result.scores = {{{inherited->accuracy}, {evaluated->accuracy}, evaluated->images}};
  result.values = {{"test_accuracy", evaluated->accuracy}};
  return result;
}

absl::Status ImageTask::Deploy(const std::string& path, const Choice& choice, const TensorMap& own_weights,
                               const std::string& information) {
  auto network = deploy::MakeImageNetwork(*own_.space, choice, own_weights,
                                          deploy::InputOf(*own_.space, choice, *data_.train), information);
  if (!network.ok()) return network.status();
  return deploy::Save(path, *network);
}

void ImageTask::Describe(const Choice& choice, report::ChosenNetwork& chosen) const {
  const std::string text = own_.space->SubnetJson(choice);
  const nlohmann::json subnet = kernels::internal::ParseJson(text);
  chosen.architecture = subnet.contains("arch") ? subnet["arch"].get<std::string>() : text;
  chosen.cell = report::CellFromArchitecture(chosen.architecture);
}

}  // namespace mathnas::job
