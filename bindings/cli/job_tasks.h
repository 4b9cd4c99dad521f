// What search-network is asked for, and the task that it makes of it: of images, or of translation.
#ifndef MATHNAS_BINDINGS_CLI_JOB_TASKS_H_
#define MATHNAS_BINDINGS_CLI_JOB_TASKS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bindings/cli/data_options.h"
#include "bindings/cli/estimator_options.h"
#include "bindings/cli/measuring_options.h"
#include "bindings/cli/profile_translation.h"
#include "bindings/cli/recipe_options.h"
#include "bindings/cli/space_options.h"
#include "bindings/cli/translation_options.h"
#include "bindings/cli/translation_search.h"
#include "mathnas/job/task.h"

namespace mathnas::cli {

struct JobOptions {
  Common common;
  SpaceOptions space;
  RecipeOptions recipe;
  TranslationRecipeOptions translation;
  VocabularyFiles vocabularies;
  TranslationQuality quality;
  TranslationSearch search;
  MeasuringOptions measuring;
  EstimatorChoice estimator;
  DataOptions data;
  std::string out, checkpoint;
  std::string stages, rule = "random";
  std::vector<std::string> limits;
  int64_t fine_tune_epochs = 4, fine_tune_updates = 0;  // updates: 0: a third of the supernet's
  std::optional<double> fine_tune_rate;                 // none: 0.05, or of translation half of the supernet's
  int64_t test_sentences = 0;
  int audited = 40, evaluations = 31;
  bool resume = false;
  double checkpoint_seconds = 60;
  CLI::App* command = nullptr;
};

// Errors name the option, the data or the checkpoint. `options` must outlive the task.
absl::StatusOr<std::unique_ptr<job::Task>> MakeImageTask(JobOptions& options);
absl::StatusOr<std::unique_ptr<job::Task>> MakeTranslationTask(JobOptions& options);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_JOB_TASKS_H_
