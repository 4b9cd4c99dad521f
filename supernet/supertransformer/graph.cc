#include "supernet/supertransformer/graph.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "blocks/elastic.h"
#include "fmt/format.h"

namespace mathnas::supernet::supertransformer {
namespace {

using blocks::StoredTransformer;
using blocks::TransformerOptions;
using kernels::Graph;
using kernels::Value;

// Adds the parts of a network to a graph.
class Builder {
 public:
  Builder(Graph& g, const SuperTransformerMacro& macro, const Architecture& a, const GraphRequest& request)
      : g_(g),
        macro_(macro),
        choices_(ChoicesOf(macro.task)),
        a_(a),
        shared_(request.weights == Weights::kShared),
        dropout_(request.dropout),
        attention_dropout_(request.attention_dropout),
        streams_(dropout_ > 0 || attention_dropout_ > 0 ? g.Integers("seed", {1}) : Value{}) {}

  // Outputs of all layers, the last one at the end.
  std::vector<Value> Encode(Value source) {
    const std::string table = choices_.shared_embedding ? "decoder.embed_tokens.weight" : "encoder.embed_tokens.weight";
    g_.SetBlock("encoder_embedding");
    Value x = Embed(source, source, /*from_tokens=*/true, table, macro_.source_vocabulary, a_.encoder_width);
    std::vector<Value> outputs;
    for (int i = 0; i < a_.encoder_layers; ++i) {
      const std::string name = fmt::format("encoder{}", i);
      g_.SetBlock(name);
      const TransformerOptions options = {.hidden = a_.encoder_hidden[i],
                                          .self_heads = a_.encoder_heads[i],
                                          .self_dropout = dropout_,  // the one that is not scaled with the width
                                          .dropout = DropoutOf(a_.encoder_width),
                                          .attention_dropout = attention_dropout_};
      x = blocks::EncoderLayer(g_, x, source, fmt::format("encoder.layers.{}", i),
                               Stored(a_.encoder_width, a_.encoder_hidden[i]), options, streams_);
      g_.SetName(x, name);
      outputs.push_back(x);
    }
    return outputs;
  }

  // The last outputs of the encoder that a decoder layer attends to, the last one first.
  Value MemoryOf(const std::vector<Value>& encoded, int layer) {
    const int count = MemoryLayers(a_.span[layer]);
    kernels::Values parts(encoded.rbegin(), encoded.rbegin() + count);
    return count == 1 ? parts[0] : g_.Apply(kernels::Concat{.axis = 1}, parts)[0];
  }

  blocks::Memory Project(Value memory, Value source, int layer) {
    return blocks::ProjectMemory(g_, memory, source, DecoderPrefix(layer), StoredDecoder(layer));
  }

  // `positions` are places in the table, or tokens to be counted.
  Value EmbedPrevious(Value tokens, Value positions, bool from_tokens) {
    g_.SetBlock("decoder_embedding");
    return Embed(tokens, positions, from_tokens, "decoder.embed_tokens.weight", macro_.target_vocabulary,
                 a_.decoder_width);
  }

  Value DecoderLayer(Value x, const blocks::Memory& memory, int layer,
                     const std::optional<blocks::KeyCache>& cache = std::nullopt) {
    const double dropout = DropoutOf(a_.decoder_width);
    const TransformerOptions options = {.hidden = a_.decoder_hidden[layer],
                                        .self_heads = a_.self_heads[layer],
                                        .cross_heads = a_.cross_heads[layer],
                                        .self_dropout = dropout,
                                        .dropout = dropout,
                                        .attention_dropout = attention_dropout_};
    x = blocks::DecoderLayer(g_, x, memory, DecoderPrefix(layer), StoredDecoder(layer), options, streams_, cache);
    g_.SetName(x, DecoderName(layer));
    return x;
  }

  Value Logits(Value x) {
    g_.SetBlock("vocabulary");
    const std::string table = choices_.shared_embedding ? "decoder.embed_tokens.weight" : "decoder.embed_out";
    const Value weight = Table(table, macro_.target_vocabulary, a_.decoder_width);
    if (!x.valid()) return x;
    const Value logits = g_.Apply(kernels::Linear{.has_bias = false}, {x, weight})[0];
    g_.SetName(logits, "logits");
    return logits;
  }

  void SetDecoderBlock(int layer) { g_.SetBlock(DecoderName(layer)); }

 private:
  static std::string DecoderName(int layer) { return fmt::format("decoder{}", layer); }
  static std::string DecoderPrefix(int layer) { return fmt::format("decoder.layers.{}", layer); }

  double DropoutOf(int width) const { return dropout_ * width / choices_.stored_width(); }

