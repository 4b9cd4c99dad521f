#include "kernels/cuda/own/channels.h"
#include "kernels/cuda/own/column_tile.h"

namespace mathnas::kernels::cuda {
namespace {

constexpr int kRows = 4;  // loads under way

template <typename T, int V>
__device__ void ScaleRowsOf(const ScaleRowsArgs& a) {
  const Columns& m = a.columns;
  const ColumnTile t = ColumnTile::Of<V>(m);
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  Packet<V> scale = LoadChannels<V>(static_cast<const T*>(a.scale) + t.image * a.scale_stride + t.channel);
  for (int v = 0; v < V; ++v) scale.v[v] *= a.factor;
  for (long long row = t.begin; row < t.end; row += kRows * t.step) {
    const int count = t.RowsFrom<kRows>(row);
    const long long at = row * m.channels + t.channel, stride = static_cast<long long>(t.step) * m.channels;
    Packet<V> values[kRows] = {};
    for (int r = 0; r < kRows; ++r) {
      if (x != nullptr && r < count) values[r] = LoadPacket<V>(x + at + r * stride);
    }
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < V; ++v) values[r].v[v] = x != nullptr ? values[r].v[v] * scale.v[v] : scale.v[v];
      if (r < count) StorePacket(y + at + r * stride, values[r]);
    }
  }
}

template <typename T>
__device__ void ScaleRows(const ScaleRowsArgs& a) {
  a.columns.vector == 4 ? ScaleRowsOf<T, 4>(a) : ScaleRowsOf<T, 1>(a);
}

template <typename T, int V>
__device__ void SumRowsOf(const SumRowsArgs& a) {
  const Columns& m = a.columns;
  const ColumnTile t = ColumnTile::Of<V>(m);
  const T *x = static_cast<const T*>(a.x), *y = static_cast<const T*>(a.y);
  double sums[V] = {};
  for (long long row = t.begin; row < t.end; row += kRows * t.step) {
    const int count = t.RowsFrom<kRows>(row);
    const long long at = row * m.channels + t.channel, stride = static_cast<long long>(t.step) * m.channels;
    Packet<V> values[kRows] = {}, factors[kRows];
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < V; ++v) factors[r].v[v] = 1;
      if (r < count) values[r] = LoadPacket<V>(x + at + r * stride);
      if (r < count && y != nullptr) factors[r] = LoadPacket<V>(y + at + r * stride);
    }
    for (int v = 0; v < V; ++v) {
      float sum = 0;
      for (int r = 0; r < kRows; ++r) sum += values[r].v[v] * factors[r].v[v];
      sums[v] += sum;
    }
  }
  if (m.parts > 1) return StorePartSums(m, t, sums, a.sums);
  SumOverGroups(m, t, sums);
  if (!t.first) return;
  T* result = static_cast<T*>(a.result) + t.image * m.channels + t.channel;
  for (int v = 0; v < V; ++v) Store(result + v, static_cast<float>(a.factor * sums[v]));
}

template <typename T>
__device__ void SumRows(const SumRowsArgs& a) {
  a.columns.vector == 4 ? SumRowsOf<T, 4>(a) : SumRowsOf<T, 1>(a);
}

template <typename T>
__device__ void SumRowsFinish(const SumRowsArgs& a) {
  const Columns& m = a.columns;
  const int c = FinishedChannel();
  const long long image = blockIdx.y;
  const double sum = SumOfParts(m, a.sums + image * m.parts * m.channels, c);
  if (c >= m.channels || threadIdx.x >= kFinishedChannels) return;
  Store(static_cast<T*>(a.result) + image * m.channels + c, static_cast<float>(a.factor * sum));
}

}  // namespace

MATHNAS_CUDA_KERNELS(scale_rows, ScaleRowsArgs, ScaleRows)
MATHNAS_CUDA_KERNELS(sum_rows, SumRowsArgs, SumRows)
MATHNAS_CUDA_KERNELS(sum_rows_finish, SumRowsArgs, SumRowsFinish)

}  // namespace mathnas::kernels::cuda
