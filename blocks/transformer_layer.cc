#include "blocks/transformer_layer.h"

#include <string>

#include "blocks/elastic.h"
#include "fmt/format.h"

namespace mathnas::blocks {

using kernels::Graph;
using kernels::Value;

namespace {

// A third of in_proj_weight and in_proj_bias.
enum class Projection : uint8_t { kQuery, kKey, kValue };

class Layer {
 public:
  Layer(Graph& g, std::string_view prefix, const StoredTransformer& stored) : g_(g), prefix_(prefix), stored_(stored) {}

  // x{..,d} -> {..,Q}: rows of the third, columns of the width of x. The bias is whole.
  Value Project(Value x, std::string_view part, Projection projection, int64_t stored_columns) {
    if (!x.valid()) return x;
    const auto begin = static_cast<int32_t>(static_cast<int64_t>(projection) * stored_.qkv);
    const int64_t width = g_.desc(x).shape.back();
    const Value weight = g_.Parameter(Name(part, "in_proj_weight"), {3 * stored_.qkv, stored_columns});
    const Value bias = g_.Parameter(Name(part, "in_proj_bias"), {3 * stored_.qkv});
    const kernels::Slice rows = {begin, static_cast<int32_t>(stored_.qkv),
                                 static_cast<int32_t>(width < stored_columns ? width : 0)};
    const kernels::Slice entries = {begin, static_cast<int32_t>(stored_.qkv), 0};
    return g_.Apply(kernels::Linear{}, {x, g_.Apply(rows, {weight})[0], g_.Apply(entries, {bias})[0]})[0];
  }

  // y{..,Q} -> {..,width}.
  Value ProjectOut(Value y, std::string_view part, int64_t width) {
    return Linear(y, Name(part, "out_proj"), stored_.channels, stored_.qkv, width);
  }

  // x{..,in} -> {..,out} by the leading part of a weight{stored_out,stored_in}.
  Value Linear(Value x, const std::string& name, int64_t stored_out, int64_t stored_in, int64_t out) {
    if (!x.valid()) return x;
    const int64_t in = g_.desc(x).shape.back();
    const Value weight = LeadingParameter(g_, name + ".weight", {stored_out, stored_in}, out, in);
    const Value bias = LeadingParameter(g_, name + ".bias", {stored_out}, out);
    return g_.Apply(kernels::Linear{}, {x, weight, bias})[0];
  }

  // LN(x + y).
  Value AddNorm(Value x, Value y, std::string_view part) {
    if (!x.valid() || !y.valid()) return {};
    const int64_t width = g_.desc(x).shape.back();
    const Value gamma = LeadingParameter(g_, Name(part, "weight"), {stored_.channels}, width);
    const Value beta = LeadingParameter(g_, Name(part, "bias"), {stored_.channels}, width);
    return g_.Apply(kernels::LayerNorm{}, {g_.Apply(kernels::Add{}, {x, y})[0], gamma, beta})[0];
  }

  Value FeedForward(Value x, int64_t hidden, double dropout, DropoutStreams& streams) {
    if (!x.valid()) return x;
    const int64_t width = g_.desc(x).shape.back();
    Value h = Linear(x, fmt::format("{}.fc1", prefix_), stored_.hidden, stored_.channels, hidden);
    h = g_.Apply(kernels::Relu{}, {h})[0];
    h = Linear(h, fmt::format("{}.fc2", prefix_), stored_.channels, stored_.hidden, width);
    return AddNorm(x, streams.Drop(g_, h, dropout), "final_layer_norm");
  }

  // With an invalid `tokens`, no key is left out.
  Value Attend(Value q, Value k, Value v, Value tokens, int32_t heads, bool causal, double dropout,
               DropoutStreams& streams) {
    kernels::Attention attention = {
        .heads = heads, .causal = causal, .masked = tokens.valid(), .padding = kPaddingToken};
    kernels::Values operands = {q, k, v};
    if (tokens.valid()) operands.push_back(tokens);
    if (dropout > 0) {
      attention.rate = dropout;
      attention.stream = streams.Next();
      operands.push_back(streams.seed());
    }
    return g_.Apply(attention, operands)[0];
  }

