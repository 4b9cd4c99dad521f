#include "supernet/supertransformer/architecture.h"

#include <algorithm>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/bounded_json.h"
#include "supernet/internal/subnet_fields.h"
#include "supernet/python_random.h"

namespace mathnas::supernet::supertransformer {
namespace {

using kernels::internal::Shortened;
using nlohmann::json;

constexpr std::string_view kForm =
    R"({"encoder": {"encoder_embed_dim", "encoder_layer_num", "encoder_ffn_embed_dim", "encoder_self_attention_heads"}, )"
    R"("decoder": {"decoder_embed_dim", "decoder_layer_num", "decoder_ffn_embed_dim", "decoder_self_attention_heads", )"
    R"("decoder_ende_attention_heads", "decoder_arbitrary_ende_attn"}})";

constexpr std::array<int, 2> kWidths = {640, 512}, kHeadsWmt = {8, 4}, kHeadsIwslt = {4, 2};
constexpr std::array<int, 3> kHiddenWmt = {3072, 2048, 1024}, kHiddenIwslt = {2048, 1024, 512}, kSpans = {-1, 1, 2};
constexpr std::array<int, 6> kDepths = {6, 5, 4, 3, 2, 1};
constexpr std::array<int, 2> kWidthsSmall = {192, 128};
constexpr std::array<int, 3> kHiddenSmall = {512, 384, 256}, kDepthsSmall = {3, 2, 1};
constexpr std::array<std::string_view, 3> kTaskNames = {"wmt", "iwslt", "small"};
// spec/search-spaces.md 4.1.
constexpr std::array<Choices, 3> kChoices = {
    {{kWidths, kHiddenWmt, kHeadsWmt, kDepths, kSpans, 6, 512, true, 30},
     {kWidths, kHiddenIwslt, kHeadsIwslt, kDepths, kSpans, 6, 512, false, 23},
     {kWidthsSmall, kHiddenSmall, kHeadsIwslt, kDepthsSmall, kSpans, 3, 128, true, 12}}};

std::string Expected(std::span<const int> allowed) {
  std::vector<int> sorted(allowed.begin(), allowed.end());
  std::sort(sorted.begin(), sorted.end());
  return Listed(sorted);
}

absl::Status CheckEntry(std::string_view name, int value, std::span<const int> allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{}: {}, expected {}", name, value, Expected(allowed)));
}

absl::Status CheckEntries(std::string_view name, std::span<const int> values, std::span<const int> allowed) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (auto s = CheckEntry(fmt::format("{}[{}]", name, i), values[i], allowed); !s.ok()) return s;
  }
  return absl::OkStatus();
}

// The entries of a list of a number of layers. Lists may go on to `most` entries, whose last ones are left out.
absl::Status ReadLayers(const json& object, std::string_view name, const std::string& expected, int layers, size_t most,
                        std::span<int, kMaxLayers> entries) {
  const auto found = object.find(std::string(name));
  const bool full = found != object.end() && found->is_array() && found->size() == most;
  const std::span<int> given = entries.first(full ? most : static_cast<size_t>(layers));
  if (auto s = ReadEntries(object, name, kForm, expected, given); !s.ok()) return s;
  std::fill(entries.begin() + layers, entries.end(), 0);
  return absl::OkStatus();
}

absl::StatusOr<json> HalfOf(const json& object, std::string_view name, std::initializer_list<std::string_view> names) {
  const auto found = object.find(std::string(name));
  if (found == object.end()) {
    return absl::InvalidArgumentError(fmt::format("subnet without \"{}\": expected {}", name, kForm));
  }
  if (!found->is_object()) {
    return absl::InvalidArgumentError(fmt::format("{}: {}, expected {}", name, Shortened(*found), kForm));
  }
  if (auto s = CheckNames(*found, name, kForm, names); !s.ok()) return s;
  return *found;
}

}  // namespace

std::string_view Name(Task task) { return kTaskNames[static_cast<size_t>(task)]; }

