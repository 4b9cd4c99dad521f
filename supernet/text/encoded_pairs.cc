#include "supernet/text/encoded_pairs.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/text/internal/damage.h"

namespace mathnas::supernet {

void TokenRows::Append(std::span<const int32_t> ids) {
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  ends_.push_back(ids_.size());
}

absl::StatusOr<EncodedPairs> EncodePairs(const TextPart& part, const Vocabulary& source, const Vocabulary& target,
                                         const ParallelTextOptions& options) {
  EncodedPairs encoded;
  for (size_t i = 0; i < part.pairs.size(); ++i) {
    const SentencePair& pair = part.pairs[i];
    absl::StatusOr<Encoding> from = source.Encode(pair.source);
    absl::StatusOr<Encoding> to = target.Encode(pair.target);
    for (const auto& [side, path] : {std::pair(&from, &part.source_path), {&to, &part.target_path}}) {
      if (!side->ok()) return kernels::Annotate(side->status(), fmt::format("{}:{}", *path, pair.line));
    }
    const auto from_length = static_cast<int64_t>(from->ids.size()), to_length = static_cast<int64_t>(to->ids.size());
    if (from_length > options.max_positions || to_length > options.max_positions) {
      const bool is_source = from_length > options.max_positions;
      const std::string what = fmt::format("{} tokens with the end of the sentence, expected at most {}",
                                           is_source ? from_length : to_length, options.max_positions);
      if (absl::Status s = text::CountDamage(is_source ? part.source_path : part.target_path, pair.line, what, options,
                                             encoded.too_long, encoded.damage);
          !s.ok()) {
        return s;
      }
      continue;
    }
    encoded.source.Append(from->ids);
    encoded.target.Append(to->ids);
    encoded.pair.push_back(static_cast<uint32_t>(i));
    encoded.source_unknown += from->unknown;
    encoded.target_unknown += to->unknown;
  }
  if (encoded.pair.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: no pairs within {} positions, expected at least one", part.name, options.max_positions));
  }
  return encoded;
}

}  // namespace mathnas::supernet