  std::string Name(std::string_view part, std::string_view rest) const {
    return fmt::format("{}.{}.{}", prefix_, part, rest);
  }

 private:
  Graph& g_;
  std::string_view prefix_;
  StoredTransformer stored_;
};

}  // namespace

Value DropoutStreams::Drop(Graph& g, Value x, double rate) {
  if (rate <= 0) return x;
  return g.Apply(kernels::Dropout{.rate = rate, .stream = Next()}, {x, seed_})[0];
}

Value EncoderLayer(Graph& g, Value x, Value tokens, std::string_view prefix, const StoredTransformer& stored,
                   const TransformerOptions& o, DropoutStreams& streams) {
  if (!x.valid()) return x;
  Layer layer(g, prefix, stored);
  const Value q = layer.Project(x, "self_attn", Projection::kQuery, stored.channels);
  const Value k = layer.Project(x, "self_attn", Projection::kKey, stored.channels);
  const Value v = layer.Project(x, "self_attn", Projection::kValue, stored.channels);
  Value y = layer.Attend(q, k, v, tokens, o.self_heads, /*causal=*/false, o.attention_dropout, streams);
  y = layer.ProjectOut(y, "self_attn", g.desc(x).shape.back());
  x = layer.AddNorm(x, streams.Drop(g, y, o.self_dropout), "self_attn_layer_norm");
  return layer.FeedForward(x, o.hidden, o.dropout, streams);
}

Memory ProjectMemory(Graph& g, Value memory, Value tokens, std::string_view prefix, const StoredTransformer& stored) {
  Layer layer(g, prefix, stored);
  return {layer.Project(memory, "encoder_attn", Projection::kKey, stored.memory),
          layer.Project(memory, "encoder_attn", Projection::kValue, stored.memory), tokens};
}

Value DecoderLayer(Graph& g, Value x, const Memory& memory, std::string_view prefix, const StoredTransformer& stored,
                   const TransformerOptions& o, DropoutStreams& streams, const std::optional<KeyCache>& cache) {
  if (!x.valid()) return x;
  const int64_t width = g.desc(x).shape.back();
  Layer layer(g, prefix, stored);
  Value q = layer.Project(x, "self_attn", Projection::kQuery, stored.channels);
  const Value k = layer.Project(x, "self_attn", Projection::kKey, stored.channels);
  const Value v = layer.Project(x, "self_attn", Projection::kValue, stored.channels);
  Value y;
  if (cache) {
    g.Apply(kernels::Store{}, {cache->keys, k, cache->at});
    g.Apply(kernels::Store{}, {cache->values, v, cache->at});
    y = layer.Attend(q, cache->keys, cache->values, cache->tokens, o.self_heads, /*causal=*/false, 0, streams);
  } else {
    y = layer.Attend(q, k, v, {}, o.self_heads, /*causal=*/true, o.attention_dropout, streams);
  }
  y = layer.ProjectOut(y, "self_attn", width);
  x = layer.AddNorm(x, streams.Drop(g, y, o.self_dropout), "self_attn_layer_norm");

  q = layer.Project(x, "encoder_attn", Projection::kQuery, stored.memory);
  y = layer.Attend(q, memory.keys, memory.values, memory.tokens, o.cross_heads, /*causal=*/false, o.attention_dropout,
                   streams);
  y = layer.ProjectOut(y, "encoder_attn", width);
  x = layer.AddNorm(x, streams.Drop(g, y, o.dropout), "encoder_attn_layer_norm");
  return layer.FeedForward(x, o.hidden, o.dropout, streams);
}

}  // namespace mathnas::blocks
