#include "supernet/supertransformer/space.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/json_text.h"
#include "nlohmann/json.hpp"
#include "supernet/internal/macro_fields.h"
#include "supernet/supertransformer/graph.h"

namespace mathnas::supernet {
namespace {

using kernels::Graph;
using kernels::Shape;
using kernels::Value;
using kernels::internal::JsonText;
using nlohmann::json;
using namespace supertransformer;  // NOLINT: the sizes of this space

constexpr int kWidthFactor = 1000;  // of JoinedWidths

// Entry `index` of a list in ascending order; the lists are descending, as the reference has them.
int Ascending(std::span<const int> list, int index) { return list[list.size() - 1 - static_cast<size_t>(index)]; }
int IndexOf(std::span<const int> list, int value) {
  return static_cast<int>(list.end() - std::find(list.begin(), list.end(), value)) - 1;
}
int Size(std::span<const int> list) { return static_cast<int>(list.size()); }

// 6.3: heads fastest, then the hidden width.
struct EncoderCode {
  int hidden, heads;
};
EncoderCode EncoderCodeOf(const Choices& c, int code) {
  return {Ascending(c.hidden, code / Size(c.heads)), Ascending(c.heads, code % Size(c.heads))};
}
int CodeOf(const Choices& c, const EncoderCode& layer) {
  return IndexOf(c.hidden, layer.hidden) * Size(c.heads) + IndexOf(c.heads, layer.heads);
}

// 6.3: the hidden width fastest, then heads over itself, heads over the memory, and the span, which is ascending.
struct DecoderCode {
  int hidden, self_heads, cross_heads, span;
};
DecoderCode DecoderCodeOf(const Choices& c, int code) {
  const auto take = [&code](std::span<const int> list) {
    const int index = code % Size(list);
    code /= Size(list);
    return index;
  };
  DecoderCode layer{};
  layer.hidden = Ascending(c.hidden, take(c.hidden));
  layer.self_heads = Ascending(c.heads, take(c.heads));
  layer.cross_heads = Ascending(c.heads, take(c.heads));
  layer.span = c.spans[static_cast<size_t>(take(c.spans))];
  return layer;
}
int CodeOf(const Choices& c, const DecoderCode& layer) {
  int code = static_cast<int>(std::find(c.spans.begin(), c.spans.end(), layer.span) - c.spans.begin());
  code = code * Size(c.heads) + IndexOf(c.heads, layer.cross_heads);
  code = code * Size(c.heads) + IndexOf(c.heads, layer.self_heads);
  return code * Size(c.hidden) + IndexOf(c.hidden, layer.hidden);
}
int DecoderCodes(const Choices& c) { return Size(c.hidden) * Size(c.heads) * Size(c.heads) * Size(c.spans); }

std::vector<int> AllWidths(Task task) {
  const std::span<const int> widths = ChoicesOf(task).widths;
  std::vector<int> all;
  for (int encoder : widths) {
    for (int decoder : widths) all.push_back(JoinedWidths(encoder, decoder));
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<int> WidthsOf(const SuperTransformerMacro& macro) {
  return macro.widths.empty() ? AllWidths(macro.task) : macro.widths;
}

class Space : public SearchSpace {
 public:
  explicit Space(SuperTransformerMacro macro)
      : macro_(std::move(macro)), choices_(ChoicesOf(macro_.task)), widths_(WidthsOf(macro_)) {
    for (int i = 0; i < choices_.encoder_layers; ++i) AddEncoderNode(i);
    for (int i = 0; i < choices_.decoder_layers.front(); ++i) AddDecoderNode(i);
    if (widths_.size() > 1) {
      SpaceNode& node = nodes_.emplace_back(SpaceNode{"widths", {}, 0});
      for (int w : widths_) node.candidates.push_back(fmt::format("{}", w));
    }
    const Graph graph = Supernet({}).graph;
    for (Value v : graph.Leaves(kernels::ValueKind::kParameter)) {
      stored_.emplace(graph.info(v).name, graph.desc(v).shape);
    }
  }

  std::string_view name() const override { return "supertransformer"; }
  const std::vector<SpaceNode>& nodes() const override { return nodes_; }
  Shape input_shape(const Choice&) const override { return {choices_.length}; }
  int64_t classes() const override { return macro_.target_vocabulary; }
  std::string MacroJson() const override {
    return JsonText({{"task", Name(macro_.task)},
                     {"source_vocabulary", macro_.source_vocabulary},
                     {"target_vocabulary", macro_.target_vocabulary},
                     {"widths", macro_.widths}});
  }

  absl::StatusOr<Choice> ParseSubnet(std::string_view text) const override {
    const absl::StatusOr<Architecture> a = ParseArchitecture(macro_.task, text);
    if (!a.ok()) return a.status();
    const auto widths = std::find(widths_.begin(), widths_.end(), JoinedWidths(a->encoder_width, a->decoder_width));
    if (widths == widths_.end()) {
      return absl::InvalidArgumentError(
          fmt::format("encoder_embed_dim and decoder_embed_dim: {} and {}, this space has {} (encoder and decoder)",
                      a->encoder_width, a->decoder_width, fmt::join(widths_, ", ")));
    }
    Choice choice;
    for (int i = 0; i < choices_.encoder_layers; ++i) {
      choice.push_back(CodeOf(choices_, EncoderCode{a->encoder_hidden[i], a->encoder_heads[i]}));
    }
    for (int i = 0; i < choices_.decoder_layers.front(); ++i) {
      const DecoderCode layer = {a->decoder_hidden[i], a->self_heads[i], a->cross_heads[i], a->span[i]};
      choice.push_back(i < a->decoder_layers ? CodeOf(choices_, layer) : DecoderCodes(choices_));
    }
    if (widths_.size() > 1) choice.push_back(static_cast<int>(widths - widths_.begin()));
    return choice;
  }
  std::string SubnetJson(const Choice& choice) const override { return ToJson(ArchitectureOf(macro_, choice)); }

  NetworkGraph Network(const Choice& choice, const GraphRequest& request) const override {
    return Build(ArchitectureOf(macro_, choice), request);
  }
  // All networks use parts of the largest one's tensors.
  NetworkGraph Supernet(const GraphRequest& request) const override {
    GraphRequest shared = request;
    shared.weights = Weights::kShared;
    return Build(Largest(macro_.task), shared);
  }

  std::string SharedName(std::string_view own, const Choice&) const override { return std::string(own); }
  Value OwnTensor(Graph& g, std::string_view own, const Shape& shape, const Choice&) const override {
    const auto found = stored_.find(std::string(own));
    if (found == stored_.end()) return g.Parameter(own, shape);
    const bool narrower = shape.size() > 1 && shape[1] != found->second[1];
    return kernels::Leading(g, g.Parameter(own, found->second), shape[0], narrower ? shape[1] : 0);
  }

  SpaceStructure structure() const override {
    SpaceStructure structure;
    SpaceStructure::DepthGroup& depth = structure.depth.emplace_back();
    for (int i = 0; i < choices_.decoder_layers.front(); ++i) {
      depth.nodes.push_back(choices_.encoder_layers + i);
      depth.absent.push_back(i == 0 ? -1 : DecoderCodes(choices_));
    }
    structure.shared = widths_.size() > 1 ? static_cast<int>(nodes_.size()) - 1 : -1;
    return structure;
  }
  bool translates() const override { return true; }
  Initialization initialization() const override { return Initialization::kXavier; }
  Weights synthetic_weights() const override { return Weights::kShared; }
  int NodeOfBlock(std::string_view block) const override {
    const auto found =
        std::find_if(nodes_.begin(), nodes_.end(), [block](const SpaceNode& n) { return n.name == block; });
    return found == nodes_.end() ? -1 : static_cast<int>(found - nodes_.begin());
  }
  std::string_view flops_convention() const override {
    return "2 x multiply-adds as torchprofile traces them, without the vocabulary layer";
  }
  std::string_view flops_unit() const override { return "MFLOP"; }
  int64_t Flops(const kernels::Counts& counts) const override { return 2 * (counts.macs + counts.scalings); }
  bool counts_as_flops(std::string_view block) const override { return block != "vocabulary"; }
  // 4.4: without embeddings.
  bool counts_as_parameter(std::string_view name) const override {
    return name.find(".embed_") == std::string_view::npos;
  }
  // Own tensors that make queries, keys and values of an attention to the encoder have the columns of the wider side,
  // and each third uses those of its own.
  int64_t unused_parameters(const Choice& choice, std::string_view block) const override {
    if (NodeOfBlock(block) < choices_.encoder_layers) return 0;
    const Architecture a = ArchitectureOf(macro_, choice);
    const int64_t used = a.decoder_width + 2 * a.encoder_width, had = 3 * std::max(a.encoder_width, a.decoder_width);
    return choices_.qkv * (used - had);
  }

 private:
  void AddEncoderNode(int i) {
    SpaceNode& node = nodes_.emplace_back(SpaceNode{fmt::format("encoder{}", i), {}, 0});
    for (int code = 0; code < Size(choices_.hidden) * Size(choices_.heads); ++code) {
      const EncoderCode layer = EncoderCodeOf(choices_, code);
      node.candidates.push_back(fmt::format("ffn{}-self{}", layer.hidden, layer.heads));
    }
    node.reference = static_cast<int>(node.candidates.size()) - 1;
  }
  void AddDecoderNode(int i) {
    SpaceNode& node = nodes_.emplace_back(SpaceNode{fmt::format("decoder{}", i), {}, DecoderCodes(choices_) - 1});
    for (int code = 0; code < DecoderCodes(choices_); ++code) {
      const DecoderCode layer = DecoderCodeOf(choices_, code);
      node.candidates.push_back(fmt::format("ffn{}-self{}-ende{}-attn{}", layer.hidden, layer.self_heads,
                                            layer.cross_heads, MemoryLayers(layer.span)));
    }
    if (i > 0) node.candidates.emplace_back("end");
  }

  NetworkGraph Build(const Architecture& a, const GraphRequest& request) const {
    NetworkGraph network{Graph(request.real), {}};
    network.logits = WholeNetwork(network.graph, macro_, a, request);
    return network;
  }

  SuperTransformerMacro macro_;
  const Choices& choices_;
  std::vector<int> widths_;
  std::vector<SpaceNode> nodes_;
  std::map<std::string, Shape> stored_;  // of the supernet's tensors
};

absl::Status CheckMacro(const SuperTransformerMacro& macro) {
  constexpr int64_t kLeast = kUnk + 1, kMost = 1 << 20;
  for (const auto& [name, value] : {std::pair{"source_vocabulary", macro.source_vocabulary},
                                    std::pair{"target_vocabulary", macro.target_vocabulary}}) {
    if (value < kLeast || value > kMost) {
      return absl::InvalidArgumentError(fmt::format("{}: {}, expected {} to {}", name, value, kLeast, kMost));
    }
  }
  if (ChoicesOf(macro.task).shared_embedding && macro.source_vocabulary != macro.target_vocabulary) {
    return absl::InvalidArgumentError(
        fmt::format("target_vocabulary: {}, expected {}, that of the source: task {} has "
                    "one embedding for both",
                    macro.target_vocabulary, macro.source_vocabulary, Name(macro.task)));
  }
  const std::vector<int> all = AllWidths(macro.task);
  for (size_t i = 0; i < macro.widths.size(); ++i) {
    const int w = macro.widths[i];
    if (std::find(all.begin(), all.end(), w) == all.end() || (i > 0 && w <= macro.widths[i - 1])) {
      return absl::InvalidArgumentError(fmt::format(
          "widths[{}]: {}, expected ascending ones of {} (encoder and decoder)", i, w, fmt::join(all, ", ")));
    }
  }
  return absl::OkStatus();
}

}  // namespace

int JoinedWidths(int encoder, int decoder) { return encoder * kWidthFactor + decoder; }
void SetJoinedWidths(int joined, Architecture& a) {
  a.encoder_width = joined / kWidthFactor;
  a.decoder_width = joined % kWidthFactor;
}

Architecture ArchitectureOf(const SuperTransformerMacro& macro, const Choice& choice) {
  const Choices& c = ChoicesOf(macro.task);
  const std::vector<int> widths = WidthsOf(macro);
  const int joined = widths.size() > 1 ? widths[static_cast<size_t>(choice.back())] : widths.front();
  Architecture a;
  SetJoinedWidths(joined, a);
  a.encoder_layers = c.encoder_layers;
  auto code = choice.begin();
  for (int i = 0; i < c.encoder_layers; ++i) {
    const EncoderCode layer = EncoderCodeOf(c, *code++);
    a.encoder_hidden[i] = layer.hidden;
    a.encoder_heads[i] = layer.heads;
  }
  for (int i = 0; i < c.decoder_layers.front() && *code < DecoderCodes(c); ++i) {
    const DecoderCode layer = DecoderCodeOf(c, *code++);
    a.decoder_hidden[i] = layer.hidden;
    a.self_heads[i] = layer.self_heads;
    a.cross_heads[i] = layer.cross_heads;
    a.span[i] = layer.span;
    ++a.decoder_layers;
  }
  return a;
}

absl::StatusOr<std::shared_ptr<const SearchSpace>> SuperTransformer(const SuperTransformerMacro& macro) {
  if (auto s = CheckMacro(macro); !s.ok()) return s;
  return std::make_shared<Space>(macro);
}

absl::StatusOr<SuperTransformerMacro> ParseSuperTransformerMacro(std::string_view text) {
  const absl::StatusOr<json> object = ParseMacroObject(text);
  if (!object.ok()) return object.status();
  SuperTransformerMacro macro;
  if (!object->contains("task") || !(*object)["task"].is_string()) {
    return absl::InvalidArgumentError("macro parameter task: expected a name");
  }
  auto task = ParseTask((*object)["task"].get<std::string>());
  if (!task.ok()) return task.status();
  macro.task = *task;
  if (auto s = ReadMacroIntegers(
          *object, {{"source_vocabulary", &macro.source_vocabulary}, {"target_vocabulary", &macro.target_vocabulary}});
      !s.ok()) {
    return s;
  }
  if (auto s = ReadMacroList(*object, "widths", macro.widths); !s.ok()) return s;
  if (auto s = CheckMacro(macro); !s.ok()) return s;
  return macro;
}

}  // namespace mathnas::supernet
