// Translating with the best of several hypotheses (spec/search-spaces.md 4.6), as fairseq does.
#ifndef MATHNAS_SUPERNET_TRANSLATION_BEAM_SEARCH_H_
#define MATHNAS_SUPERNET_TRANSLATION_BEAM_SEARCH_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/translation/incremental_decoder.h"

namespace mathnas::supernet {

struct SearchOptions {
  int beam = 4;                                     // hypotheses of a sentence; 1: always the most probable token
  double length_penalty = 0.6;                      // log probabilities are divided by length ^ this, the end counted
  int64_t max_tokens = 200;                         // of a hypothesis, without its end
  int64_t sentences = 16;                           // decoded at once
  std::function<void(int64_t done)> progress = {};  // after each batch: sentences done
  const std::atomic<bool>* cancel = nullptr;
};

// InvalidArgument names the option that is out of range.
absl::Status Check(const SearchOptions& options);

// WMT: beam 4, penalty 0.6; IWSLT: beam 5, penalty 1; the small space as WMT.
SearchOptions PublishedSearch(supertransformer::Task task);

struct Hypothesis {
  std::vector<int32_t> tokens;  // without the end
  double score = 0;             // the log probability, by the length penalty
};

// The best hypothesis of each source (tokens that end with kEos), in their order; those of similar length are decoded
// together. A step looks at the 2 beam best continuations: of the first `beam` of these, the ones that end are
// hypotheses; the first `beam` that do not go on. A sentence is done when it has `beam` hypotheses. No hypothesis is
// empty. Errors: those of IncrementalDecoder, which name the source; of Check; Cancelled.
absl::StatusOr<std::vector<Hypothesis>> Translate(IncrementalDecoder& decoder,
                                                  std::span<const std::vector<int32_t>> sources,
                                                  const SearchOptions& options);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRANSLATION_BEAM_SEARCH_H_
