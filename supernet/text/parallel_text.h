// Pairs of sentences, one the translation of the other: from line files, and from Debian's dictionary trans-de-en.
#ifndef MATHNAS_SUPERNET_TEXT_PARALLEL_TEXT_H_
#define MATHNAS_SUPERNET_TEXT_PARALLEL_TEXT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace mathnas::supernet {

struct SentencePair {
  std::string source, target;  // UTF-8, neither empty, without control characters, trimmed; runs of spaces are one
  int64_t line = 0;            // where it comes from, from 1; in trans-de-en several pairs come from one line
  bool operator==(const SentencePair&) const = default;
};

// A pair that is no use, and why.
struct DamagedLine {
  std::string file;
  int64_t line = 0;     // from 1
  std::string message;  // names file and line
  bool operator==(const DamagedLine&) const = default;
};

// One part (training, validation, test).
struct TextPart {
  std::string name;                      // "parallel/train"
  std::string source_path, target_path;  // the same file twice where one holds both
  std::vector<SentencePair> pairs;       // in the order of the file
  int64_t lines = 0;                     // of the files, damaged ones included
  int64_t damaged = 0;                   // lines that are left out
  std::vector<DamagedLine> damage;       // the first kDamageKept of them
};

inline constexpr int64_t kDamageKept = 100;
inline constexpr int64_t kMaxPositions = 1024;

struct ParallelText {
  TextPart train, valid, test;
  std::string source_language, target_language;  // "de", "en"
};

struct ParallelTextOptions {
  // Suffixes of the files of parallel:FOLDER. Empty: found from FOLDER/train.*, which then must be two files; of two
  // that are both unknown, the source is the one that comes first in the order of bytes.
  std::string source_language{}, target_language{};
  // A pair with more tokens on a side is damage; the end-of-sentence token counts. Words are counted while reading,
  // as a line has at least as many tokens; EncodePairs (encoded_pairs.h) counts tokens. HAT's networks have 1024.
  int64_t max_positions = kMaxPositions;
  // Damaged lines are left out and counted; with this, the first is an InvalidArgument that names it.
  bool stop_at_damage = false;
  // Called with every damaged line, in order of the files.
  std::function<void(const DamagedLine&)> on_damage{};
  // Most bytes of one file.
  int64_t max_bytes = int64_t{4} << 30;
  std::string trans_de_en_path = "/usr/share/trans/de-en";
  // Of trans-de-en, pairs with fewer words on both sides are left out: three of four are a single word.
  int64_t min_words = 1;
};

// `spec` is one of
//   trans-de-en         Debian's package of this name, German to English (trans_de_en.h has the rules)
//   trans-de-en:FILE    the same from another file
//   parallel:FOLDER     FOLDER/{train,valid,test}.{SOURCE,TARGET}: plain UTF-8, one sentence a line, line by line
// Lines end with \n, a \r before it is dropped, as is a byte order mark at the begin of a file; the last line may do
// without. Tabs and runs of spaces become one space.
// Damage, left out and counted, is a pair of lines one of which is empty, is no valid UTF-8, has a control character
// (NUL and all others of C0 and C1 but the tab, and DEL), or is longer than the positions.
// Always an error, since nothing is aligned any more: unequal numbers of lines (InvalidArgument, with both), files
// missing (NotFound), files above max_bytes, a part without any pair that is whole, languages that cannot be told.
absl::StatusOr<ParallelText> LoadParallelText(std::string_view spec, const ParallelTextOptions& options = {});

// Any two files, by the same rules.
absl::StatusOr<TextPart> LoadTextPair(const std::string& source_path, const std::string& target_path,
                                      const ParallelTextOptions& options = {});

// The same of texts in memory, named `source_path` and `target_path` in messages.
absl::StatusOr<TextPart> ParseTextPair(std::string_view source, std::string_view target, const std::string& source_path,
                                       const std::string& target_path, const ParallelTextOptions& options = {});

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TEXT_PARALLEL_TEXT_H_
