#include "mathnas/profile/translation_workload.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "supernet/supertransformer/graph.h"
#include "supernet/translation/beam_search.h"
#include "supernet/translation/evaluation.h"
#include "supernet/translation/incremental_decoder.h"
#include "supernet/weights.h"

namespace mathnas::profile {
namespace {

using kernels::TensorMap;
using supernet::supertransformer::kEos;
using supernet::supertransformer::kUnk;

// Word `i` of a sentence that goes through the vocabulary.
int32_t Word(int64_t i, int64_t vocabulary) {
  const int64_t words = vocabulary - kUnk - 1;
  return words > 0 ? static_cast<int32_t>(kUnk + 1 + i % words) : kUnk;
}

struct DecodingRunnable : Runnable {
  DecodingRunnable(TensorMap own_weights, const supernet::SuperTransformerMacro& macro, const Choice& choice,
                   std::shared_ptr<kernels::Device> device)
      : weights(std::move(own_weights)), decoder(macro, choice, weights, std::move(device)) {}

  absl::Status Run() override {
    if (auto s = decoder.Start(sources, beams); !s.ok()) return s;
    for (const std::vector<int32_t>& tokens : steps) {
      if (auto s = decoder.Step(tokens); !s.ok()) return s;
    }
    return absl::OkStatus();
  }
  int64_t memory_bytes() const override {
    int64_t bytes = decoder.memory_bytes();
    for (const TensorMap::Entry& e : weights.entries()) bytes += static_cast<int64_t>(e.tensor.desc().bytes());
    return bytes;
  }

  TensorMap weights;
  supernet::IncrementalDecoder decoder;
  std::vector<std::vector<int32_t>> sources;
  int64_t beams = 1;
  std::vector<std::vector<int32_t>> steps;  // the last token of every row
};

}  // namespace

absl::StatusOr<std::unique_ptr<TranslationWorkload>> TranslationWorkload::Create(
    std::shared_ptr<const supernet::SearchSpace> space, std::shared_ptr<kernels::Device> device,
    const TensorMap& shared, const supernet::TextPart& held_out, supernet::VocabularyPair vocabularies,
    const TranslationWorkloadOptions& options) {
  if (!space->translates()) {
    return absl::InvalidArgumentError(fmt::format("space {}: expected one that translates", space->name()));
  }
  if (options.sentences < 0) {
    return absl::InvalidArgumentError(fmt::format("sentences: {}, expected 0 or more", options.sentences));
  }
  auto macro = supernet::ParseSuperTransformerMacro(space->MacroJson());
  if (!macro.ok()) return macro.status();
  if (vocabularies.source.size() != macro->source_vocabulary ||
      vocabularies.target.size() != macro->target_vocabulary) {
    return absl::InvalidArgumentError(fmt::format("vocabularies of {} and {} tokens, expected {} and {}",
                                                  vocabularies.source.size(), vocabularies.target.size(),
                                                  macro->source_vocabulary, macro->target_vocabulary));
  }
  std::unique_ptr<TranslationWorkload> workload(
      new TranslationWorkload(std::move(space), std::move(device), shared, std::move(vocabularies), options));
  workload->macro_ = *std::move(macro);
  supernet::TextPart& part = workload->part_;
  part = held_out;
  const int64_t all = std::ssize(held_out.pairs);
  const int64_t taken = options.sentences > 0 ? std::min(options.sentences, all) : all;
  part.pairs.clear();
  for (int64_t i = 0; i < taken; ++i) part.pairs.push_back(held_out.pairs[static_cast<size_t>(i * all / taken)]);
  auto pairs = supernet::EncodePairs(part, workload->vocabularies_.source, workload->vocabularies_.target);
  if (!pairs.ok()) return pairs.status();
  workload->pairs_ = *std::move(pairs);
  return workload;
}

Conventions TranslationWorkload::conventions() const {
  const supernet::supertransformer::Choices& choices = supernet::supertransformer::ChoicesOf(macro_.task);
  const int beam = supernet::PublishedSearch(macro_.task).beam;
  const bool bleu = options_.quality == TranslationWorkloadOptions::Quality::kBleu;
  const std::string score = bleu ? fmt::format("BLEU of translations with beam {}", beam)
                                 : "tokens of the target that are the most probable ones after those before them";
  return {.accuracy_unit = bleu ? "BLEU" : "%",
          .accuracy =
              fmt::format("weights inherited from the supernet, {} held-out pairs: {}", pairs_.source.size(), score),
          .latency = fmt::format("median of rounds over all networks in turn, caches warm: {} tokens encoded, as many "
                                 "decoded token by token with beam {}",
                                 choices.length, beam),
          .memory = "own weights, activations, scratch memory and caches of encoder and decoder",
          .energy = "processor packages by RAPL, one translation as for latency"};
}

std::string TranslationWorkload::held_out() const {
  return fmt::format("{} pairs of {} and {} tokens of {}, {}", pairs_.source.size(), pairs_.source.tokens(),
                     pairs_.target.tokens(), part_.name,
                     options_.quality == TranslationWorkloadOptions::Quality::kBleu ? "bleu" : "tokens");
}

absl::StatusOr<Score> TranslationWorkload::ScoreOf(const Choice& choice, const std::atomic<bool>* cancel) {
  auto weights = supernet::ExtractWeights(*space_, choice, shared_);
  if (!weights.ok()) return weights.status();
  auto loss = supernet::EvaluateLoss(macro_, choice, *weights, device_, pairs_, {.cancel = cancel});
  if (!loss.ok()) return loss.status();
  Score score = {.accuracy = loss->accuracy, .loss = loss->loss};
  if (options_.quality == TranslationWorkloadOptions::Quality::kTokens) return score;
  supernet::SearchOptions search = supernet::PublishedSearch(macro_.task);
  search.cancel = cancel;
  supernet::IncrementalDecoder decoder(macro_, choice, *weights, device_);
  auto translated = supernet::EvaluateBleu(decoder, vocabularies_, part_, /*sentences=*/0, search);
  if (!translated.ok()) return translated.status();
  score.accuracy = translated->bleu.score;
  return score;
}

absl::StatusOr<std::unique_ptr<Runnable>> TranslationWorkload::MakeRunnable(
    const Choice& choice, int64_t batch, const std::shared_ptr<kernels::Device>& device) {
  auto weights = supernet::ExtractWeights(*space_, choice, shared_);
  if (!weights.ok()) return weights.status();
  auto runnable = std::make_unique<DecodingRunnable>(*std::move(weights), macro_, choice, device);
  const int64_t length = supernet::supertransformer::ChoicesOf(macro_.task).length;
  runnable->beams = supernet::PublishedSearch(macro_.task).beam;
  std::vector<int32_t> source;
  for (int64_t i = 0; i + 1 < length; ++i) source.push_back(Word(i, macro_.source_vocabulary));
  source.push_back(kEos);
  runnable->sources.assign(static_cast<size_t>(batch), source);
  const auto rows = static_cast<size_t>(batch * runnable->beams);
  runnable->steps.emplace_back(rows, kEos);
  for (int64_t i = 0; i + 1 < length; ++i) runnable->steps.emplace_back(rows, Word(i, macro_.target_vocabulary));
  // Prepares the shapes, which the memory is of.
  if (auto s = runnable->Run(); !s.ok()) return s;
  return runnable;
}

}  // namespace mathnas::profile
