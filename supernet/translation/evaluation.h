// How good a translation network is: the loss on pairs it has not seen, and BLEU of what it says.
#ifndef MATHNAS_SUPERNET_TRANSLATION_EVALUATION_H_
#define MATHNAS_SUPERNET_TRANSLATION_EVALUATION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "supernet/supertransformer/space.h"
#include "supernet/text/bleu.h"
#include "supernet/text/encoded_pairs.h"
#include "supernet/text/parallel_text.h"
#include "supernet/text/vocabulary.h"
#include "supernet/translation/beam_search.h"

namespace mathnas::supernet {

struct TranslationLoss {
  double loss = 0;      // mean cross-entropy of a target token, in nats, without smoothing
  double accuracy = 0;  // % of target tokens that are the most probable ones
  int64_t tokens = 0;   // of the target

  double perplexity() const;
};

struct TranslationLossOptions {
  int64_t tokens = 4096;  // of a batch
  const std::atomic<bool>* cancel = nullptr;
};

// Runs a network with own weights over all pairs.
absl::StatusOr<TranslationLoss> EvaluateLoss(const SuperTransformerMacro& macro, const Choice& choice,
                                             const kernels::TensorMap& own_weights,
                                             const std::shared_ptr<kernels::Device>& device, const EncodedPairs& pairs,
                                             const TranslationLossOptions& options = {});

struct Translations {
  std::vector<std::string> texts;  // as many as sources
  BleuScore bleu;                  // against the references
};

// Translates the sources of the first `sentences` pairs (all: 0) and compares with their targets.
absl::StatusOr<Translations> EvaluateBleu(IncrementalDecoder& decoder, const VocabularyPair& vocabularies,
                                          const TextPart& part, int64_t sentences, const SearchOptions& search,
                                          const BleuOptions& bleu = {});

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRANSLATION_EVALUATION_H_
