// Products of matrices in own kernels, of whatever the operands are read from: each block computes a tile of a result.
#ifndef MATHNAS_KERNELS_CUDA_OWN_TILE_H_
#define MATHNAS_KERNELS_CUDA_OWN_TILE_H_

#include "kernels/cuda/own/language.h"
#include "kernels/cuda/own/tile_grid.h"

namespace mathnas::kernels::cuda {

// The tile of this block, of TileBlocks(.., rows, columns) blocks.
struct Tile {
  long long rows, columns;  // of the whole matrix
  long long batch;          // which matrix
  long long row, column;    // the tile's first ones

  __device__ Tile(long long rows_, long long columns_) : rows(rows_), columns(columns_) {
    const long long across = (columns + kTile - 1) / kTile, down = (rows + kTile - 1) / kTile, block = blockIdx.x;
    batch = block / (across * down);
    row = block / across % down * kTile;
    column = block % across * kTile;
  }
};

// Which index of an operand neighbouring addresses belong to: that of the result, or that of the terms of a sum.
enum class Along { kResult, kTerms };

// Sums of a thread: of kThreadRows rows one after the other and kThreadColumns columns kThreadsAcross apart, so that
// neighbouring threads write neighbouring addresses.
constexpr int kThreadRows = 4, kThreadColumns = 4, kThreadsAcross = kTile / kThreadColumns;
using TileSums = float[kThreadRows][kThreadColumns];

// A row of an operand in shared memory: whole float4s, and such that the threads of a warp write to different banks.
constexpr int kTileStride = kTile + 4;

// to[k][i] = f(first + i, term + k) for `terms` k, 0 where first + i is beyond the extent.
template <Along kAlong, typename F>
__device__ void LoadTile(float (*to)[kTileStride], long long first, long long extent, long long term, int terms,
                         const F& f) {
  // Eight neighbours read 32 bytes of a row along the terms, and a warp does so of four rows.
  constexpr int kRun = 8;
  const int count = (terms + kRun - 1) / kRun * kRun * kTile;
  for (int e = threadIdx.x; e < count; e += kTileThreads) {
    const bool along_terms = kAlong == Along::kTerms;
    const int k = along_terms ? e % kRun + e / (kRun * kTile) * kRun : e / kTile;
    const int i = along_terms ? e / kRun % kTile : e % kTile;
    if (k < terms) to[k][i] = first + i < extent ? f(first + i, term + k) : 0.f;
  }
}

// sums += the products a(row, k) b(column, k) for all k < depth. All threads of the block call it.
template <Along kA, Along kB, typename A, typename B>
__device__ void AddProducts(const Tile& tile, long long depth, const A& a, const B& b, TileSums& sums) {
  alignas(16) __shared__ float left[kTile][kTileStride];
  __shared__ float right[kTile][kTileStride];
  const int down = threadIdx.x / kThreadsAcross, across = threadIdx.x % kThreadsAcross;
  for (long long term = 0; term < depth; term += kTile) {
    const int terms = depth - term < kTile ? static_cast<int>(depth - term) : kTile;
    LoadTile<kA>(left, tile.row, tile.rows, term, terms, a);
    LoadTile<kB>(right, tile.column, tile.columns, term, terms, b);
    __syncthreads();
    for (int k = 0; k < terms; ++k) {
      const float4 x = *reinterpret_cast<const float4*>(&left[k][down * kThreadRows]);
      for (int j = 0; j < kThreadColumns; ++j) {
        const float y = right[k][across + j * kThreadsAcross];
        sums[0][j] += x.x * y;
        sums[1][j] += x.y * y;
        sums[2][j] += x.z * y;
        sums[3][j] += x.w * y;
      }
    }
    __syncthreads();  // the next terms are read into the same memory
  }
}

// f(row, column, i, j) for every element of the matrix whose sums this thread has in sums[i][j].
template <typename F>
__device__ void ForEachSum(const Tile& tile, const F& f) {
  const int down = threadIdx.x / kThreadsAcross, across = threadIdx.x % kThreadsAcross;
#pragma unroll  // sums stay in registers
  for (int i = 0; i < kThreadRows; ++i) {
#pragma unroll
    for (int j = 0; j < kThreadColumns; ++j) {
      const long long row = tile.row + down * kThreadRows + i, column = tile.column + across + j * kThreadsAcross;
      if (row < tile.rows && column < tile.columns) f(row, column, i, j);
    }
  }
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_TILE_H_
