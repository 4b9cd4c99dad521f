#include "bindings/cli/train_translation.h"

#include <filesystem>
#include <optional>
#include <utility>

#include "bindings/cli/progress.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/text/encoded_pairs.h"
#include "supernet/text/token_loader.h"
#include "supernet/translation/trainer.h"
#include "supernet/translation/vocabulary_files.h"
#include "supernet/weights.h"

namespace mathnas::cli {
namespace {

using supernet::VocabularyPair;

// Those of the run that goes on, of files, or of the text.
absl::StatusOr<VocabularyPair> Vocabularies(const TranslationTraining& t, const supernet::ParallelText& text,
                                            bool joined, const std::string& checkpoint, Progress& progress) {
  if (t.resume && std::filesystem::exists(checkpoint)) return supernet::LoadVocabulariesBeside(checkpoint);
  if (t.vocabularies.is_text()) progress.Stage("vocabulary");
  return supernet::MakeVocabularies(text, joined, t.vocabularies.Make(t.space));
}

absl::StatusOr<kernels::TensorMap> FirstWeights(const TranslationTraining& t, const supernet::SearchSpace& space,
                                                const std::optional<supernet::Choice>& own) {
  if (t.from.empty()) {
    const supernet::GraphRequest request = {.mode = supernet::Mode::kTraining};
    kernels::TensorMap weights =
        supernet::AllocateWeights(own ? space.Network(*own, request).graph : space.Supernet(request).graph);
    supernet::InitializeWeights(weights, t.common.seed, space.initialization());
    return weights;
  }
  auto from = supernet::LoadCheckpoint(t.from);
  if (!from.ok()) return from.status();
  // A network may begin with its part of a supernet.
  if (own && !from->subnet) {
    auto extracted = supernet::ExtractWeights(space, *own, from->weights);
    if (!extracted.ok()) return kernels::Annotate(extracted.status(), t.from);
    from->weights = *std::move(extracted);
  }
  if (auto s = supernet::CheckWeights(space, own, from->weights); !s.ok()) return kernels::Annotate(s, t.from);
  return std::move(from->weights);
}

}  // namespace

absl::StatusOr<Answer> TrainTranslation(const TranslationTraining& t) {
  const std::string path = t.out + "/checkpoint.safetensors";
  if (!t.resume && std::filesystem::exists(path)) {
    return absl::InvalidArgumentError(fmt::format("{}: exists; go on with --resume, or choose another --out", path));
  }
  // What is wrong with the options is said before anything long begins.
  if (auto made = t.space.Make(); !made.ok()) return made.status();
  auto asked = t.space.TranslationMacro();
  if (!asked.ok()) return asked.status();
  auto recipe = t.recipe.Make(asked->task, !t.subnet.empty(), t.common.seed);
  if (!recipe.ok()) return recipe.status();
  Progress progress;
  auto text = t.data.LoadText();
  if (!text.ok()) return text.status();
  const bool joined = supernet::supertransformer::ChoicesOf(asked->task).shared_embedding;
  auto vocabularies = Vocabularies(t, *text, joined, path, progress);
  if (!vocabularies.ok()) return vocabularies.status();
  supernet::SuperTransformerMacro macro = *asked;
  macro.source_vocabulary = vocabularies->source.size();
  macro.target_vocabulary = vocabularies->target.size();
  auto space = supernet::SuperTransformer(macro);
  if (!space.ok()) return space.status();
  std::optional<supernet::Choice> own;
  if (!t.subnet.empty()) {
    auto choice = ParseSubnet(**space, t.subnet);
    if (!choice.ok()) return choice.status();
    own = *choice;
  }
  recipe->vocabulary = supernet::VocabularyHash(*vocabularies);
  auto pairs = supernet::EncodePairs(text->train, vocabularies->source, vocabularies->target);
  if (!pairs.ok()) return pairs.status();
  auto loader =
      supernet::TokenBatchLoader::Create(*pairs, supernet::TokenLoaderOptions::Training(recipe->tokens, recipe->seed));
  if (!loader.ok()) return loader.status();
  const double padding = (*loader)->padding().waste();
  auto device = OpenDevice(t.common);
  if (!device.ok()) return device.status();
  if (auto s = kernels::Check(**device, recipe->precision); !s.ok()) return kernels::Annotate(s, "--precision");

  std::error_code error;
  std::filesystem::create_directories(t.out, error);
  if (error) return absl::InvalidArgumentError(fmt::format("--out {}: cannot be created: {}", t.out, error.message()));
  if (auto s = supernet::SaveVocabulariesBeside(path, *vocabularies); !s.ok()) return s;
  auto weights = FirstWeights(t, **space, own);
  if (!weights.ok()) return weights.status();
  bool begun = false;
  const supernet::TrainingRun run = {
      .checkpoint_path = path,
      .checkpoint_seconds = t.checkpoint_seconds,
      .resume = t.resume,
      .recompute = t.recompute,
      .progress =
          [&](const supernet::TrainingProgress& p) {
            if (!begun) {
              progress.Stage(fmt::format("training on {} pairs, {} and {} tokens, {:.1f} % padding",
                                         pairs->source.size(), pairs->source.tokens(), pairs->target.tokens(),
                                         100 * padding));
            }
            begun = true;
            progress.Translating(p);
          },
      .cancel = Interrupted()};
  auto trained = supernet::TrainTranslation(macro, *device, *pairs, own, *std::move(weights), *recipe, run);
  if (!trained.ok()) return trained.status();
  Json epochs = Json::array();
  for (const supernet::EpochRecord& e : trained->epochs) {
    epochs.push_back({{"loss", e.loss}, {"accuracy", 100 * e.accuracy}, {"tokens", e.images}, {"seconds", e.seconds}});
  }
  Answer answer;
  answer.json = {{"checkpoint", path},
                 {"space", trained->space},
                 {"macro", Json::parse(trained->macro)},
                 {"recipe", Json::parse(trained->recipe)},
                 {"pairs", pairs->source.size()},
                 {"unknown_tokens", pairs->source_unknown + pairs->target_unknown},
                 {"too_long", pairs->too_long},
                 {"padding", padding},
                 {"epochs", epochs}};
  const supernet::EpochRecord& last = trained->epochs.back();
  answer.text = fmt::format("{}: {} updates, loss {:.4f} a token, {:.2f} % of tokens right in training\n", path,
                            recipe->updates, last.loss, 100 * last.accuracy);
  return answer;
}

}  // namespace mathnas::cli
