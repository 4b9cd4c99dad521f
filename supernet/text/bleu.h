// Corpus BLEU-4 (Papineni et al., "BLEU: a method for automatic evaluation of machine translation", ACL 2002), computed
// as sacreBLEU does (Post, "A call for clarity in reporting BLEU scores", WMT 2018).
#ifndef MATHNAS_SUPERNET_TEXT_BLEU_H_
#define MATHNAS_SUPERNET_TEXT_BLEU_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace mathnas::supernet {

struct BleuOptions {
  enum class Tokenizer : uint8_t {
    k13a,   // as mteval-v13a; the default of sacreBLEU
    kNone,  // text is tokenised already, by spaces: the tokenised BLEU of search-spaces.md 4.6
  };
  Tokenizer tokenizer = Tokenizer::k13a;
  // Hyphens between two characters become tokens of their own, "##AT##-##AT##", before all else (4.6).
  bool split_compounds = false;
};

struct BleuScore {
  double score = 0;                    // 0 to 100
  std::array<double, 4> precisions{};  // 0 to 100, of 1-grams to 4-grams, smoothed
  std::array<int64_t, 4> matches{}, ngrams{};
  double brevity_penalty = 0;
  int64_t hypothesis_length = 0, reference_length = 0;  // tokens
};

// One reference a sentence, case counts, "exp" smoothing: the k-th order without any match counts as 1/2^k matches; no
// match at all, or no 4-gram in all hypotheses, is 0. InvalidArgument unless there are as many of the one as of the
// other.
absl::StatusOr<BleuScore> Bleu(std::span<const std::string> hypotheses, std::span<const std::string> references,
                               const BleuOptions& options = {});

// "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp", as sacreBLEU's without its version.
std::string Signature(const BleuOptions& options = {});

// The tokens that are counted.
std::vector<std::string> BleuTokens(std::string_view sentence, const BleuOptions& options = {});

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TEXT_BLEU_H_
