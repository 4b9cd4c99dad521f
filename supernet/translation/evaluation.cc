#include "supernet/translation/evaluation.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <span>
#include <utility>

#include "kernels/plan.h"
#include "supernet/supertransformer/graph.h"
#include "supernet/text/token_loader.h"

namespace mathnas::supernet {
namespace {

using kernels::TensorView;

// A network for one shape of batches, with its loss.
absl::StatusOr<std::unique_ptr<kernels::Context>> LossContext(const SearchSpace& space, const Choice& choice,
                                                              const kernels::TensorMap& own_weights,
                                                              kernels::Device& device, const TokenShape& shape) {
  NetworkGraph network = space.Network(choice, {.batch = shape.rows,
                                                .real = device.real(),
                                                .source_length = shape.source_length,
                                                .target_length = shape.target_length});
  kernels::Graph& g = network.graph;
  const kernels::Value labels = g.Integers("labels", {shape.rows, shape.target_length});
  const kernels::SoftmaxCrossEntropy loss = {.ignored_label = supertransformer::kPad, .sum = true};
  const kernels::Value sum = g.Apply(loss, {network.logits, labels})[0];
  if (!g.status().ok()) return g.status();
  auto plan = kernels::Plan::Create(g, {{"loss", sum}, {"logits", network.logits}}, device, {.constant_weights = true});
  if (!plan.ok()) return plan.status();
  return kernels::Context::Create(*plan, {&own_weights});
}

void Copy(const kernels::Context& context, std::string_view input, const TensorView& from) {
  std::memcpy(context.Input(input)->data, from.data, from.desc.bytes());
}

int64_t Correct(std::span<const float> logits, std::span<const int64_t> labels) {
  const size_t words = logits.size() / labels.size();
  int64_t correct = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == supertransformer::kPad) continue;
    const auto row = logits.subspan(i * words, words);
    correct += std::max_element(row.begin(), row.end()) - row.begin() == labels[i];
  }
  return correct;
}

}  // namespace

double TranslationLoss::perplexity() const { return std::exp(loss); }

absl::StatusOr<TranslationLoss> EvaluateLoss(const SuperTransformerMacro& macro, const Choice& choice,
                                             const kernels::TensorMap& own_weights,
                                             const std::shared_ptr<kernels::Device>& device, const EncodedPairs& pairs,
                                             const TranslationLossOptions& options) {
  auto space = SuperTransformer(macro);
  if (!space.ok()) return space.status();
  if (auto s = (*space)->Check(choice); !s.ok()) return s;
  auto loader = TokenBatchLoader::Create(pairs, TokenLoaderOptions::Evaluation(options.tokens));
  if (!loader.ok()) return loader.status();
  // Batches come bucket after bucket, so one shape at a time is enough.
  std::unique_ptr<kernels::Context> context;
  int64_t bucket = -1, correct = 0;
  double sum = 0;
  TranslationLoss result;
  while (const TokenBatch* batch = (*loader)->Next()) {
    if (options.cancel != nullptr && options.cancel->load()) return absl::CancelledError("evaluation interrupted");
    if (batch->bucket != bucket) {
      bucket = batch->bucket;
      auto made = LossContext(**space, choice, own_weights, *device, (*loader)->shapes()[static_cast<size_t>(bucket)]);
      if (!made.ok()) return made.status();
      context = *std::move(made);
    }
    Copy(*context, "source", batch->source);
    Copy(*context, "previous", batch->previous);
    Copy(*context, "labels", batch->labels);
    if (auto s = context->Run(); !s.ok()) return s;
    sum += context->Output("loss")->as<float>()[0];
    correct += Correct(context->Output("logits")->as<float>(), batch->labels.as<int64_t>());
    result.tokens += batch->tokens;
  }
  result.loss = sum / static_cast<double>(result.tokens);
  result.accuracy = 100.0 * static_cast<double>(correct) / static_cast<double>(result.tokens);
  return result;
}

absl::StatusOr<Translations> EvaluateBleu(IncrementalDecoder& decoder, const VocabularyPair& vocabularies,
                                          const TextPart& part, int64_t sentences, const SearchOptions& search,
                                          const BleuOptions& bleu) {
  std::vector<std::vector<int32_t>> sources;
  std::vector<std::string> references;
  for (const SentencePair& pair : part.pairs) {
    if (sentences > 0 && std::ssize(sources) == sentences) break;
    auto encoded = vocabularies.source.Encode(pair.source);
    if (!encoded.ok()) return encoded.status();
    if (std::ssize(encoded->ids) > supertransformer::kMaxTokens) continue;  // as in training
    sources.push_back(std::move(encoded->ids));
    references.push_back(pair.target);
  }
  auto hypotheses = Translate(decoder, sources, search);
  if (!hypotheses.ok()) return hypotheses.status();
  Translations translations;
  for (const Hypothesis& h : *hypotheses) translations.texts.push_back(vocabularies.target.Decode(h.tokens));
  auto score = Bleu(translations.texts, references, bleu);
  if (!score.ok()) return score.status();
  translations.bleu = *score;
  return translations;
}

}  // namespace mathnas::supernet
