// --beam and --length-penalty: how translations are looked for.
#ifndef MATHNAS_BINDINGS_CLI_TRANSLATION_SEARCH_H_
#define MATHNAS_BINDINGS_CLI_TRANSLATION_SEARCH_H_

#include <optional>
#include <string>

#include "CLI/App.hpp"
#include "fmt/format.h"
#include "supernet/translation/beam_search.h"

namespace mathnas::cli {

struct TranslationSearch {
  std::optional<int> beam;
  std::optional<double> length_penalty;

  // `otherwise` says whose values are taken for what is not given.
  void AddTo(CLI::App* command, const std::string& otherwise) {
    command
        ->add_option("--beam", beam,
                     fmt::format("supertransformer: hypotheses of a sentence (default: {} number)", otherwise))
        ->check(CLI::Range(1, 256));
    command->add_option(
        "--length-penalty", length_penalty,
        fmt::format("supertransformer: exponent of the length that scores are divided by (default: {})", otherwise));
  }
  bool given() const { return beam || length_penalty; }
  void Apply(supernet::SearchOptions& options) const {
    options.beam = beam.value_or(options.beam);
    options.length_penalty = length_penalty.value_or(options.length_penalty);
  }
};

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_TRANSLATION_SEARCH_H_
