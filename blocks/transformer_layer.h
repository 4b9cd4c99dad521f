// The layers of HAT's encoder and decoder (spec/search-spaces.md 4.2, 3 to 6), elastic in width, hidden width and
// heads, over whole rows of tokens or, in the decoder, over one token after the other.
#ifndef MATHNAS_BLOCKS_TRANSFORMER_LAYER_H_
#define MATHNAS_BLOCKS_TRANSFORMER_LAYER_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/graph.h"

namespace mathnas::blocks {

// Number of the padding token.
inline constexpr int32_t kPaddingToken = 1;

// Drops values of training (Srivastava et al., 2014). Each place that does so has a stream of its own.
class DropoutStreams {
 public:
  // `seed`{1} int64, of which all that is dropped in a run depends; not read where no rate is above 0.
  explicit DropoutStreams(kernels::Value seed) : seed_(seed) {}
  kernels::Value Drop(kernels::Graph& g, kernels::Value x, double rate);
  kernels::Value seed() const { return seed_; }
  int32_t Next() { return next_++; }

 private:
  kernels::Value seed_;
  int32_t next_ = 0;
};

// Tensors of which a layer uses the leading rows and columns.
struct StoredTransformer {
  int64_t channels;  // of the layer
  int64_t hidden;    // of its feed-forward part
  int64_t memory;    // columns of what makes queries, keys and values of the attention to the encoder
  int64_t qkv;       // Q: features of queries, of keys and of values, all heads together; no part of them is taken
};

struct TransformerOptions {
  int64_t hidden;
  int32_t self_heads;
  int32_t cross_heads = 0;  // of decoders
  // Of the attention over its own tokens, and of the other parts; and of attention's probabilities.
  double self_dropout = 0, dropout = 0, attention_dropout = 0;
};

// Keys and values{B / R,S,Q} of a memory, and the tokens{B / R,S'} it is of: R rows of queries after each other read
// the same ones. S is a multiple of S': several outputs of an encoder, one behind the other.
struct Memory {
  kernels::Value keys, values, tokens;
};

// What a decoder layer keeps of earlier tokens: states keys{B,L,Q} and values{B,L,Q}. Those of the tokens of this
// run are stored from row `at`{1} int64 on; `tokens`{B,L} int64 has the padding token wherever a row holds nothing yet.
struct KeyCache {
  kernels::Value keys, values, at, tokens;
};

// x{B,S,d} -> {B,S,d}: x = LN(x + attention(x)), x = LN(x + fc2(relu(fc1(x)))). tokens{B,S}: no query looks at padding.
// Parameters PREFIX.{self_attn,self_attn_layer_norm,fc1,fc2,final_layer_norm}.* by the names of 4.3.
kernels::Value EncoderLayer(kernels::Graph& g, kernels::Value x, kernels::Value tokens, std::string_view prefix,
                            const StoredTransformer& stored, const TransformerOptions& options,
                            DropoutStreams& streams);

// Keys and values of memory{B,S,d_e} for the decoder layer of this prefix.
Memory ProjectMemory(kernels::Graph& g, kernels::Value memory, kernels::Value tokens, std::string_view prefix,
                     const StoredTransformer& stored);

// x{B,T,d} -> {B,T,d}: as EncoderLayer, with an attention to the memory between the two (PREFIX.encoder_attn.*). No
// query looks at later tokens. With a cache, x are the tokens after those that it holds.
kernels::Value DecoderLayer(kernels::Graph& g, kernels::Value x, const Memory& memory, std::string_view prefix,
                            const StoredTransformer& stored, const TransformerOptions& options, DropoutStreams& streams,
                            const std::optional<KeyCache>& cache = std::nullopt);

}  // namespace mathnas::blocks

#endif  // MATHNAS_BLOCKS_TRANSFORMER_LAYER_H_
