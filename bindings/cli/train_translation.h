// mathnas train supertransformer --data D --out DIR
#ifndef MATHNAS_BINDINGS_CLI_TRAIN_TRANSLATION_H_
#define MATHNAS_BINDINGS_CLI_TRAIN_TRANSLATION_H_

#include <optional>
#include <string>

#include "bindings/cli/data_options.h"
#include "bindings/cli/space_options.h"
#include "bindings/cli/translation_options.h"
#include "kernels/recompute.h"

namespace mathnas::cli {

struct TranslationTraining {
  const Common& common;
  const SpaceOptions& space;
  DataOptions& data;
  const TranslationRecipeOptions& recipe;
  const VocabularyFiles& vocabularies;
  std::string out, subnet, from;
  bool resume = false;
  std::optional<kernels::Recomputed> recompute = {};
  double checkpoint_seconds = 60;
};

// Trains a supernet or a network, and writes its checkpoint and its vocabularies into `out`.
absl::StatusOr<Answer> TrainTranslation(const TranslationTraining& training);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_TRAIN_TRANSLATION_H_
