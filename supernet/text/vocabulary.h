// Sub-words and their ids (search-spaces.md 4.5): a sentencepiece model, trained or loaded, or a dictionary of
// fairseq's for text that was cut into words or BPE beforehand.
#ifndef MATHNAS_SUPERNET_TEXT_VOCABULARY_H_
#define MATHNAS_SUPERNET_TEXT_VOCABULARY_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supernet/text/parallel_text.h"

namespace mathnas::supernet {

// HAT's ids, of fairseq. Words begin with kFirstWordId.
inline constexpr int32_t kBosId = 0, kPadId = 1, kEosId = 2, kUnknownId = 3, kFirstWordId = 4;

struct VocabularyOptions {
  enum class Kind : uint8_t { kUnigram, kBpe };
  Kind kind = Kind::kUnigram;
  // Ids, with the four special ones: 16 to 1,000,000, rounded up to a multiple of 8. Text that does not have as many
  // sub-words gives fewer.
  int64_t size = 8000;
  // Share of the characters of the text that become sub-words themselves; rarer ones are unknown. Above 0.9, at most 1.
  double character_coverage = 0.9999;
  // Sentences taken, evenly spread, where there are more.
  int64_t max_sentences = 200'000;
};

struct Encoding {
  std::vector<int32_t> ids;  // ends with kEosId
  int64_t unknown = 0;       // how many are kUnknownId
};

// Immutable; threads share it.
class Vocabulary {
 public:
  // Trains a sentencepiece model: a function of sentences and options, whatever the machine's number of cores. Text is
  // taken as it is (no Unicode normalisation), but for spaces. Sets the log level of the whole process's
  // libsentencepiece to errors that end it, as it writes to stderr otherwise. InvalidArgument: options out of range, no
  // sentence with a character that is not a space, more distinct characters than `size` holds, and what sentencepiece
  // says.
  static absl::StatusOr<Vocabulary> Train(std::span<const std::string_view> sentences,
                                          const VocabularyOptions& options = {});

  // A file that ends in .txt is a dictionary, any other a sentencepiece model.
  static absl::StatusOr<Vocabulary> Load(const std::string& path);
  // The same of the bytes of a file with this name.
  static absl::StatusOr<Vocabulary> Parse(std::string_view bytes, const std::string& path);
  // A sentencepiece model (unigram or BPE, also of others): special pieces get HAT's ids, the others the following
  // ones in the order of the model. What the library would trust blindly is checked here first. InvalidArgument names
  // `path` and the field.
  static absl::StatusOr<Vocabulary> ParseModel(std::string_view bytes, const std::string& path);
  // A fairseq dictionary ("dict.de.txt"): "TOKEN COUNT" a line, ids in order of the lines from kFirstWordId.
  // InvalidArgument names `path` and the line: no count, invalid UTF-8, a token that came before.
  static absl::StatusOr<Vocabulary> ParseDictionary(std::string_view text, const std::string& path);

  // As Load takes it: a model to a name that does not end in .txt, a dictionary to one that does; InvalidArgument
  // otherwise. Of a dictionary, the counts are kept.
  absl::Status Save(const std::string& path) const;
  // The bytes of that file, for a checkpoint.
  const std::string& serialized() const;
  bool is_dictionary() const;

  // Ids: special ones, words, and what fills up to a multiple of 8 (never in an encoding).
  int64_t size() const;
  // Special ones and words.
  int64_t used() const;
  // The sub-word of an id: "<s>" "<pad>" "</s>" "<unk>" for special ones, "madeupwordNNNN" for what fills up; empty
  // out of range.
  std::string_view token(int64_t id) const;

  // Any bytes: what is no valid UTF-8 is U+FFFD. A dictionary cuts at spaces. A character (sentencepiece: a run of
  // them) or word that the vocabulary does not have is kUnknownId. Internal: what sentencepiece says; not expected.
  absl::StatusOr<Encoding> Encode(std::string_view text) const;
  // Text up to the first kEosId. kBosId and kPadId, and ids that are no word, are skipped; unknown ones are " ⁇ " of a
  // model, "<unk>" of a dictionary; of a dictionary, "@@ " joins what it was cut from.
  std::string Decode(std::span<const int32_t> ids) const;

 private:
  struct State;
  explicit Vocabulary(std::shared_ptr<const State> state);
  std::shared_ptr<const State> state_;
};

struct VocabularyPair {
  Vocabulary source, target;  // two names of one when joined
  bool joined = false;
};

// From the training part: one for both languages (WMT in HAT), or one for each (IWSLT).
absl::StatusOr<VocabularyPair> TrainVocabularies(const ParallelText& text, bool joined,
                                                 const VocabularyOptions& options = {});

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TEXT_VOCABULARY_H_
