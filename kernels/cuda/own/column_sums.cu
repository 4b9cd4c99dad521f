#include "kernels/cuda/own/column_sums.h"
#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {
namespace {

// A warp reads a row of its block's columns; the block's warps take turns in the rows.
template <typename T>
__device__ void ColumnSums(const ColumnSumsArgs& a) {
  constexpr int kWarps = kColumnSumThreads / kWarp;
  __shared__ float parts[kWarps][kColumnSumColumns];
  const T* x = static_cast<const T*>(a.x);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const long long column = static_cast<long long>(blockIdx.x) * kColumnSumColumns + lane, part = blockIdx.y;
  const long long begin = part * a.rows_per_part;
  const long long end = begin + a.rows_per_part < a.rows ? begin + a.rows_per_part : a.rows;
  float sum = 0;
  if (column < a.columns) {
    for (long long row = begin + warp; row < end; row += kWarps) sum += Load(x + row * a.columns + column);
  }
  parts[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || column >= a.columns) return;
  for (int w = 1; w < kWarps; ++w) sum += parts[w][lane];
  a.y[part * a.columns + column] = sum;
}

}  // namespace

MATHNAS_CUDA_KERNELS(column_sums, ColumnSumsArgs, ColumnSums)

}  // namespace mathnas::kernels::cuda