absl::StatusOr<Task> ParseTask(std::string_view name) {
  const auto* found = std::find(kTaskNames.begin(), kTaskNames.end(), name);
  if (found != kTaskNames.end()) return static_cast<Task>(found - kTaskNames.begin());
  return absl::InvalidArgumentError(fmt::format("task \"{:.60}\": expected {}", name, fmt::join(kTaskNames, ", ")));
}

const Choices& ChoicesOf(Task task) { return kChoices[static_cast<size_t>(task)]; }

Architecture Largest(Task task) {
  const Choices& c = ChoicesOf(task);
  Architecture a = {c.stored_width(), c.stored_width(), c.encoder_layers, c.decoder_layers.front()};
  const auto fill = [](std::array<int, kMaxLayers>& entries, int layers, int value) {
    std::fill_n(entries.begin(), layers, value);
  };
  fill(a.encoder_hidden, a.encoder_layers, c.stored_hidden());
  fill(a.encoder_heads, a.encoder_layers, c.most_heads());
  fill(a.decoder_hidden, a.decoder_layers, c.stored_hidden());
  fill(a.self_heads, a.decoder_layers, c.most_heads());
  fill(a.cross_heads, a.decoder_layers, c.most_heads());
  fill(a.span, a.decoder_layers, c.spans.back());
  return a;
}

int MemoryLayers(int span) { return span < 0 ? 1 : span + 1; }

