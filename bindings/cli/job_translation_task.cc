// The task of search-network in spaces that translate.
#include <algorithm>
#include <utility>

#include "bindings/cli/job_tasks.h"
#include "fmt/format.h"
#include "mathnas/job/translation_task.h"
#include "supernet/training/checkpoint.h"

namespace mathnas::cli {
namespace {

// The chosen network goes on from what it inherits: shorter, gentler and with less of a warm-up.
supernet::TranslationRecipe FineTuning(const JobOptions& o, supernet::TranslationRecipe recipe) {
  recipe.updates = o.fine_tune_updates > 0 ? o.fine_tune_updates : std::max<int64_t>(1, recipe.updates / 3);
  recipe.schedule.rate = o.fine_tune_rate.value_or(recipe.schedule.rate / 2);
  recipe.schedule.warmup_updates = std::min(recipe.schedule.warmup_updates, recipe.updates / 10);
  return recipe;
}

}  // namespace

absl::StatusOr<std::unique_ptr<job::Task>> MakeTranslationTask(JobOptions& o) {
  auto refused = RefuseGiven(*o.command, o.space.name + " reads sentences, not images",
                             {"--validation", "--recalibration-batches", "--recalibration-batch"});
  if (!refused.ok()) return refused;
  refused = RefuseGiven(*o.command, o.space.name + " is trained by --updates, --tokens and --accumulate",
                        {"--epochs",      "--batch",      "--fine-tune-epochs", "--warmup-epochs", "--lr-update",
                         "--sampling",    "--stages",     "--subnet-rule",      "--average",       "--image-size",
                         "--drop-path",   "--no-augment", "--rand-augment",     "--erasing",       "--mixup",
                         "--cutmix",      "--mix-switch", "--crop-padding",     "--optimizer",     "--momentum",
                         "--no-nesterov", "--final-lr",   "--warmup-lr"});
  if (!refused.ok()) return refused;
  SpaceFit fit;
  if (!o.checkpoint.empty()) {
    auto checkpoint = supernet::LoadCheckpoint(o.checkpoint);
    if (!checkpoint.ok()) return checkpoint.status();
    if (checkpoint->space != o.space.name || checkpoint->subnet) {
      return absl::InvalidArgumentError(fmt::format("{}: expected a supernet of {}, found {}{}", o.checkpoint,
                                                    o.space.name, checkpoint->subnet ? "one network of " : "",
                                                    checkpoint->space));
    }
    fit.macro = checkpoint->macro;
  }
  if (auto made = o.space.Make(fit); !made.ok()) return made.status();
  auto macro = o.space.TranslationMacro(fit);
  if (!macro.ok()) return macro.status();
  auto recipe = o.translation.Make(macro->task, /*one_network=*/false, o.common.seed);
  if (!recipe.ok()) return recipe.status();
  auto text = o.data.LoadText();
  if (!text.ok()) return text.status();
  job::TranslationTaskOptions options = {.macro = *std::move(macro),
                                         .vocabularies = o.vocabularies.Make(o.space),
                                         .scoring = o.quality.Make(),
                                         .supernet = *recipe,
                                         .fine_tuning = FineTuning(o, *recipe),
                                         .search = supernet::PublishedSearch(macro->task),
                                         .test_sentences = o.test_sentences};
  o.search.Apply(options.search);
  return std::make_unique<job::TranslationTask>(*std::move(text), std::move(options));
}

}  // namespace mathnas::cli
