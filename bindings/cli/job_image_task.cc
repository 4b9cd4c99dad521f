// The task of search-network in spaces of images.
#include <algorithm>
#include <utility>

#include "bindings/cli/job_tasks.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "mathnas/job/image_task.h"
#include "supernet/training/checkpoint.h"
#include "supernet/training/stages.h"

namespace mathnas::cli {
namespace {

// The recipes of --stages.
absl::StatusOr<std::vector<supernet::TrainingRecipe>> StageRecipes(const JobOptions& o,
                                                                   const supernet::SearchSpace& space) {
  std::vector<supernet::TrainingRecipe> recipes;
  if (o.stages.empty()) return recipes;
  if (space.name() != "mobilenetv3") {
    return absl::InvalidArgumentError(fmt::format("--stages: {} has no such parameter", space.name()));
  }
  auto stages = supernet::ParseStages(o.stages);
  if (!stages.ok()) return stages.status();
  auto rule = supernet::ParseSubnetRule(o.rule);
  if (!rule.ok()) return rule.status();
  for (supernet::RequestedStage& requested : *stages) {
    auto recipe = o.recipe.Make(o.common.seed, {space.name()}, supernet::ShrinkingOf(space, requested.stage, *rule),
                                requested.epochs);
    if (!recipe.ok()) return kernels::Annotate(recipe.status(), requested.stage.name);
    recipes.push_back(*std::move(recipe));
  }
  return recipes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<job::Task>> MakeImageTask(JobOptions& o) {
  auto refused = RefuseGiven(
      *o.command, o.space.name + " reads images, not sentences",
      {"--updates", "--tokens", "--accumulate", "--warmup-updates", "--dropout", "--attention-dropout",
       "--source-vocabulary-file", "--target-vocabulary-file", "--sentences", "--quality", "--beam", "--length-penalty",
       "--source-language", "--target-language", "--min-words", "--fine-tune-updates", "--test-sentences"});
  if (!refused.ok()) return refused;
  auto data = o.data.Load();
  if (!data.ok()) return data.status();
  SpaceFit fit = SpaceFit::Of(*data->train, o.space.takes_any_size());
  if (!o.checkpoint.empty()) {
    auto checkpoint = supernet::LoadCheckpoint(o.checkpoint);
    if (!checkpoint.ok()) return checkpoint.status();
    fit.macro = checkpoint->macro;
  }
  job::ImageTaskOptions options;
  auto space = o.space.Make(fit);
  if (!space.ok()) return space.status();
  options.space = *space;
  auto recipe = o.recipe.Make(o.common.seed, {(*space)->name(), !data->train->one_size(), o.space.small_images()});
  if (!recipe.ok()) return recipe.status();
  options.supernet = options.fine_tuning = *recipe;
  auto stages = StageRecipes(o, **space);
  if (!stages.ok()) return stages.status();
  options.stages = *std::move(stages);
  options.fine_tuning.epochs = o.fine_tune_epochs;
  options.fine_tuning.learning_rate = o.fine_tune_rate.value_or(recipe->learning_rate / 2);
  options.fine_tuning.warmup_epochs = std::min(options.fine_tuning.warmup_epochs, o.fine_tune_epochs - 1);
  if (auto s = supernet::Check(options.fine_tuning); !s.ok()) return s;
  options.reading = o.data.Reading(o.common);
  options.validation_images = o.measuring.validation;
  options.recalibration = o.measuring.recalibration;
  return std::make_unique<job::ImageTask>(*std::move(data), std::move(options));
}

}  // namespace mathnas::cli
