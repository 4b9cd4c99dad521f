// HAT's SuperTransformer (spec/search-spaces.md 4) as a search space: a node per layer (6.3), and the widths.
#ifndef MATHNAS_SUPERNET_SUPERTRANSFORMER_SPACE_H_
#define MATHNAS_SUPERNET_SUPERTRANSFORMER_SPACE_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/search_space.h"
#include "supernet/supertransformer/architecture.h"

namespace mathnas::supernet {

struct SuperTransformerMacro {
  supertransformer::Task task = supertransformer::Task::kWmt;
  // Tokens of each language; the same number where the task shares the embedding.
  int64_t source_vocabulary = 32768, target_vocabulary = 32768;
  // Pairs of widths, as JoinedWidths makes them, ascending. Empty: all of them.
  std::vector<int> widths = {};
};

// Both widths in one number, as values of a shared choice are: encoder * 1000 + decoder, 640512.
int JoinedWidths(int encoder, int decoder);
void SetJoinedWidths(int joined, supertransformer::Architecture& architecture);

// Nodes: "encoder0" .., "decoder0" .. with the candidates of the published tables, in the order of 6.3 (hidden width,
// heads of both attentions, and how many encoder outputs the layer attends to), where a decoder layer but for the first
// also has "end": it and all later ones do not run. Then `widths`, where there are several pairs: a choice that all
// others share. The base network has the largest candidate everywhere, and the smallest widths, which are those of the
// published tables.
//
// Networks have the tensors of the supernet's state dict (4.3) by the same names, whether shared or their own; own ones
// are the parts that the network uses. A shared embedding is "decoder.embed_tokens.weight". `encoder.version` and
// `embed_positions` are not used. In graphs, blocks are named after their node, activations too; "encoder_embedding",
// "decoder_embedding" and "vocabulary" are the others. Graphs take tokens, of which those of padding are 1: inputs
// "source"{N,S}, "previous"{N,T} int64, and where something is dropped "seed"{1}; without lengths in the request they
// have those that the reference counts with (4.4).
//
// InvalidArgument names the macro parameter that is out of range.
absl::StatusOr<std::shared_ptr<const SearchSpace>> SuperTransformer(const SuperTransformerMacro& macro);
// From MacroJson().
absl::StatusOr<SuperTransformerMacro> ParseSuperTransformerMacro(std::string_view json);

// A network of one of these spaces, as what it is made of. The choice must be valid.
supertransformer::Architecture ArchitectureOf(const SuperTransformerMacro& macro, const Choice& choice);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_SUPERTRANSFORMER_SPACE_H_
