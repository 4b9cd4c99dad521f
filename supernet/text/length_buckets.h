// Few shapes for pairs of many lengths: a plan is built for each shape that a batch has, so there must not be many, and
// what pads a batch is computed for nothing.
#ifndef MATHNAS_SUPERNET_TEXT_LENGTH_BUCKETS_H_
#define MATHNAS_SUPERNET_TEXT_LENGTH_BUCKETS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/text/encoded_pairs.h"

namespace mathnas::supernet {

struct BucketOptions {
  // Most tokens of a batch, as fairseq counts: rows times the longer of the padded lengths.
  int64_t tokens = 4096;
  // Most buckets, and so most shapes.
  int shapes = 48;
  // Lengths are rounded up to a multiple of this.
  int64_t multiple = 1;
  // Most rows of a batch; 0 = as many as `tokens` allow.
  int64_t max_rows = 0;
  // A bucket is split only where both halves fill about this many batches: fewer make small batches.
  int64_t least_batches = 2;
};

// Pairs whose batches have one shape.
struct Bucket {
  int64_t rows = 0, source_length = 0, target_length = 0;  // of every batch; lengths with kEosId, padding included
  std::vector<uint32_t> pairs;                             // rows of EncodedPairs, ascending
  int64_t batches = 0;                                     // ceil(pairs / rows)
};

struct Padding {
  int64_t source_tokens = 0, target_tokens = 0;        // of the pairs
  int64_t source_positions = 0, target_positions = 0;  // of the batches
  // Shares of the positions that are padding, rows that only fill up included.
  double source_waste() const;
  double target_waste() const;
  double waste() const;
};

// All pairs fall into one bucket, which is split in two, at a source or a target length, where that saves most
// positions, then the bucket where it saves most, and so on: at most `shapes` of them, fewer when nothing is saved.
// Rows: pairs are spread evenly over the fewest batches that keep to `tokens`, so all batches of a bucket have one
// shape and fewer rows than batches only fill up. In order of the (source, target) lengths; a function of the lengths
// alone. InvalidArgument: options out of range, no pairs, a pair that is longer than `tokens`.
absl::StatusOr<std::vector<Bucket>> MakeBuckets(const EncodedPairs& pairs, const BucketOptions& options = {});

Padding PaddingOf(const EncodedPairs& pairs, const std::vector<Bucket>& buckets);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TEXT_LENGTH_BUCKETS_H_
