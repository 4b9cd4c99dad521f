// A head of attention in memory, and the products of its queries with its keys, for the kernels of attention.cu and
// talking_heads.cu.
#ifndef MATHNAS_KERNELS_CUDA_OWN_ATTENTION_HEAD_H_
#define MATHNAS_KERNELS_CUDA_OWN_ATTENTION_HEAD_H_

#include "kernels/cuda/own/attention.h"
#include "kernels/cuda/own/tile.h"

namespace mathnas::kernels::cuda {

// Where one of the heads at hand is in the operands.
struct Head {
  long long index;                      // among all
  long long map;                        // in maps
  long long query, key, value, result;  // its first element in q, k, v, y
  long long key_row, value_row;         // elements from row to row in q and k, in v and y
  const long long* ids;                 // of its example

  __device__ Head(const AttentionArgs& a, long long at_hand) : index(a.first_head + at_hand) {
    const long long b = index / a.heads, h = index % a.heads;
    map = at_hand * a.queries * a.keys;
    key_row = a.heads * a.key_size;
    value_row = a.heads * a.value_size;
    query = b * a.queries * key_row + h * a.key_size;
    key = b * a.keys * key_row + h * a.key_size;
    value = b * a.keys * value_row + h * a.value_size;
    result = b * a.queries * value_row + h * a.value_size;
    ids = a.ids == nullptr ? nullptr : a.ids + b * a.ids_row;
  }
};

// sums += q k^T over a tile of {queries,keys}, not scaled.
__device__ inline void AddScores(const AttentionArgs& a, const Head& head, const Tile& tile, TileSums& sums) {
  AddProducts<Along::kTerms, Along::kTerms>(
      tile, a.key_size, [&](long long t, long long d) { return a.q[head.query + t * head.key_row + d]; },
      [&](long long s, long long d) { return a.k[head.key + s * head.key_row + d]; }, sums);
}

// sums += diff_y v^T over a tile of {queries,keys}.
__device__ inline void AddValueProducts(const AttentionArgs& a, const Head& head, const Tile& tile, TileSums& sums) {
  AddProducts<Along::kTerms, Along::kTerms>(
      tile, a.value_size, [&](long long t, long long d) { return a.diff_y[head.result + t * head.value_row + d]; },
      [&](long long s, long long d) { return a.v[head.value + s * head.value_row + d]; }, sums);
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_ATTENTION_HEAD_H_
