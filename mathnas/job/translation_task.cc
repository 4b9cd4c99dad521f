#include "mathnas/job/translation_task.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>

#include "fmt/format.h"
#include "kernels/internal/json_text.h"
#include "kernels/status.h"
#include "mathnas/deploy/translator_file.h"
#include "nlohmann/json.hpp"
#include "supernet/translation/incremental_decoder.h"
#include "supernet/weights.h"

namespace mathnas::job {
namespace {

using kernels::TensorMap;
using supernet::Choice;
using supernet::supertransformer::Architecture;
using Clock = std::chrono::steady_clock;

std::string Heads(int heads) { return fmt::format("{} head{}", heads, heads == 1 ? "" : "s"); }

}  // namespace

// Those that lie beside the checkpoint of a run that goes on or of the supernet that is given, or new ones.
absl::StatusOr<supernet::VocabularyPair> TranslationTask::Vocabularies() {
  if (options_->checkpoint) {
    auto checkpoint = supernet::LoadCheckpoint(*options_->checkpoint);
    if (!checkpoint.ok()) return checkpoint.status();
    return supernet::LoadVocabulariesOf(*checkpoint, *options_->checkpoint);
  }
  const std::string begun = options_->Path(kSupernetFile);
  if (options_->resume && std::filesystem::exists(begun)) return supernet::LoadVocabulariesBeside(begun);
  if (own_.vocabularies.is_text() && options_->on_stage) options_->on_stage("vocabulary");
  const bool joined = supernet::supertransformer::ChoicesOf(own_.macro.task).shared_embedding;
  return supernet::MakeVocabularies(text_, joined, own_.vocabularies);
}

absl::StatusOr<supernet::EncodedPairs> TranslationTask::Encode(const supernet::TextPart& part) const {
  return supernet::EncodePairs(part, vocabularies_->source, vocabularies_->target);
}

absl::Status TranslationTask::Begin(const SearchNetworkOptions& options) {
  options_ = &options;
  for (const auto& [recipe, name] : {std::pair{&own_.supernet, "supernet"}, {&own_.fine_tuning, "fine-tuning"}}) {
    if (auto s = supernet::Check(*recipe); !s.ok()) return kernels::Annotate(s, name);
  }
  if (auto s = supernet::Check(own_.search); !s.ok()) return s;
  if (own_.test_sentences < 0) {
    return absl::InvalidArgumentError(fmt::format("test sentences: {}, expected 0 or more", own_.test_sentences));
  }
  // Whatever the vocabularies will be, the rest of the space can be wrong already.
  if (const auto space = supernet::SuperTransformer(own_.macro); !space.ok()) return space.status();
  auto vocabularies = Vocabularies();
  if (!vocabularies.ok()) return vocabularies.status();
  vocabularies_ = *std::move(vocabularies);
  own_.macro.source_vocabulary = vocabularies_->source.size();
  own_.macro.target_vocabulary = vocabularies_->target.size();
  own_.supernet.vocabulary = own_.fine_tuning.vocabulary = supernet::VocabularyHash(*vocabularies_);
  auto space = supernet::SuperTransformer(own_.macro);
  if (!space.ok()) return space.status();
  space_ = *std::move(space);
  auto training = Encode(text_.train), test = Encode(text_.test);
  if (!training.ok()) return training.status();
  if (!test.ok()) return test.status();
  training_ = *std::move(training);
  test_ = *std::move(test);
  // Checkpoints in the folder are of use with them alone.
  return supernet::SaveVocabulariesBeside(options.Path(kFineTunedFile), *vocabularies_);
}

Wording TranslationTask::wording() const {
  const auto& quality = bleu() ? "BLEU" : "token accuracy";
  return {.dataset = fmt::format("{}, {} to {}: {} training, {} validation, {} test pairs", options_->data_name,
                                 text_.source_language, text_.target_language, training_.source.size(),
                                 text_.valid.pairs.size(), test_.source.size()),
          .quality = quality,
          .unit = bleu() ? "" : "%",
          .training = "token accuracy",
          .audit = "inherited weights, validation pairs",
          .compared = "predicted: inherited weights, validation pairs; measured: fine-tuned, test pairs"};
}

absl::StatusOr<TrainedSupernet> TranslationTask::TrainSupernet() {
  TensorMap weights = supernet::AllocateWeights(space_->Supernet({.mode = supernet::Mode::kTraining}).graph);
  supernet::InitializeWeights(weights, own_.supernet.seed, space_->initialization());
  auto trained = supernet::TrainTranslation(own_.macro, options_->device, training_, std::nullopt, std::move(weights),
                                            own_.supernet, RunOf(*options_, kSupernetFile));
  if (!trained.ok()) return trained.status();
  return TrainedSupernet{*std::move(trained), {}};
}

absl::StatusOr<std::unique_ptr<profile::Workload>> TranslationTask::MakeWorkload(const TensorMap& shared) {
  return profile::TranslationWorkload::Create(space_, options_->device, shared, text_.valid, *vocabularies_,
                                              own_.scoring);
}

int64_t TranslationTask::test_sentences() const {
  const int64_t all = std::ssize(text_.test.pairs);
  return own_.test_sentences > 0 ? std::min(own_.test_sentences, all) : all;
}

absl::StatusOr<TranslationTask::TestResult> TranslationTask::Test(const Choice& choice,
                                                                  const TensorMap& own_weights) const {
  auto loss =
      supernet::EvaluateLoss(own_.macro, choice, own_weights, options_->device, test_, {.cancel = options_->cancel});
  if (!loss.ok()) return loss.status();
  supernet::SearchOptions search = own_.search;
  search.cancel = options_->cancel;
  const Clock::time_point start = Clock::now();
  search.progress = [&](int64_t done) {
    if (!options_->on_measuring) return;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const int64_t left = test_sentences() - done;
    options_->on_measuring({.what = "test translations",
                            .done = done,
                            .total = test_sentences(),
                            .seconds_left = seconds * static_cast<double>(left) / static_cast<double>(done)});
  };
  supernet::IncrementalDecoder decoder(own_.macro, choice, own_weights, options_->device);
  auto translated = supernet::EvaluateBleu(decoder, *vocabularies_, text_.test, own_.test_sentences, search);
  if (!translated.ok()) return translated.status();
  return TestResult{*loss, translated->bleu.score};
}

absl::StatusOr<FineTuned> TranslationTask::FineTune(const Choice& choice, const TensorMap& shared) {
  auto weights = supernet::ExtractWeights(*space_, choice, shared);
  if (!weights.ok()) return weights.status();
  const auto inherited = Test(choice, *weights);
  if (!inherited.ok()) return inherited.status();
  auto tuned = supernet::TrainTranslation(own_.macro, options_->device, training_, choice, *std::move(weights),
                                          own_.fine_tuning, RunOf(*options_, kFineTunedFile));
  if (!tuned.ok()) return tuned.status();
  FineTuned result;
  result.checkpoint = *std::move(tuned);
  supernet::TakeTrained(result.checkpoint);
  const auto tested = Test(choice, result.checkpoint.weights);
  if (!tested.ok()) return tested.status();
  result.quality = bleu() ? tested->bleu : tested->loss.accuracy;
  result.scores = {{.inherited = {inherited->bleu},
                    .fine_tuned = {tested->bleu},
                    .count = test_sentences(),
                    .name = "BLEU",
                    .unit = "",
                    .items = "sentences"},
                   {.inherited = {inherited->loss.accuracy},
                    .fine_tuned = {tested->loss.accuracy},
                    .count = tested->loss.tokens,
                    .name = "token accuracy",
                    .unit = "%",
                    .items = "tokens"}};
  result.values = {{"test_accuracy", tested->loss.accuracy},
                   {"test_bleu", tested->bleu},
                   {"test_perplexity", tested->loss.perplexity()},
                   {"test_sentences", static_cast<double>(test_sentences())}};
  return result;
}

absl::Status TranslationTask::Deploy(const std::string& path, const Choice& choice, const TensorMap& own_weights,
                                     const std::string& information) {
  nlohmann::json known = kernels::internal::ParseJson(information);
  known["measured"]["bleu_signature"] = supernet::Signature();
  return deploy::Save(path, {.macro = own_.macro,
                             .choice = choice,
                             .weights = own_weights.Clone(),
                             .vocabularies = *vocabularies_,
                             .beam = own_.search.beam,
                             .length_penalty = own_.search.length_penalty,
                             .information = kernels::internal::JsonText(known)});
}

void TranslationTask::Describe(const Choice& choice, report::ChosenNetwork& chosen) const {
  chosen.architecture = space_->SubnetJson(choice);
  const Architecture a = supernet::ArchitectureOf(own_.macro, choice);
  const int widest = supernet::supertransformer::ChoicesOf(own_.macro.task).stored_hidden();
  report::Stack encoder = {.title = fmt::format("Encoder, width {}", a.encoder_width)};
  for (int i = 0; i < a.encoder_layers; ++i) {
    encoder.layers.push_back(
        {.name = fmt::format("{}", i + 1),
         .text = fmt::format("{}, feed-forward {}", Heads(a.encoder_heads[i]), a.encoder_hidden[i]),
         .size = static_cast<double>(a.encoder_hidden[i]) / widest});
  }
  report::Stack decoder = {.title = fmt::format("Decoder, width {}", a.decoder_width)};
  for (int i = 0; i < a.decoder_layers; ++i) {
    decoder.layers.push_back(
        {.name = fmt::format("{}", i + 1),
         .text = fmt::format("{} + {}, feed-forward {}", a.self_heads[i], Heads(a.cross_heads[i]), a.decoder_hidden[i]),
         .size = static_cast<double>(a.decoder_hidden[i]) / widest,
         .sources = supernet::supertransformer::MemoryLayers(a.span[i])});
  }
  chosen.stacks = {std::move(encoder), std::move(decoder)};
}

}  // namespace mathnas::job
