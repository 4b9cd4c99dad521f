// The file of a sentencepiece model (its protocol buffer ModelProto), read without trust: the library follows the
// numbers in its tables wherever they point to, and ends the process on some others.
#ifndef MATHNAS_SUPERNET_TEXT_INTERNAL_SENTENCEPIECE_MODEL_H_
#define MATHNAS_SUPERNET_TEXT_INTERNAL_SENTENCEPIECE_MODEL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mathnas::supernet::text {

struct Piece {
  enum Type : uint8_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  std::string text;  // UTF-8, 1 to 1024 bytes, no NUL
  float score = 0;   // finite
  Type type = kNormal;
};

// NormalizerSpec. The map of characters is checked: the library's search in it stays inside.
struct Normalizer {
  std::string characters;
  bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
};

struct PieceModel {
  enum Type : uint8_t { kUnigram = 1, kBpe = 2 };
  Type type = kUnigram;
  std::vector<Piece> pieces;  // at most kMaxPieces; one is kUnknown, at least one kNormal, all texts distinct
  bool byte_fallback = false;
  bool treat_whitespace_as_suffix = false;
  Normalizer normalizer, denormalizer;
};

inline constexpr int64_t kMaxPieces = 1'000'000;

// InvalidArgument names the field and what was expected, not the file.
absl::StatusOr<PieceModel> ParsePieceModel(std::string_view bytes);
// A file with what is in `model` and nothing else.
std::string CanonicalModel(const PieceModel& model);

}  // namespace mathnas::supernet::text

#endif  // MATHNAS_SUPERNET_TEXT_INTERNAL_SENTENCEPIECE_MODEL_H_
