// Networks that translate (spec/search-spaces.md 4): scored on held-out pairs of sentences, timed as HAT times them.
#ifndef MATHNAS_MATHNAS_PROFILE_TRANSLATION_WORKLOAD_H_
#define MATHNAS_MATHNAS_PROFILE_TRANSLATION_WORKLOAD_H_

#include <cstdint>
#include <memory>

#include "mathnas/profile/workload.h"
#include "supernet/supertransformer/space.h"
#include "supernet/text/encoded_pairs.h"
#include "supernet/text/parallel_text.h"
#include "supernet/text/vocabulary.h"

namespace mathnas::profile {

struct TranslationWorkloadOptions {
  // What the accuracy is: % of target tokens that are the most probable ones after those before them, or BLEU of
  // translations by the published search.
  enum class Quality : uint8_t { kTokens, kBleu };
  Quality quality = Quality::kTokens;
  // Of the held-out pairs, evenly spread, where there are more; 0: all.
  int64_t sentences = 0;
};

// A run encodes sources of the length that the reference measures with (4.7: 30 tokens for WMT, 23 for IWSLT; 12 of the
// small space) and decodes as many tokens with the published number of hypotheses, which are fixed in advance: nothing
// of what they are changes the work, and no hypotheses are sorted or exchanged, as in the reference.
class TranslationWorkload : public Workload {
 public:
  // `shared`, which must outlive the workload, are the supernet's weights, `device` is what scores. InvalidArgument: a
  // space that does not translate, vocabularies of other sizes than its own, no pairs; errors of EncodePairs.
  static absl::StatusOr<std::unique_ptr<TranslationWorkload>> Create(std::shared_ptr<const supernet::SearchSpace> space,
                                                                     std::shared_ptr<kernels::Device> device,
                                                                     const kernels::TensorMap& shared,
                                                                     const supernet::TextPart& held_out,
                                                                     supernet::VocabularyPair vocabularies,
                                                                     const TranslationWorkloadOptions& options);

  // What networks are scored on.
  const supernet::EncodedPairs& pairs() const { return pairs_; }

  const supernet::SearchSpace& space() const override { return *space_; }
  Conventions conventions() const override;
  std::string held_out() const override;
  absl::StatusOr<Score> ScoreOf(const Choice& choice, const std::atomic<bool>* cancel) override;
  absl::StatusOr<std::unique_ptr<Runnable>> MakeRunnable(const Choice& choice, int64_t batch,
                                                         const std::shared_ptr<kernels::Device>& device) override;

 private:
  TranslationWorkload(std::shared_ptr<const supernet::SearchSpace> space, std::shared_ptr<kernels::Device> device,
                      const kernels::TensorMap& shared, supernet::VocabularyPair vocabularies,
                      const TranslationWorkloadOptions& options)
      : space_(std::move(space)),
        device_(std::move(device)),
        shared_(shared),
        vocabularies_(std::move(vocabularies)),
        options_(options) {}

  std::shared_ptr<const supernet::SearchSpace> space_;
  std::shared_ptr<kernels::Device> device_;
  const kernels::TensorMap& shared_;
  supernet::VocabularyPair vocabularies_;
  TranslationWorkloadOptions options_;
  supernet::SuperTransformerMacro macro_;
  supernet::TextPart part_;  // of the held-out pairs, those that are taken
  supernet::EncodedPairs pairs_;
};

}  // namespace mathnas::profile

#endif  // MATHNAS_MATHNAS_PROFILE_TRANSLATION_WORKLOAD_H_
