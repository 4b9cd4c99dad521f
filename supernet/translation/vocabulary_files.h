// The vocabularies of a translation network, in files beside its checkpoint.
#ifndef MATHNAS_SUPERNET_TRANSLATION_VOCABULARY_FILES_H_
#define MATHNAS_SUPERNET_TRANSLATION_VOCABULARY_FILES_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/text/vocabulary.h"
#include "supernet/training/checkpoint.h"

namespace mathnas::supernet {

// Tells vocabularies apart: FNV-1a of 64 bits over what Vocabulary::serialized() says of both, in hexadecimal.
std::string VocabularyHash(const VocabularyPair& vocabularies);

// How they are called wherever they are kept: "vocabulary" of one for both languages, else "source" and "target", with
// ".model" or, of a dictionary, ".txt".
struct NamedVocabulary {
  std::string name;
  const Vocabulary* vocabulary;
};
std::vector<NamedVocabulary> NamedVocabularies(const VocabularyPair& vocabularies);
// A pair from what `find` knows by these names; none is what there is not. NotFound says which were looked for.
absl::StatusOr<VocabularyPair> FindVocabularies(
    const std::function<absl::StatusOr<std::optional<Vocabulary>>(const std::string& name)>& find);

// Where vocabularies come from: files (Vocabulary::Load), or the text where none is named.
struct VocabularySource {
  std::string source_file, target_file;
  VocabularyOptions training = {};

  bool is_text() const { return source_file.empty() && target_file.empty(); }
};
// `joined`: one for both languages, so that no file may be named for the target but the source's. InvalidArgument: a
// file that is missing for one of the languages, or too many; errors of Vocabulary::Load and TrainVocabularies.
absl::StatusOr<VocabularyPair> MakeVocabularies(const ParallelText& text, bool joined, const VocabularySource& from);

// Writes them into the folder of `checkpoint_path`. Errors name the file.
absl::Status SaveVocabulariesBeside(const std::string& checkpoint_path, const VocabularyPair& vocabularies);
// NotFound names the checkpoint and the files.
absl::StatusOr<VocabularyPair> LoadVocabulariesBeside(const std::string& checkpoint_path);
// Those of a checkpoint that was loaded from this path; InvalidArgument if they are not the ones that it was trained
// with (the recipe has their hash), or not of the sizes of its network.
absl::StatusOr<VocabularyPair> LoadVocabulariesOf(const Checkpoint& checkpoint, const std::string& checkpoint_path);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRANSLATION_VOCABULARY_FILES_H_
