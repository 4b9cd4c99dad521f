#include "bindings/cli/profile_translation.h"

#include <utility>

#include "supernet/translation/vocabulary_files.h"

namespace mathnas::cli {

void TranslationQuality::AddTo(CLI::App* command) {
  command
      ->add_option("--sentences", sentences,
                   "supertransformer: held-out pairs, evenly spread, that networks are scored on (0: all)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option(
          "--quality", quality,
          "supertransformer: what the accuracy is: tokens (% of the target that are the most probable ones) or "
          "bleu (of translations)")
      ->capture_default_str()
      ->check(CLI::IsMember({"tokens", "bleu"}));
}

profile::TranslationWorkloadOptions TranslationQuality::Make() const {
  using Quality = profile::TranslationWorkloadOptions::Quality;
  return {.quality = quality == "bleu" ? Quality::kBleu : Quality::kTokens, .sentences = sentences};
}

absl::StatusOr<std::unique_ptr<profile::Workload>> OpenTranslation(std::shared_ptr<const supernet::SearchSpace> space,
                                                                   std::shared_ptr<kernels::Device> device,
                                                                   const supernet::Checkpoint& checkpoint,
                                                                   const std::string& path, DataOptions& data,
                                                                   const TranslationQuality& quality) {
  auto vocabularies = supernet::LoadVocabulariesOf(checkpoint, path);
  if (!vocabularies.ok()) return vocabularies.status();
  auto text = data.LoadText();
  if (!text.ok()) return text.status();
  return profile::TranslationWorkload::Create(std::move(space), std::move(device), checkpoint.weights, text->valid,
                                              *std::move(vocabularies), quality.Make());
}

}  // namespace mathnas::cli
