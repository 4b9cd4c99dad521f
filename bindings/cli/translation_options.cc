#include "bindings/cli/translation_options.h"

#include "fmt/format.h"
#include "kernels/lower_precision.h"
#include "kernels/status.h"

namespace mathnas::cli {

void VocabularyFiles::AddTo(CLI::App* command) {
  command->add_option(
      "--source-vocabulary-file", source,
      "supertransformer: a sentencepiece model, or a dictionary of fairseq's that ends in .txt (default: "
      "trained on the text)");
  command->add_option("--target-vocabulary-file", target, "supertransformer: that of the target");
}

supernet::VocabularySource VocabularyFiles::Make(const SpaceOptions& space) const {
  supernet::VocabularySource from = {.source_file = source, .target_file = target, .training = {}};
  if (space.vocabulary != 0) from.training.size = space.vocabulary;
  return from;
}

void TranslationRecipeOptions::AddTo(CLI::App* to) {
  command = to;
  command->add_option("--updates", updates, "supertransformer: updates (default: the published recipe's)")
      ->check(CLI::PositiveNumber);
  command->add_option("--tokens", tokens, "supertransformer: tokens of a batch, padding counted")
      ->check(CLI::PositiveNumber);
  command->add_option("--accumulate", accumulate, "supertransformer: batches of an update")->check(CLI::PositiveNumber);
  command->add_option("--warmup-updates", warmup, "supertransformer: updates of linear warm-up")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--dropout", dropout, "supertransformer: share of activations that are dropped");
  command->add_option("--attention-dropout", attention_dropout,
                      "supertransformer: share of attention's probabilities that are dropped");
}

absl::StatusOr<supernet::TranslationRecipe> TranslationRecipeOptions::Make(supernet::supertransformer::Task task,
                                                                           bool one_network, uint64_t seed) const {
  supernet::TranslationRecipe recipe = supernet::PublishedRecipe(task, one_network);
  const auto take = [this](const char* option, auto& field) {
    const CLI::Option* found = command->get_option_no_throw(option);
    if (found != nullptr && found->count() > 0) field = found->as<std::decay_t<decltype(field)>>();
  };
  take("--updates", recipe.updates);
  take("--tokens", recipe.tokens);
  take("--accumulate", recipe.accumulate);
  take("--warmup-updates", recipe.schedule.warmup_updates);
  take("--lr", recipe.schedule.rate);
  take("--weight-decay", recipe.weight_decay);
  take("--label-smoothing", recipe.label_smoothing);
  take("--dropout", recipe.dropout);
  take("--attention-dropout", recipe.attention_dropout);
  take("--clip-norm", recipe.clip_norm);
  std::string precision(kernels::Name(recipe.precision));
  take("--precision", precision);
  const auto computed = kernels::ParsePrecision(precision);
  if (!computed.ok()) return kernels::Annotate(computed.status(), "--precision");
  recipe.precision = *computed;
  recipe.seed = seed;
  if (auto s = supernet::Check(recipe); !s.ok()) return s;
  return recipe;
}

}  // namespace mathnas::cli
