// The grids of kernels that compute products tile by tile (own/tile.h).
#ifndef MATHNAS_KERNELS_CUDA_OWN_TILE_GRID_H_
#define MATHNAS_KERNELS_CUDA_OWN_TILE_GRID_H_

namespace mathnas::kernels::cuda {

constexpr int kTile = 32;         // rows and columns of a tile, and terms of its sums that are read at a time
constexpr int kTileThreads = 64;  // of a block

// Blocks, in one dimension, for `batch` matrices{rows,columns}.
constexpr long long TileBlocks(long long batch, long long rows, long long columns) {
  return batch * ((rows + kTile - 1) / kTile) * ((columns + kTile - 1) / kTile);
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_TILE_GRID_H_