absl::Status Check(Task task, const Architecture& a) {
  const Choices& c = ChoicesOf(task);
  if (auto s = CheckEntry("encoder_embed_dim", a.encoder_width, c.widths); !s.ok()) return s;
  if (auto s = CheckEntry("decoder_embed_dim", a.decoder_width, c.widths); !s.ok()) return s;
  if (auto s = CheckEntry("encoder_layer_num", a.encoder_layers, {&c.encoder_layers, 1}); !s.ok()) return s;
  if (auto s = CheckEntry("decoder_layer_num", a.decoder_layers, c.decoder_layers); !s.ok()) return s;
  const struct {
    std::string_view name;
    std::span<const int> values;
    int layers;
    std::span<const int> allowed;
  } lists[] = {{"encoder_ffn_embed_dim", a.encoder_hidden, a.encoder_layers, c.hidden},
               {"encoder_self_attention_heads", a.encoder_heads, a.encoder_layers, c.heads},
               {"decoder_ffn_embed_dim", a.decoder_hidden, a.decoder_layers, c.hidden},
               {"decoder_self_attention_heads", a.self_heads, a.decoder_layers, c.heads},
               {"decoder_ende_attention_heads", a.cross_heads, a.decoder_layers, c.heads},
               {"decoder_arbitrary_ende_attn", a.span, a.decoder_layers, c.spans}};
  for (const auto& l : lists) {
    if (auto s = CheckEntries(l.name, l.values.first(static_cast<size_t>(l.layers)), l.allowed); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::StatusOr<Architecture> ParseArchitecture(Task task, std::string_view text) {
  const Choices& c = ChoicesOf(task);
  const absl::StatusOr<json> object = ParseSubnetObject(text, kForm, {"encoder", "decoder"});
  if (!object.ok()) return object.status();
  const absl::StatusOr<json> encoder =
      HalfOf(*object, "encoder",
             {"encoder_embed_dim", "encoder_layer_num", "encoder_ffn_embed_dim", "encoder_self_attention_heads"});
  if (!encoder.ok()) return encoder.status();
  const absl::StatusOr<json> decoder =
      HalfOf(*object, "decoder",
             {"decoder_embed_dim", "decoder_layer_num", "decoder_ffn_embed_dim", "decoder_self_attention_heads",
              "decoder_ende_attention_heads", "decoder_arbitrary_ende_attn"});
  if (!decoder.ok()) return decoder.status();

  Architecture a;
  const struct {
    const json& object;
    std::string_view name;
    std::string expected;
    int* field;
  } numbers[] = {{*encoder, "encoder_embed_dim", Expected(c.widths), &a.encoder_width},
                 {*encoder, "encoder_layer_num", fmt::format("{}", c.encoder_layers), &a.encoder_layers},
                 {*decoder, "decoder_embed_dim", Expected(c.widths), &a.decoder_width},
                 {*decoder, "decoder_layer_num", Expected(c.decoder_layers), &a.decoder_layers}};
  for (const auto& n : numbers) {
    const absl::StatusOr<int> value = ReadEntry(n.object, n.name, kForm, n.expected);
    if (!value.ok()) return value.status();
    *n.field = *value;
  }
  if (auto s = CheckEntry("encoder_layer_num", a.encoder_layers, {&c.encoder_layers, 1}); !s.ok()) return s;
  if (auto s = CheckEntry("decoder_layer_num", a.decoder_layers, c.decoder_layers); !s.ok()) return s;
  const struct {
    const json& object;
    std::string_view name;
    std::span<const int> allowed;
    int layers;
    std::span<int, kMaxLayers> field;
  } lists[] = {{*encoder, "encoder_ffn_embed_dim", c.hidden, a.encoder_layers, a.encoder_hidden},
               {*encoder, "encoder_self_attention_heads", c.heads, a.encoder_layers, a.encoder_heads},
               {*decoder, "decoder_ffn_embed_dim", c.hidden, a.decoder_layers, a.decoder_hidden},
               {*decoder, "decoder_self_attention_heads", c.heads, a.decoder_layers, a.self_heads},
               {*decoder, "decoder_ende_attention_heads", c.heads, a.decoder_layers, a.cross_heads},
               {*decoder, "decoder_arbitrary_ende_attn", c.spans, a.decoder_layers, a.span}};
  for (const auto& l : lists) {
    const auto most = static_cast<size_t>(&l.object == &*encoder ? c.encoder_layers : c.decoder_layers.front());
    if (auto s = ReadLayers(l.object, l.name, Expected(l.allowed), l.layers, most, l.field); !s.ok()) return s;
  }
  if (auto s = Check(task, a); !s.ok()) return s;
  return a;
}

std::string ToJson(const Architecture& a) {
  const auto list = [](std::span<const int> entries, int layers) {
    return fmt::format("[{}]", fmt::join(entries.first(static_cast<size_t>(layers)), ","));
  };
  return fmt::format(
      R"({{"encoder":{{"encoder_embed_dim":{},"encoder_layer_num":{},"encoder_ffn_embed_dim":{},)"
      R"("encoder_self_attention_heads":{}}},"decoder":{{"decoder_embed_dim":{},"decoder_layer_num":{},)"
      R"("decoder_ffn_embed_dim":{},"decoder_self_attention_heads":{},"decoder_ende_attention_heads":{},)"
      R"("decoder_arbitrary_ende_attn":{}}}}})",
      a.encoder_width, a.encoder_layers, list(a.encoder_hidden, a.encoder_layers),
      list(a.encoder_heads, a.encoder_layers), a.decoder_width, a.decoder_layers,
      list(a.decoder_hidden, a.decoder_layers), list(a.self_heads, a.decoder_layers),
      list(a.cross_heads, a.decoder_layers), list(a.span, a.decoder_layers));
}

Architecture Sample(Task task, uint64_t seed) {
  const Choices& c = ChoicesOf(task);
  PythonRandom random(seed);
  Architecture a;
  a.encoder_width = random.Choice(c.widths);
  a.decoder_width = random.Choice(c.widths);
  a.encoder_layers = random.Choice(std::span<const int>(&c.encoder_layers, 1));
  a.decoder_layers = random.Choice(c.decoder_layers);
  for (size_t i = 0; i < static_cast<size_t>(a.encoder_layers); ++i) {
    a.encoder_hidden[i] = random.Choice(c.hidden);
    a.encoder_heads[i] = random.Choice(c.heads);
  }
  for (size_t i = 0; i < static_cast<size_t>(a.decoder_layers); ++i) {
    a.decoder_hidden[i] = random.Choice(c.hidden);
    a.self_heads[i] = random.Choice(c.heads);
    a.cross_heads[i] = random.Choice(c.heads);
  }
  for (size_t i = 0; i < static_cast<size_t>(c.decoder_layers.front()); ++i) a.span[i] = random.Choice(c.spans);
  return a;
}

}  // namespace mathnas::supernet::supertransformer
