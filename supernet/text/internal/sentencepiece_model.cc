#include "supernet/text/internal/sentencepiece_model.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "fmt/format.h"
#include "supernet/text/internal/utf8.h"

namespace mathnas::supernet::text {
namespace {

static_assert(std::endian::native == std::endian::little, "the tables of a model are read as they are in memory");

constexpr size_t kMaxPieceBytes = 1024;
// The library keeps the 64 and 32 shortest matches, but counts all and reads as many: a match has at least a byte.
constexpr size_t kMaxUserDefinedBytes = 64;
constexpr int kMaxRuleMatches = 32;
// What the tables of real models stay far below; more would cost time and memory without bound.
constexpr size_t kMaxCharactersBytes = size_t{4} << 20, kMaxReplacementBytes = 256;

absl::Status Bad(std::string_view what) { return absl::InvalidArgumentError(fmt::format("{}", what)); }

// Field numbers of sentencepiece_model.proto, 0.1.97.
enum ModelField : uint32_t { kPieces = 1, kTrainerSpec = 2, kNormalizerSpec = 3, kDenormalizerSpec = 5 };
enum PieceField : uint32_t { kText = 1, kScore = 2, kType = 3 };
enum TrainerField : uint32_t { kModelType = 3, kWhitespaceAsSuffix = 24, kByteFallback = 35 };
enum NormalizerField : uint32_t { kCharacters = 2, kDummyPrefix = 3, kRemoveSpaces = 4, kEscapeSpaces = 5 };
enum Wire : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::optional<uint64_t> TakeVarint(std::string_view& bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

struct Field {
  uint32_t number = 0;
  Wire wire = kVarint;
  uint64_t value = 0;      // kVarint, kFixed32, kFixed64
  std::string_view bytes;  // kBytes
};

// Takes the first field off a message that is not empty; nullopt: damaged.
std::optional<Field> TakeField(std::string_view& message) {
  const std::optional<uint64_t> key = TakeVarint(message);
  if (!key || *key >> 3 == 0 || *key >> 3 > UINT32_MAX >> 3) return std::nullopt;
  Field field;
  field.number = static_cast<uint32_t>(*key >> 3);
  field.wire = static_cast<Wire>(*key & 7);
  auto take = [&](size_t n) -> std::optional<std::string_view> {
    if (message.size() < n) return std::nullopt;
    const std::string_view taken = message.substr(0, n);
    message.remove_prefix(n);
    return taken;
  };
  switch (field.wire) {
    case kVarint: {
      const std::optional<uint64_t> value = TakeVarint(message);
      if (!value) return std::nullopt;
      field.value = *value;
      return field;
    }
    case kBytes: {
      const std::optional<uint64_t> size = TakeVarint(message);
      if (!size || *size > message.size()) return std::nullopt;
      field.bytes = *take(static_cast<size_t>(*size));
      return field;
    }
    case kFixed32:
    case kFixed64: {
      const std::optional<std::string_view> raw = take(field.wire == kFixed32 ? 4 : 8);
      if (!raw) return std::nullopt;
      std::memcpy(&field.value, raw->data(), raw->size());
      return field;
    }
  }
  return std::nullopt;
}

// Calls `set` with each field of a message.
template <typename Set>
absl::Status ForEachField(std::string_view message, std::string_view name, Set set) {
  while (!message.empty()) {
    const std::optional<Field> field = TakeField(message);
    if (!field) return Bad(fmt::format("{}: damaged or cut off, expected a protocol buffer", name));
    if (absl::Status s = set(*field); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status CheckWire(const Field& field, Wire wire, std::string_view name) {
  if (field.wire == wire) return absl::OkStatus();
  return Bad(fmt::format("{}: wire type {}, expected {}", name, static_cast<uint32_t>(field.wire),
                         static_cast<uint32_t>(wire)));
}

// The double array of darts-clone, as the library searches it: whether every search of any text stays in the array,
// ends with values below `values`, and meets at most kMaxRuleMatches of them.
class TrieCheck {
 public:
  TrieCheck(std::string_view array, size_t values)
      : units_(array.size() / 4), values_(values), longest_(units_.size()) {
    std::memcpy(units_.data(), array.data(), units_.size() * 4);
  }

  // Reasons to refuse, or "". Depth first without recursion: a hostile array may be as deep as it is long.
  std::string Run() {
    if (units_.empty()) return "no units";
    std::vector<Visit> path;
    if (std::string e = Enter(0, path); !e.empty()) return e;
    while (!path.empty()) {
      Visit& here = path.back();
      if (here.next_byte == 256) {
        const int longest = here.below + (HasLeaf(units_[here.unit]) && here.unit != 0 ? 1 : 0);
        if (longest > kMaxRuleMatches) return fmt::format("more than {} rules begin each other", kMaxRuleMatches);
        longest_[here.unit] = longest + 1;
        path.pop_back();
        if (!path.empty()) path.back().below = std::max(path.back().below, longest);
        continue;
      }
      const uint32_t byte = here.next_byte++;
      const size_t child = here.unit ^ Offset(units_[here.unit]) ^ byte;
      if ((units_[child] & (1u << 31 | 0xFFu)) != byte) continue;
      if (longest_[child] > 0) {
        here.below = std::max(here.below, longest_[child] - 1);
      } else if (longest_[child] == kOnPath) {
        return "a circle";
      } else if (std::string e = Enter(child, path); !e.empty()) {
        return e;
      }
    }
    return "";
  }

 private:
  struct Visit {
    size_t unit = 0;
    uint32_t next_byte = 0;
    int below = 0;  // most matches further down
  };
  static constexpr int kOnPath = -1;

  static uint32_t Offset(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }
  static bool HasLeaf(uint32_t unit) { return (unit >> 8 & 1) == 1; }

  std::string Enter(size_t unit, std::vector<Visit>& path) {
    const size_t children = unit ^ Offset(units_[unit]);
    // Any byte may follow: all of its block of 256 must be there.
    if ((children | 0xFF) >= units_.size()) return "a unit that points out of the array";
    if (HasLeaf(units_[unit]) && (units_[children] & 0x7FFFFFFF) >= values_)
      return "a rule that points out of the text";
    longest_[unit] = kOnPath;
    path.push_back({unit, 0, 0});
    return "";
  }

  std::vector<uint32_t> units_;
  size_t values_;
  std::vector<int> longest_;  // 0: not visited; otherwise one more than the most matches from there on, or kOnPath
};

absl::Status CheckCharacters(std::string_view characters, std::string_view name) {
  if (characters.empty()) return absl::OkStatus();
  if (characters.size() > kMaxCharactersBytes) {
    return Bad(fmt::format("{}: precompiled_charsmap: {} bytes, expected at most {}", name, characters.size(),
                           kMaxCharactersBytes));
  }
  uint32_t trie_bytes = 0;
  if (characters.size() > 4) std::memcpy(&trie_bytes, characters.data(), 4);
  if (characters.size() <= 4 || trie_bytes >= characters.size() - 4 || trie_bytes % 4 != 0) {
    return Bad(fmt::format("{}: precompiled_charsmap: {} bytes with a table of {}, expected more", name,
                           characters.size(), trie_bytes));
  }
  const std::string_view table = characters.substr(4, trie_bytes), texts = characters.substr(4 + trie_bytes);
  if (texts.back() != '\0') return Bad(fmt::format("{}: precompiled_charsmap: expected a NUL at its end", name));
  for (size_t begin = 0; begin < texts.size();) {
    const size_t end = texts.find('\0', begin);
    if (end - begin > kMaxReplacementBytes) {
      return Bad(fmt::format("{}: precompiled_charsmap: a replacement of {} bytes, expected at most {}", name,
                             end - begin, kMaxReplacementBytes));
    }
    begin = end + 1;
  }
  const std::string fault = TrieCheck(table, texts.size()).Run();
  if (fault.empty()) return absl::OkStatus();
  return Bad(fmt::format("{}: precompiled_charsmap: {}, expected a double array", name, fault));
}

absl::Status ParsePiece(std::string_view message, std::string_view name, Piece& piece) {
  absl::Status s = ForEachField(message, name, [&](const Field& field) {
    switch (field.number) {
      case kText:
        piece.text = field.bytes;
        return CheckWire(field, kBytes, fmt::format("{}.piece", name));
      case kScore: {
        const auto bits = static_cast<uint32_t>(field.value);
        piece.score = std::bit_cast<float>(bits);
        return CheckWire(field, kFixed32, fmt::format("{}.score", name));
      }
      case kType:
        if (field.value < Piece::kNormal || field.value > Piece::kByte) {
          return Bad(fmt::format("{}.type: {}, expected 1 to 6", name, field.value));
        }
        piece.type = static_cast<Piece::Type>(field.value);
        return CheckWire(field, kVarint, fmt::format("{}.type", name));
      default:
        return absl::OkStatus();
    }
  });
  if (!s.ok()) return s;
  if (piece.text.empty() || piece.text.size() > kMaxPieceBytes) {
    return Bad(fmt::format("{}.piece: {} bytes, expected 1 to {}", name, piece.text.size(), kMaxPieceBytes));
  }
  if (!IsValidUtf8(piece.text) || piece.text.find('\0') != std::string::npos) {
    return Bad(fmt::format("{}.piece: expected UTF-8 without NUL", name));
  }
  if (piece.type == Piece::kUserDefined && piece.text.size() > kMaxUserDefinedBytes) {
    return Bad(fmt::format("{}.piece: {} bytes, expected at most {} of one that the user defined", name,
                           piece.text.size(), kMaxUserDefinedBytes));
  }
  if (!std::isfinite(piece.score)) return Bad(fmt::format("{}.score: expected a finite number", name));
  return absl::OkStatus();
}

absl::Status ParseNormalizer(std::string_view message, std::string_view name, Normalizer& normalizer) {
  absl::Status s = ForEachField(message, name, [&](const Field& field) {
    switch (field.number) {
      case kCharacters:
        normalizer.characters = field.bytes;
        return CheckWire(field, kBytes, fmt::format("{}.precompiled_charsmap", name));
      case kDummyPrefix:
        normalizer.add_dummy_prefix = field.value != 0;
        return CheckWire(field, kVarint, fmt::format("{}.add_dummy_prefix", name));
      case kRemoveSpaces:
        normalizer.remove_extra_whitespaces = field.value != 0;
        return CheckWire(field, kVarint, fmt::format("{}.remove_extra_whitespaces", name));
      case kEscapeSpaces:
        normalizer.escape_whitespaces = field.value != 0;
        return CheckWire(field, kVarint, fmt::format("{}.escape_whitespaces", name));
      default:
        return absl::OkStatus();
    }
  });
  if (!s.ok()) return s;
  return CheckCharacters(normalizer.characters, name);
}

absl::Status ParseTrainer(std::string_view message, PieceModel& model) {
  return ForEachField(message, "trainer_spec", [&](const Field& field) {
    switch (field.number) {
      case kModelType:
        if (field.value != PieceModel::kUnigram && field.value != PieceModel::kBpe) {
          return Bad(fmt::format("trainer_spec.model_type: {}, expected 1 (unigram) or 2 (BPE)", field.value));
        }
        model.type = static_cast<PieceModel::Type>(field.value);
        return CheckWire(field, kVarint, "trainer_spec.model_type");
      case kWhitespaceAsSuffix:
        model.treat_whitespace_as_suffix = field.value != 0;
        return CheckWire(field, kVarint, "trainer_spec.treat_whitespace_as_suffix");
      case kByteFallback:
        model.byte_fallback = field.value != 0;
        return CheckWire(field, kVarint, "trainer_spec.byte_fallback");
      default:
        return absl::OkStatus();
    }
  });
}

absl::Status CheckPieces(const PieceModel& model) {
  absl::flat_hash_set<std::string_view> seen;
  int64_t unknown = 0, normal = 0, bytes = 0;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const Piece& piece = model.pieces[i];
    if (!seen.insert(piece.text).second) {
      return Bad(fmt::format("pieces[{}].piece: \"{}\" came before, expected each once", i, piece.text));
    }
    unknown += piece.type == Piece::kUnknown;
    normal += piece.type == Piece::kNormal;
    bytes += piece.type == Piece::kByte;
  }
  if (unknown != 1) return Bad(fmt::format("pieces: {} unknown ones, expected one", unknown));
  if (normal == 0) return Bad("pieces: no normal one, expected at least one");
  if (bytes != (model.byte_fallback ? 256 : 0)) {
    return Bad(fmt::format("pieces: {} bytes, expected {}", bytes, model.byte_fallback ? 256 : 0));
  }
  return absl::OkStatus();
}

void PutVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void PutNumber(uint32_t field, uint64_t value, std::string& out) {
  PutVarint(field << 3 | kVarint, out);
  PutVarint(value, out);
}

void PutBytes(uint32_t field, std::string_view bytes, std::string& out) {
  PutVarint(field << 3 | kBytes, out);
  PutVarint(bytes.size(), out);
  out += bytes;
}

std::string Written(const Normalizer& normalizer) {
  std::string out;
  if (!normalizer.characters.empty()) PutBytes(kCharacters, normalizer.characters, out);
  PutNumber(kDummyPrefix, normalizer.add_dummy_prefix ? 1 : 0, out);
  PutNumber(kRemoveSpaces, normalizer.remove_extra_whitespaces ? 1 : 0, out);
  PutNumber(kEscapeSpaces, normalizer.escape_whitespaces ? 1 : 0, out);
  return out;
}

}  // namespace

absl::StatusOr<PieceModel> ParsePieceModel(std::string_view bytes) {
  PieceModel model;
  absl::Status s = ForEachField(bytes, "model", [&](const Field& field) -> absl::Status {
    if (field.number > kDenormalizerSpec) return absl::OkStatus();
    if (absl::Status wire = CheckWire(field, kBytes, fmt::format("model: field {}", field.number)); !wire.ok()) {
      return wire;
    }
    switch (field.number) {
      case kPieces:
        if (static_cast<int64_t>(model.pieces.size()) == kMaxPieces) {
          return Bad(fmt::format("pieces: expected at most {}", kMaxPieces));
        }
        model.pieces.emplace_back();
        return ParsePiece(field.bytes, fmt::format("pieces[{}]", model.pieces.size() - 1), model.pieces.back());
      case kTrainerSpec:
        return ParseTrainer(field.bytes, model);
      case kNormalizerSpec:
        return ParseNormalizer(field.bytes, "normalizer_spec", model.normalizer);
      case kDenormalizerSpec:
        return ParseNormalizer(field.bytes, "denormalizer_spec", model.denormalizer);
      default:
        return absl::OkStatus();
    }
  });
  if (!s.ok()) return s;
  if (s = CheckPieces(model); !s.ok()) return s;
  return model;
}

std::string CanonicalModel(const PieceModel& model) {
  std::string out;
  for (const Piece& piece : model.pieces) {
    std::string message;
    PutBytes(kText, piece.text, message);
    PutVarint(kScore << 3 | kFixed32, message);
    std::array<char, 4> score{};
    std::memcpy(score.data(), &piece.score, score.size());
    message.append(score.data(), score.size());
    PutNumber(kType, piece.type, message);
    PutBytes(kPieces, message, out);
  }
  std::string trainer;
  PutNumber(kModelType, model.type, trainer);
  PutNumber(kWhitespaceAsSuffix, model.treat_whitespace_as_suffix ? 1 : 0, trainer);
  PutNumber(kByteFallback, model.byte_fallback ? 1 : 0, trainer);
  PutBytes(kTrainerSpec, trainer, out);
  PutBytes(kNormalizerSpec, Written(model.normalizer), out);
  // Only when there is one: the library takes it for its own whatever is in it.
  if (!model.denormalizer.characters.empty()) PutBytes(kDenormalizerSpec, Written(model.denormalizer), out);
  return out;
}

}  // namespace mathnas::supernet::text
