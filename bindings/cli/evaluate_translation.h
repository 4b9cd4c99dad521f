// mathnas evaluate, of translation networks.
#ifndef MATHNAS_BINDINGS_CLI_EVALUATE_TRANSLATION_H_
#define MATHNAS_BINDINGS_CLI_EVALUATE_TRANSLATION_H_

#include <string>

#include "bindings/cli/data_options.h"
#include "supernet/search_space.h"
#include "supernet/training/checkpoint.h"

namespace mathnas::cli {

// --beam and so on: how translations are made and scored.
struct TranslationScoring {
  int64_t sentences = 0;  // to be translated; 0: all
  int beam = 0;           // 0: the published one
  double length_penalty = 0;
  std::string tokenizer = "13a", part = "test", translations;
  bool no_bleu = false;
  CLI::App* command = nullptr;

  void AddTo(CLI::App* to);
};

struct TranslationEvaluation {
  const Common& common;
  DataOptions& data;
  const std::string& checkpoint_path;
  supernet::Checkpoint& checkpoint;
  const supernet::SearchSpace& space;
  const supernet::Choice& choice;
  const TranslationScoring& scoring;
};

// Loss on the held-out pairs, and BLEU of their translations.
absl::StatusOr<Answer> EvaluateTranslation(const TranslationEvaluation& evaluation);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_EVALUATE_TRANSLATION_H_