  StoredTransformer Stored(int width, int hidden) const {
    if (shared_) return {choices_.stored_width(), choices_.stored_hidden(), choices_.stored_width(), choices_.qkv};
    return {width, hidden, std::max(a_.encoder_width, a_.decoder_width), choices_.qkv};
  }
  StoredTransformer StoredDecoder(int layer) const { return Stored(a_.decoder_width, a_.decoder_hidden[layer]); }

  // An embedding: all rows, the leading columns. A shared one has the columns of both sides.
  Value Table(std::string_view name, int64_t rows, int width) {
    const int own = choices_.shared_embedding ? std::max(a_.encoder_width, a_.decoder_width) : width;
    return blocks::LeadingParameter(g_, name, {rows, shared_ ? choices_.stored_width() : own}, rows, width);
  }

  Value Embed(Value tokens, Value positions, bool from_tokens, std::string_view table, int64_t vocabulary, int width) {
    const kernels::Embedding embedding = {.scale = std::sqrt(static_cast<double>(width)), .padding = kPad};
    const Value words = g_.Apply(embedding, {tokens, Table(table, vocabulary, width)})[0];
    const kernels::SinusoidalPositions sinusoids = {.columns = width,
                                                    .width = choices_.stored_width(),
                                                    .rows = static_cast<int32_t>(kPad + 1 + kMaxTokens),
                                                    .padding = kPad,
                                                    .from_tokens = from_tokens};
    const Value places = g_.Apply(sinusoids, {positions})[0];
    return streams_.Drop(g_, g_.Apply(kernels::Add{}, {words, places})[0], DropoutOf(width));
  }

  Graph& g_;
  const SuperTransformerMacro& macro_;
  const Choices& choices_;
  const Architecture& a_;
  bool shared_;
  double dropout_, attention_dropout_;
  blocks::DropoutStreams streams_;
};

int64_t Given(int64_t length, const SuperTransformerMacro& macro) {
  return length > 0 ? length : ChoicesOf(macro.task).length;
}

}  // namespace

Value WholeNetwork(Graph& g, const SuperTransformerMacro& macro, const Architecture& a, const GraphRequest& request) {
  const Value source = g.Integers("source", {request.batch, Given(request.source_length, macro)});
  const Value previous = g.Integers("previous", {request.batch, Given(request.target_length, macro)});
  Builder builder(g, macro, a, request);
  const std::vector<Value> encoded = builder.Encode(source);
  Value x = builder.EmbedPrevious(previous, previous, /*from_tokens=*/true);
  for (int i = 0; i < a.decoder_layers; ++i) {
    builder.SetDecoderBlock(i);
    x = builder.DecoderLayer(x, builder.Project(builder.MemoryOf(encoded, i), source, i), i);
  }
  return builder.Logits(x);
}

std::vector<LayerMemory> EncodedSource(Graph& g, const SuperTransformerMacro& macro, const Architecture& a,
                                       const GraphRequest& request) {
  const Value source = g.Integers("source", {request.batch, Given(request.source_length, macro)});
  Builder builder(g, macro, a, request);
  const std::vector<Value> encoded = builder.Encode(source);
  std::vector<LayerMemory> memories;
  for (int i = 0; i < a.decoder_layers; ++i) {
    builder.SetDecoderBlock(i);
    const blocks::Memory memory = builder.Project(builder.MemoryOf(encoded, i), source, i);
    memories.push_back({memory.keys, memory.values});
  }
  return memories;
}

Value DecodingStep(Graph& g, const SuperTransformerMacro& macro, const Architecture& a, const StepSizes& sizes,
                   Weights weights) {
  const int64_t rows = sizes.sources * sizes.beams, features = ChoicesOf(macro.task).qkv;
  const Value source = g.Integers("source", {sizes.sources, sizes.source_length});
  const Value token = g.Integers("token", {rows, 1}), position = g.Integers("position", {rows, 1});
  const Value at = g.Integers("at", {1}), held = g.Integers("held", {rows, sizes.capacity});
  Builder builder(g, macro, a, {.batch = rows, .weights = weights, .real = g.real()});
  Value x = builder.EmbedPrevious(token, position, /*from_tokens=*/false);
  for (int i = 0; i < a.decoder_layers; ++i) {
    const kernels::Shape memory = {sizes.sources, MemoryLayers(a.span[i]) * sizes.source_length, features};
    const blocks::Memory read = {g.Input(fmt::format("memory.keys.{}", i), memory),
                                 g.Input(fmt::format("memory.values.{}", i), memory), source};
    const kernels::Shape kept = {rows, sizes.capacity, features};
    const blocks::KeyCache cache = {g.State(fmt::format("cache.keys.{}", i), kept),
                                    g.State(fmt::format("cache.values.{}", i), kept), at, held};
    builder.SetDecoderBlock(i);
    x = builder.DecoderLayer(x, read, i, cache);
  }
  return builder.Logits(x);
}

}  // namespace mathnas::supernet::supertransformer
