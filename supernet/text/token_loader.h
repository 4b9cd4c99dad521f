// Batches of pairs of sentences (search-spaces.md 4.5).
#ifndef MATHNAS_SUPERNET_TEXT_TOKEN_LOADER_H_
#define MATHNAS_SUPERNET_TEXT_TOKEN_LOADER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/tensor.h"
#include "supernet/text/encoded_pairs.h"
#include "supernet/text/length_buckets.h"

namespace mathnas::supernet {

struct TokenLoaderOptions {
  BucketOptions buckets;
  uint64_t seed = 0;
  // Which pairs share a batch, and the order of the batches, are drawn from (seed, epoch); without, batches come bucket
  // after bucket, pairs in the order of the set.
  bool shuffle = true;
  // Where to begin: `first_batch` batches of `first_epoch` count as taken already.
  int64_t first_epoch = 0, first_batch = 0;
  // The epoch to end before, as an absolute number; -1 = never.
  int64_t end_epoch = -1;

  static TokenLoaderOptions Training(int64_t tokens, uint64_t seed);
  // Every pair once, in order; 16 shapes, down to one batch each: held-out parts are small, and a plan is used once.
  static TokenLoaderOptions Evaluation(int64_t tokens);
};

struct TokenBatch {
  int64_t epoch = 0, index = 0;  // batch `index` of the epoch
  int64_t bucket = 0;            // of shapes()
  // All I64. N rows; those from `sentences` on only fill up: all kPadId. Nothing of them counts in the loss, as their
  // labels are padding, and attention over positions that are all padding gives zeros.
  kernels::TensorView source;      // {N, S}, left-padded, each ends with kEosId
  kernels::TensorView previous;    // {N, T}, right-padded: kEosId, then the target without its last token
  kernels::TensorView labels;      // {N, T}, right-padded: the target, which ends with kEosId
  int64_t tokens = 0;              // labels that are no padding
  int64_t source_tokens = 0;       // of source that are no padding
  int64_t sentences = 0;           // rows that are pairs
  std::span<const uint32_t> pair;  // {sentences}: rows of EncodedPairs
};

// What all batches of a bucket have in common.
struct TokenShape {
  int64_t rows = 0, source_length = 0, target_length = 0;
  int64_t batches = 0;  // of an epoch
  bool operator==(const TokenShape&) const = default;
};

// The sequence of batches is a function of pairs and options alone. No threads: a batch is copied in microseconds.
class TokenBatchLoader {
 public:
  // `pairs` must outlive the loader. InvalidArgument: what MakeBuckets refuses, first_epoch or first_batch out of
  // range.
  static absl::StatusOr<std::unique_ptr<TokenBatchLoader>> Create(const EncodedPairs& pairs,
                                                                  const TokenLoaderOptions& options);
  ~TokenBatchLoader();
  TokenBatchLoader(const TokenBatchLoader&) = delete;
  TokenBatchLoader& operator=(const TokenBatchLoader&) = delete;

  // The next batch, in buffers that are valid until the following call; null after the last before end_epoch.
  const TokenBatch* Next();

  // Shapes that batches have, distinct, in order of their lengths: one plan each.
  const std::vector<TokenShape>& shapes() const;
  int64_t batches_per_epoch() const;
  Padding padding() const;

 private:
  struct State;
  explicit TokenBatchLoader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TEXT_TOKEN_LOADER_H_
