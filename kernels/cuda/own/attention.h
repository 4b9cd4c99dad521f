// Attention and its gradient (ops/attention.h) on the GPU. The scores of some heads at a time are in scratch.
#ifndef MATHNAS_KERNELS_CUDA_OWN_ATTENTION_H_
#define MATHNAS_KERNELS_CUDA_OWN_ATTENTION_H_

#include "kernels/cuda/own/kernel.h"
#include "kernels/cuda/own/mask.h"
#include "kernels/cuda/own/tile_grid.h"

namespace mathnas::kernels::cuda {

// Heads of all examples are counted through: head h of example b is b heads + h. The extents are those of
// AttentionShape. Maps are {heads at a time, queries, keys}.
struct AttentionArgs {
  long long first_head;  // of those at hand
  long long heads, queries, keys, key_size, value_size;
  float scale;  // of scores

  bool causal;
  const long long* ids;  // null: no mask
  long long ids_row, padding;
  MaskArgs drops;  // with a seed of null: none
  float kept;      // what probabilities that are not dropped are multiplied by

  const float *q, *k, *v;
  float* y;
  float* log_sums;  // null: not wanted
  const float* diff_y;
  float *diff_q, *diff_k, *diff_v;
  float* p;       // map: scores, then probabilities with their dropout
  float* diff_s;  // map: gradients of the scaled scores
  float* inner;   // {heads at a time, queries}: of y with its gradient
};

// p = scaled scores, -infinity where a key takes no part. Tiles of maps.
constexpr OwnKernel<AttentionArgs> kAttentionScores = {"attention_scores", false};
// p = probabilities of the scores p; log_sums. A block for each row of p.
constexpr OwnKernel<AttentionArgs> kAttentionProbabilities = {"attention_probabilities", false};
// y = p v. Tiles of {queries,value_size}.
constexpr OwnKernel<AttentionArgs> kAttentionValues = {"attention_values", false};

// inner. A block for each query of each head.
constexpr OwnKernel<AttentionArgs> kAttentionInner = {"attention_inner", false};
// p and diff_s. Tiles of maps.
constexpr OwnKernel<AttentionArgs> kAttentionBackwardMaps = {"attention_backward_maps", false};
// diff_q = scale diff_s k, diff_k = scale diff_s^T q, diff_v = p^T diff_y. Tiles of the results.
constexpr OwnKernel<AttentionArgs> kAttentionDiffQueries = {"attention_diff_queries", false};
constexpr OwnKernel<AttentionArgs> kAttentionDiffKeys = {"attention_diff_keys", false};
constexpr OwnKernel<AttentionArgs> kAttentionDiffValues = {"attention_diff_values", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_ATTENTION_H_
