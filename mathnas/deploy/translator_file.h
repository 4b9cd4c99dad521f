// The translation network that leaves the house: one file with its weights and its vocabularies. Nothing else of the
// training is needed to run it (translator.h).
//
// `translator.mathnas` is a safetensors file whose metadata are
//   format       "mathnas-translator/1"
//   space        "supertransformer"
//   macro        JSON of SearchSpace::MacroJson: task, sizes of the vocabularies, widths
//   subnet       JSON of the network (spec/interfaces.md 1)
//   search       {"beam": 4, "length_penalty": 0.6}
//   information  any JSON object
// and whose tensors are the network's own weights, by the names of the reference's state dict, and the vocabularies:
// U8{bytes} of what would be their files (Vocabulary::serialized), "vocabulary.model" of one for both languages, else
// "source.model" and "target.model"; of dictionaries with ".txt".
#ifndef MATHNAS_MATHNAS_DEPLOY_TRANSLATOR_FILE_H_
#define MATHNAS_MATHNAS_DEPLOY_TRANSLATOR_FILE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/tensor.h"
#include "supernet/safetensors.h"
#include "supernet/supertransformer/space.h"
#include "supernet/text/vocabulary.h"

namespace mathnas::deploy {

inline constexpr std::string_view kTranslatorFormat = "mathnas-translator/1";

struct DeployedTranslator {
  supernet::SuperTransformerMacro macro;
  supernet::Choice choice;
  kernels::TensorMap weights;  // float32, the network's own (supernet::ExtractWeights)
  supernet::VocabularyPair vocabularies;
  // How translations are looked for (supernet::SearchOptions) unless one asks for something else.
  int beam = 4;
  double length_penalty = 0.6;
  std::string information = "{}";  // text of a JSON object
};

// InvalidArgument says which part is none of the space, which tensors are missing, too many or of another shape, or
// what else breaks a rule given above. Values of weights are not looked at. Save and LoadTranslator check this
// themselves.
absl::Status Check(const DeployedTranslator& translator);

// Writes the file as supernet::AtomicWriteFile does: complete or not at all; the same translator gives the same bytes.
// Errors name the file.
absl::Status Save(const std::string& path, const DeployedTranslator& translator);

// Reads a file and checks all of it. The weights are views of the mapped file, read-only and alive as long as the
// tensors are; one that the file holds misaligned for its element type is a copy. Errors name the file, the field and
// what was expected: InvalidArgument for a file that is truncated, of another format or breaks a rule,
// Unimplemented for a version of the format that is not known, NotFound for vocabularies that are missing, the system's
// own otherwise.
absl::StatusOr<DeployedTranslator> LoadTranslator(const std::string& path);
// The same of a file that was opened to see what it is.
absl::StatusOr<DeployedTranslator> LoadTranslator(supernet::SafetensorsFile file);

}  // namespace mathnas::deploy

#endif  // MATHNAS_MATHNAS_DEPLOY_TRANSLATOR_FILE_H_
