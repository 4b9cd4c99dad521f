// mathnas evaluate, of translation networks.
#ifndef MATHNAS_BINDINGS_CLI_EVALUATE_TRANSLATION_H_
#define MATHNAS_BINDINGS_CLI_EVALUATE_TRANSLATION_H_

#include <string>

#include "bindings/cli/checkpoint_network.h"
#include "bindings/cli/data_options.h"
#include "bindings/cli/translation_search.h"

namespace mathnas::cli {

// How translations are made and scored.
struct TranslationScoring {
  int64_t sentences = 0;  // to be translated; 0: all
  TranslationSearch search;
  std::string tokenizer = "13a", part = "test", translations;
  bool no_bleu = false;

  void AddTo(CLI::App* command);
};

struct TranslationEvaluation {
  const Common& common;
  DataOptions& data;
  CheckpointNetwork& network;
  const TranslationScoring& scoring;
};

// Loss on the held-out pairs, and BLEU of their translations.
absl::StatusOr<Answer> EvaluateTranslation(const TranslationEvaluation& evaluation);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_EVALUATE_TRANSLATION_H_
