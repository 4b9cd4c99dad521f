// German-English pairs from the dictionary of the program ding, /usr/share/trans/de-en of Debian's package trans-de-en
// (GPL 2 or later; read where it is installed, no part of this project).
//
// A line is "GERMAN :: ENGLISH". Each side has the same number of parts, separated by " | ": forms and examples of use,
// the n-th of the one translated by the n-th of the other. Each part has synonyms, separated by ";". Marks are
// {f} {pl} {vt} (grammar), [mus.] [Br.] (field, region), (...) (comments, optional words), <...> (other spellings),
// /GA/ (abbreviations); lines that begin with # are comments.
//
// The rule, for each pair of parts:
//   1. Marks go, with all that is in them, nested ones too; what separates parts and synonyms counts outside marks
//   only.
//      A part whose marks are not balanced is left out.
//   2. Spaces are made one; those before , . : ! ? go, and commas at the ends.
//   3. A synonym is left out when nothing is left of it; when it has no letter; when a word of it is a choice
//   ("und/oder",
//      "the/a"), but for those of placeholders ("jdm./etw.", "sb./sth."); when it begins or ends with an ellipsis or a
//      hyphen, or has one of ~ = + * _ ^ \ → # @ & < > | or a bracket that a mark left behind, or a control character.
//   4. The n-th synonym of the German part goes with the n-th of the English one if there are as many on both sides and
//      none was left out, and with the first otherwise: so none is lost and each source has one target here.
//   5. A pair whose sides are equal is left out (names, Latin).
//   6. A pair that came before, letter by letter, is left out.
// Which part of the set a pair is in depends on its source alone: the source without case (ASCII, Latin-1), spaces and
// ASCII punctuation, hashed by FNV-1a of 64 bits, the halves exclusive-ored, modulo 100: 0 is test, 1 validation, the
// rest training. So the same source, or the same but for case and punctuation, is never in two parts. In test and
// validation, of pairs with the same source by that measure the first alone is kept.
#ifndef MATHNAS_SUPERNET_TEXT_TRANS_DE_EN_H_
#define MATHNAS_SUPERNET_TEXT_TRANS_DE_EN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/text/parallel_text.h"

namespace mathnas::supernet {

// What became of the synonyms of a dictionary.
struct DictionaryCounts {
  int64_t entries = 0;  // lines with a German and an English side
  int64_t parts = 0;    // pairs of parts
  int64_t pairs = 0;    // taken, before those that came before are left out
  int64_t repeated = 0, same_on_both_sides = 0;
  int64_t short_ones = 0;                                                      // of `pairs`, by min_words
  int64_t unbalanced = 0, empty = 0, choices = 0, fragments = 0, symbols = 0;  // left out, by rules 1 and 3
};

// The pairs of one line, by rules 1 to 5. Empty for comments and empty lines. InvalidArgument, without the name of the
// file: not one "::", numbers of parts that differ.
absl::StatusOr<std::vector<SentencePair>> ParseDictionaryLine(std::string_view line,
                                                              DictionaryCounts* counts = nullptr);

// The source without what the split does not look at.
std::string SplitKey(std::string_view source);
enum class SplitPart : uint8_t { kTest, kValid, kTrain };
SplitPart SplitPartOf(std::string_view source);

// A whole dictionary. Damage as in LoadParallelText: lines that ParseDictionaryLine refuses and lines that are no
// valid UTF-8.
absl::StatusOr<ParallelText> ParseTransDeEn(std::string_view text, const std::string& path,
                                            const ParallelTextOptions& options = {},
                                            DictionaryCounts* counts = nullptr);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TEXT_TRANS_DE_EN_H_
