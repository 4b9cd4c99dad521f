// The recipe of translation networks from the command line.
#ifndef MATHNAS_BINDINGS_CLI_TRANSLATION_OPTIONS_H_
#define MATHNAS_BINDINGS_CLI_TRANSLATION_OPTIONS_H_

#include <string>

#include "bindings/cli/command.h"
#include "bindings/cli/space_options.h"
#include "supernet/supertransformer/architecture.h"
#include "supernet/translation/trainer.h"
#include "supernet/translation/vocabulary_files.h"

namespace mathnas::cli {

// --source-vocabulary-file and --target-vocabulary-file.
struct VocabularyFiles {
  std::string source, target;  // empty: trained on the text

  void AddTo(CLI::App* command);
  bool is_text() const { return source.empty() && target.empty(); }
  // `space` says how many tokens those of a text are to have.
  supernet::VocabularySource Make(const SpaceOptions& space) const;
};

// --updates and so on. Those that are not given are the published recipe's of the task.
struct TranslationRecipeOptions {
  int64_t updates = 0, tokens = 0, accumulate = 0, warmup = 0;
  double dropout = 0, attention_dropout = 0;
  CLI::App* command = nullptr;

  void AddTo(CLI::App* to);
  // Options that other spaces have too (--lr, --weight-decay, --label-smoothing, --clip-norm, --precision) count where
  // given.
  absl::StatusOr<supernet::TranslationRecipe> Make(supernet::supertransformer::Task task, bool one_network,
                                                   uint64_t seed) const;
};

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_TRANSLATION_OPTIONS_H_
