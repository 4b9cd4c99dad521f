#include "kernels/cuda/own/attention.h"
#include "kernels/cuda/own/attention_head.h"
#include "kernels/cuda/own/random.h"

namespace mathnas::kernels::cuda {
namespace {

// Keys that no query sees: they and their values may be anything, and 0 times NaN is NaN.
__device__ bool Hidden(const AttentionArgs& a, const Head& head, long long s) {
  return head.ids != nullptr && head.ids[s % a.ids_row] == a.padding;
}
__device__ bool Sees(const AttentionArgs& a, const Head& head, long long t, long long s) {
  return !(a.causal && s > t + a.keys - a.queries) && !Hidden(a, head, s);
}

// What a probability is multiplied by; `row` counts the queries of all heads.
__device__ float Kept(const AttentionArgs& a, const DropoutKeys& keys, long long row, long long s) {
  if (a.drops.seed == nullptr) return 1;
  return Drops(keys, static_cast<unsigned>(row * a.keys + s)) ? 0.f : a.kept;
}
__device__ DropoutKeys KeysOrNone(const AttentionArgs& a) {
  return a.drops.seed == nullptr ? DropoutKeys{0, 0, 0} : KeysOf(a.drops);
}

__device__ void Scores(const AttentionArgs& a) {
  const Tile tile(a.queries, a.keys);
  const Head head(a, tile.batch);
  TileSums sums = {};
  AddScores(a, head, tile, sums);
  ForEachSum(tile, [&](long long t, long long s, int i, int j) {
    a.p[head.map + t * a.keys + s] = Sees(a, head, t, s) ? a.scale * sums[i][j] : -INFINITY;
  });
}

// Where no key takes part the sum is 0; a NaN stays one.
__device__ void Probabilities(const AttentionArgs& a) {
  const long long row = a.first_head * a.queries + blockIdx.x;
  float* p = a.p + blockIdx.x * a.keys;
  const int first = threadIdx.x, step = blockDim.x;
  float largest = -INFINITY;
  for (long long s = first; s < a.keys; s += step) largest = p[s] > largest ? p[s] : largest;
  largest = BlockMax(largest);
  if (largest == -INFINITY) largest = 0;
  float sum = 0;
  for (long long s = first; s < a.keys; s += step) {
    p[s] = expf(p[s] - largest);
    sum += p[s];
  }
  sum = BlockSum(sum);
  const DropoutKeys keys = KeysOrNone(a);
  for (long long s = first; s < a.keys; s += step) {
    p[s] = sum == 0 ? 0.f : p[s] / sum * Kept(a, keys, row, s);
  }
  if (first == 0 && a.log_sums != nullptr) a.log_sums[row] = largest + logf(sum);
}

__device__ void Values(const AttentionArgs& a) {
  const Tile tile(a.queries, a.value_size);
  const Head head(a, tile.batch);
  TileSums sums = {};
  AddProducts<Along::kTerms, Along::kResult>(
      tile, a.keys, [&](long long t, long long s) { return a.p[head.map + t * a.keys + s]; },
      [&](long long d, long long s) { return Hidden(a, head, s) ? 0.f : a.v[head.value + s * head.value_row + d]; },
      sums);
  ForEachSum(tile,
             [&](long long t, long long d, int i, int j) { a.y[head.result + t * head.value_row + d] = sums[i][j]; });
}

__device__ void Inner(const AttentionArgs& a) {
  const Head head(a, blockIdx.x / a.queries);
  const long long at = head.result + blockIdx.x % a.queries * head.value_row;
  float sum = 0;
  for (long long d = threadIdx.x; d < a.value_size; d += blockDim.x) sum += a.diff_y[at + d] * a.y[at + d];
  sum = BlockSum(sum);
  if (threadIdx.x == 0) a.inner[blockIdx.x] = sum;
}

// With m what dropout multiplies the probabilities by: diff_p = m diff_y v^T, diff_s = p (diff_p - inner).
__device__ void BackwardMaps(const AttentionArgs& a) {
  const Tile tile(a.queries, a.keys);
  const Head head(a, tile.batch);
  TileSums scores = {}, diff_p = {};
  AddScores(a, head, tile, scores);
  AddValueProducts(a, head, tile, diff_p);
  const DropoutKeys keys = KeysOrNone(a);
  ForEachSum(tile, [&](long long t, long long s, int i, int j) {
    float p = 0, diff_s = 0;
    if (Sees(a, head, t, s)) {
      const long long row = head.index * a.queries + t;
      const float kept = Kept(a, keys, row, s), exact = expf(a.scale * scores[i][j] - a.log_sums[row]);
      p = exact * kept;
      diff_s = exact * (kept * diff_p[i][j] - a.inner[tile.batch * a.queries + t]);
    }
    a.p[head.map + t * a.keys + s] = p;
    a.diff_s[head.map + t * a.keys + s] = diff_s;
  });
}

__device__ void DiffQueries(const AttentionArgs& a) {
  const Tile tile(a.queries, a.key_size);
  const Head head(a, tile.batch);
  TileSums sums = {};
  AddProducts<Along::kTerms, Along::kResult>(
      tile, a.keys, [&](long long t, long long s) { return a.diff_s[head.map + t * a.keys + s]; },
      [&](long long d, long long s) { return Hidden(a, head, s) ? 0.f : a.k[head.key + s * head.key_row + d]; }, sums);
  ForEachSum(tile, [&](long long t, long long d, int i, int j) {
    a.diff_q[head.query + t * head.key_row + d] = a.scale * sums[i][j];
  });
}

// to = factor map^T of, where `to` is like keys or values and `of` like queries or results, with rows of `row`
// elements.
struct Transposed {
  const float *map, *of;
  float* to;
  float factor;
  long long of_first, to_first, row;
};
__device__ void MultiplyTransposed(const AttentionArgs& a, const Head& head, const Tile& tile, const Transposed& m) {
  TileSums sums = {};
  AddProducts<Along::kResult, Along::kResult>(
      tile, a.queries, [&](long long s, long long t) { return m.map[head.map + t * a.keys + s]; },
      [&](long long d, long long t) { return m.of[m.of_first + t * m.row + d]; }, sums);
  ForEachSum(tile,
             [&](long long s, long long d, int i, int j) { m.to[m.to_first + s * m.row + d] = m.factor * sums[i][j]; });
}

__device__ void DiffKeys(const AttentionArgs& a) {
  const Tile tile(a.keys, a.key_size);
  const Head head(a, tile.batch);
  MultiplyTransposed(a, head, tile, {a.diff_s, a.q, a.diff_k, a.scale, head.query, head.key, head.key_row});
}

__device__ void DiffValues(const AttentionArgs& a) {
  const Tile tile(a.keys, a.value_size);
  const Head head(a, tile.batch);
  MultiplyTransposed(a, head, tile, {a.p, a.diff_y, a.diff_v, 1, head.result, head.value, head.value_row});
}

}  // namespace

MATHNAS_CUDA_KERNEL(attention_scores, AttentionArgs, Scores)
MATHNAS_CUDA_KERNEL(attention_probabilities, AttentionArgs, Probabilities)
MATHNAS_CUDA_KERNEL(attention_values, AttentionArgs, Values)
MATHNAS_CUDA_KERNEL(attention_inner, AttentionArgs, Inner)
MATHNAS_CUDA_KERNEL(attention_backward_maps, AttentionArgs, BackwardMaps)
MATHNAS_CUDA_KERNEL(attention_diff_queries, AttentionArgs, DiffQueries)
MATHNAS_CUDA_KERNEL(attention_diff_keys, AttentionArgs, DiffKeys)
MATHNAS_CUDA_KERNEL(attention_diff_values, AttentionArgs, DiffValues)

}  // namespace mathnas::kernels::cuda
