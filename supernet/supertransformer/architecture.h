// Networks of the HAT space as widths, layers, hidden widths, heads and spans, as JSON, and as the reference draws them
// (spec/search-spaces.md 4.1, 4.6 and 6.3, spec/interfaces.md 1).
#ifndef MATHNAS_SUPERNET_SUPERTRANSFORMER_ARCHITECTURE_H_
#define MATHNAS_SUPERNET_SUPERTRANSFORMER_ARCHITECTURE_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mathnas::supernet::supertransformer {

// Which space: the reference's for WMT (space0) or for IWSLT (space1), or one of this project, of about 2 % of their
// work, that trains on a few cores.
enum class Task : uint8_t { kWmt, kIwslt, kSmall };
// "wmt", "iwslt", "small".
std::string_view Name(Task task);
absl::StatusOr<Task> ParseTask(std::string_view name);

inline constexpr int kMaxLayers = 6;  // of encoder and decoder each

// What may be chosen, in the order of the reference's lists, from which it draws.
struct Choices {
  std::span<const int> widths;  // of encoder and decoder, each for itself
  std::span<const int> hidden;  // of the feed-forward part of a layer
  std::span<const int> heads;   // of each attention
  std::span<const int> decoder_layers;
  std::span<const int> spans;  // -1: the last encoder layer, 1 and 2: that many more before it
  int encoder_layers;
  int64_t qkv;            // features of queries, keys and values, of all heads together
  bool shared_embedding;  // one matrix for source, target and output
  int64_t length;         // tokens of source and target for which the reference counts and measures (4.4)

  int stored_width() const { return widths.front(); }
  int stored_hidden() const { return hidden.front(); }
  int most_heads() const { return heads.front(); }
};
const Choices& ChoicesOf(Task task);

// A network. Entries of layers past the number of them have no meaning, and are 0 in what this project makes.
struct Architecture {
  int encoder_width = 0, decoder_width = 0;
  int encoder_layers = 0, decoder_layers = 0;
  std::array<int, kMaxLayers> encoder_hidden{}, encoder_heads{};
  std::array<int, kMaxLayers> decoder_hidden{}, self_heads{}, cross_heads{}, span{};

  bool operator==(const Architecture&) const = default;
};
Architecture Largest(Task task);

// How many encoder layers a span sees, the last ones: 1 to 3.
int MemoryLayers(int span);

// InvalidArgument names the first entry that is not allowed ("decoder_ffn_embed_dim[1]: 777, expected 1024, 2048 or
// 3072").
absl::Status Check(Task task, const Architecture& architecture);
// {"encoder": {"encoder_embed_dim", "encoder_layer_num", "encoder_ffn_embed_dim", "encoder_self_attention_heads"},
// "decoder": {"decoder_embed_dim", "decoder_layer_num", "decoder_ffn_embed_dim", "decoder_self_attention_heads",
// "decoder_ende_attention_heads", "decoder_arbitrary_ende_attn"}}: lists have an entry per layer, or as many as the
// deepest network, or are one number for all. InvalidArgument names the entry, its value and what was expected.
absl::StatusOr<Architecture> ParseArchitecture(Task task, std::string_view text);
std::string ToJson(const Architecture& architecture);

// The reference's draw for an update (4.6): `seed` is its number. Spans are drawn for the layers of the
// deepest network, whatever the depth.
Architecture Sample(Task task, uint64_t seed);

}  // namespace mathnas::supernet::supertransformer

#endif  // MATHNAS_SUPERNET_SUPERTRANSFORMER_ARCHITECTURE_H_
