// Runs a deployed translation network on texts.
#ifndef MATHNAS_MATHNAS_DEPLOY_TRANSLATOR_H_
#define MATHNAS_MATHNAS_DEPLOY_TRANSLATOR_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "mathnas/deploy/translator_file.h"
#include "supernet/text/vocabulary.h"
#include "supernet/translation/beam_search.h"
#include "supernet/translation/incremental_decoder.h"

namespace mathnas::deploy {

struct Translation {
  std::string text;
  double score = 0;     // the log probability, by the length penalty (supernet::Hypothesis)
  int64_t unknown = 0;  // parts of the source, characters or words, that the vocabulary does not have
};

// A deployed translator on a device, for one thread at a time.
class Translator {
 public:
  // LoadTranslator and Create.
  static absl::StatusOr<Translator> Load(const std::string& path, std::shared_ptr<kernels::Device> device);
  // InvalidArgument: no device, or one that does not compute in float32; and those of Check.
  static absl::StatusOr<Translator> Create(DeployedTranslator translator, std::shared_ptr<kernels::Device> device);

  // Tokens of a sentence, cleaned as in training (supernet::CleanSentence). InvalidArgument says what is wrong: empty,
  // no valid UTF-8, a control character, more than supertransformer::kMaxTokens tokens.
  absl::StatusOr<supernet::Encoding> Encode(std::string_view sentence) const;

  // As the file says; to be changed, and given progress and cancel.
  supernet::SearchOptions search() const;
  // A translation of each sentence, in their order; `options.sentences` of similar length are translated at once. Plans
  // of the last shapes are kept for the next call. InvalidArgument: a sentence that Encode refuses, named by its index
  // ("sentence 3: .."), weights that are not finite, options of supernet::Check; Cancelled; ResourceExhausted.
  absl::StatusOr<std::vector<Translation>> Translate(std::span<const std::string> sentences,
                                                     const supernet::SearchOptions& options);
  absl::StatusOr<std::vector<Translation>> Translate(std::span<const std::string> sentences) {
    return Translate(sentences, search());
  }

  const DeployedTranslator& description() const { return *translator_; }

 private:
  Translator() = default;

  std::unique_ptr<DeployedTranslator> translator_;  // its weights stay where they are when this moves
  std::unique_ptr<supernet::IncrementalDecoder> decoder_;
};

}  // namespace mathnas::deploy

#endif  // MATHNAS_MATHNAS_DEPLOY_TRANSLATOR_H_
