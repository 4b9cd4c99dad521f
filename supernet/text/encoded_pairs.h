// Pairs of sentences as ids.
#ifndef MATHNAS_SUPERNET_TEXT_ENCODED_PAIRS_H_
#define MATHNAS_SUPERNET_TEXT_ENCODED_PAIRS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/text/parallel_text.h"
#include "supernet/text/vocabulary.h"

namespace mathnas::supernet {

// Rows of different lengths in one piece of memory.
class TokenRows {
 public:
  int64_t size() const { return static_cast<int64_t>(ends_.size()); }
  int64_t tokens() const { return static_cast<int64_t>(ids_.size()); }
  std::span<const int32_t> row(int64_t index) const {
    const auto i = static_cast<size_t>(index);
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return {ids_.data() + begin, ends_[i] - begin};
  }
  int64_t length(int64_t index) const { return static_cast<int64_t>(row(index).size()); }
  void Append(std::span<const int32_t> ids);

 private:
  std::vector<int32_t> ids_;
  std::vector<size_t> ends_;
};

struct EncodedPairs {
  TokenRows source, target;    // each row ends with kEosId
  std::vector<uint32_t> pair;  // of TextPart::pairs, of each row
  int64_t source_unknown = 0, target_unknown = 0;
  int64_t too_long = 0;             // pairs that are left out
  std::vector<DamagedLine> damage;  // the first kDamageKept of them
};

// Pairs with more than options.max_positions tokens on a side are left out and counted, or an InvalidArgument with
// stop_at_damage, which names the line. InvalidArgument as well when none is left.
absl::StatusOr<EncodedPairs> EncodePairs(const TextPart& part, const Vocabulary& source, const Vocabulary& target,
                                         const ParallelTextOptions& options = {});

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TEXT_ENCODED_PAIRS_H_
