// The graphs of a SuperTransformer: the whole network over rows of tokens, and the two that translate token by token
// (spec/search-spaces.md 4.2).
#ifndef MATHNAS_SUPERNET_SUPERTRANSFORMER_GRAPH_H_
#define MATHNAS_SUPERNET_SUPERTRANSFORMER_GRAPH_H_

#include <cstdint>
#include <vector>

#include "blocks/transformer_layer.h"
#include "kernels/graph.h"
#include "supernet/search_space.h"
#include "supernet/supertransformer/space.h"

namespace mathnas::supernet::supertransformer {

// Tokens of a row at most: the rows of the table of positions but for its first two (4.2, 2).
inline constexpr int64_t kMaxTokens = 1024;
// Numbers of tokens that are no words (4.5).
inline constexpr int32_t kBos = 0, kPad = blocks::kPaddingToken, kEos = 2, kUnk = 3;

// Inputs "source"{N,S}, "previous"{N,T} (and "seed"{1} if the request drops something) -> logits{N,T,V}, named
// "logits"; encoder and decoder layers are named after their nodes.
kernels::Value WholeNetwork(kernels::Graph& g, const SuperTransformerMacro& macro, const Architecture& a,
                            const GraphRequest& request);

// What the layers of the decoder read of a source: for layer i keys and values{N,m_i S,Q}, m_i encoder outputs long.
struct LayerMemory {
  kernels::Value keys, values;
};
// Input "source"{N,S}. For inference; `request` says batch, source_length, weights and type.
std::vector<LayerMemory> EncodedSource(kernels::Graph& g, const SuperTransformerMacro& macro, const Architecture& a,
                                       const GraphRequest& request);

// How much the graph of one step holds.
struct StepSizes {
  int64_t sources = 1;        // N
  int64_t beams = 1;          // R rows per source
  int64_t source_length = 1;  // S
  int64_t capacity = 1;       // L: tokens of a row that the caches hold
};
// The logits{N R,1,V} of one more token of every row. Inputs: "source"{N,S}; "memory.keys.I" and "memory.values.I", as
// of EncodedSource, for layer I; "token"{N R,1}, the last token of each row; "position"{N R,1}, kPad + its place in
// the row, from 1; "at"{1}, that place from 0; "held"{N R,L}: kPad where the caches hold nothing yet, this token
// counted as held. States: "cache.keys.I" and "cache.values.I"{N R,L,Q}.
kernels::Value DecodingStep(kernels::Graph& g, const SuperTransformerMacro& macro, const Architecture& a,
                            const StepSizes& sizes, Weights weights);

}  // namespace mathnas::supernet::supertransformer

#endif  // MATHNAS_SUPERNET_SUPERTRANSFORMER_GRAPH_H_
