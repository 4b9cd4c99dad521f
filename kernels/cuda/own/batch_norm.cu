#include "kernels/cuda/own/batch_norm.h"
#include "kernels/cuda/own/column_tile.h"
#include "kernels/cuda/own/moments.h"

namespace mathnas::kernels::cuda {
namespace {

template <typename T, int V>
__device__ void MomentSumsOf(const BatchNormMomentsArgs& a) {
  constexpr int kRows = V == 1 ? 8 : 4;  // loads under way
  const Columns& m = a.columns;
  const ColumnTile t = ColumnTile::Of<V>(m);
  const T* x = static_cast<const T*>(a.x) + t.channel;
  const Packet<V> shift = LoadPacket<V>(x);
  Moments moments[V];
  for (long long row = t.begin; row < t.end; row += kRows * t.step) {
    const int count = t.RowsFrom<kRows>(row);
    Packet<V> values[kRows];
    for (int r = 0; r < kRows; ++r) {
      if (r < count) values[r] = LoadPacket<V>(x + (row + r * t.step) * m.channels);
    }
    for (int v = 0; v < V; ++v) {
      moments[v].template Add<kRows>(count, shift.v[v], [&](int r) { return values[r].v[v]; });
    }
  }
  double sums[V], squares[V];
  for (int v = 0; v < V; ++v) sums[v] = moments[v].sum, squares[v] = moments[v].squares;
  StorePartSums(m, t, sums, a.sums);
  StorePartSums(m, t, squares, a.sums + static_cast<long long>(m.parts) * m.channels);
}

template <typename T>
__device__ void MomentSums(const BatchNormMomentsArgs& a) {
  a.columns.vector == 4 ? MomentSumsOf<T, 4>(a) : MomentSumsOf<T, 1>(a);
}

template <typename T>
__device__ void FinishMoments(const BatchNormMomentsArgs& a) {
  const Columns& m = a.columns;
  const int c = FinishedChannel();
  const double sum = SumOfParts(m, a.sums, c);
  const double sum_squares = SumOfParts(m, a.sums + static_cast<long long>(m.parts) * m.channels, c);
  if (c >= m.channels || threadIdx.x >= kFinishedChannels) return;
  const double n = static_cast<double>(m.rows);
  const double mean = Load(static_cast<const T*>(a.x) + c) + MeanOfMoments(sum, n);
  const double squares = SquaresOfMoments(sum, sum_squares, n);
  a.mean[c] = static_cast<float>(mean);
  a.inv_std[c] = static_cast<float>(1 / sqrt(squares / n + a.epsilon));
  if (a.running_mean == nullptr) return;
  const double unbiased = squares / (n > 1 ? n - 1 : n);
  a.running_mean[c] = static_cast<float>((1 - a.momentum) * a.running_mean[c] + a.momentum * mean);
  a.running_var[c] = static_cast<float>((1 - a.momentum) * a.running_var[c] + a.momentum * unbiased);
}

}  // namespace

MATHNAS_CUDA_KERNELS(batch_norm_moment_sums, BatchNormMomentsArgs, MomentSums)
MATHNAS_CUDA_KERNELS(batch_norm_moments, BatchNormMomentsArgs, FinishMoments)

}  // namespace mathnas::kernels::cuda
