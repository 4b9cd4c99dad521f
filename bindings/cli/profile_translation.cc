#include "bindings/cli/profile_translation.h"

#include <utility>

#include "fmt/format.h"
#include "mathnas/profile/translation_workload.h"
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

absl::StatusOr<OpenedWorkload> OpenTranslation(std::shared_ptr<const supernet::SearchSpace> space,
                                               std::shared_ptr<kernels::Device> device,
                                               const supernet::Checkpoint& checkpoint, const std::string& path,
                                               DataOptions& data, const TranslationQuality& quality) {
  auto vocabularies = supernet::LoadVocabulariesOf(checkpoint, path);
  if (!vocabularies.ok()) return vocabularies.status();
  auto text = data.LoadText();
  if (!text.ok()) return text.status();
  using Quality = profile::TranslationWorkloadOptions::Quality;
  auto workload = profile::TranslationWorkload::Create(
      std::move(space), std::move(device), checkpoint.weights, text->valid, *std::move(vocabularies),
      {.quality = quality.quality == "bleu" ? Quality::kBleu : Quality::kTokens, .sentences = quality.sentences});
  if (!workload.ok()) return workload.status();
  const supernet::EncodedPairs& pairs = (*workload)->pairs();
  std::string held_out = fmt::format("{} pairs of {} and {} tokens of {}, {}", pairs.source.size(),
                                     pairs.source.tokens(), pairs.target.tokens(), text->valid.name, quality.quality);
  return OpenedWorkload{*std::move(workload), std::move(held_out)};
}

}  // namespace mathnas::cli
