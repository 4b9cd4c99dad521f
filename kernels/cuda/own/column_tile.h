// Device code on Columns: which rows and channels are a thread's, and sums over rows.
#ifndef MATHNAS_KERNELS_CUDA_OWN_COLUMN_TILE_H_
#define MATHNAS_KERNELS_CUDA_OWN_COLUMN_TILE_H_

#include "kernels/cuda/own/columns.h"
#include "kernels/cuda/own/packet.h"

namespace mathnas::kernels::cuda {

// What is this thread's: rows begin, begin + step, ... before end, counted over all images, and V channels from
// `channel` on. A thread without any has no rows.
struct ColumnTile {
  long long image, begin, end;
  int step;
  int channel;
  int part;  // counted over all images
  bool active;
  bool first;  // of the threads that share its channels in this block

  template <int V>
  static __device__ ColumnTile Of(const Columns& m) {
    const int lane = static_cast<int>(threadIdx.x) % m.width, group = static_cast<int>(threadIdx.x) / m.width;
    const int column = static_cast<int>(blockIdx.x) % m.tiles * m.width + lane;
    ColumnTile t;
    t.part = static_cast<int>(blockIdx.x) / m.tiles;
    t.image = t.part / m.parts;
    t.active = group < m.groups && column * V < m.channels;
    t.first = t.active && group == 0;
    t.channel = t.active ? column * V : 0;
    t.step = m.groups;
    const long long from = t.part % m.parts * m.part_rows;
    const long long to = from + m.part_rows < m.rows ? from + m.part_rows : m.rows;
    t.begin = t.image * m.rows + from + group;
    t.end = t.active ? t.image * m.rows + to : t.begin;
    return t;
  }

  // Of kRows rows from `row` on, those before the end.
  template <int kRows>
  __device__ int RowsFrom(long long row) const {
    int count = 0;
    for (int r = 0; r < kRows; ++r) count += row + r * step < end ? 1 : 0;
    return count;
  }
};

// The sums over the threads of a block that share channels, complete in the first of them. All threads call it.
template <int V>
__device__ void SumOverGroups(const Columns& m, const ColumnTile& t, double (&sums)[V]) {
  __shared__ double all[V][kColumnThreads];
  for (int v = 0; v < V; ++v) all[v][threadIdx.x] = sums[v];
  __syncthreads();
  if (t.first) {
    for (int group = 1; group < m.groups; ++group) {
      for (int v = 0; v < V; ++v) sums[v] += all[v][group * m.width + static_cast<int>(threadIdx.x)];
    }
  }
  __syncthreads();  // `all` may be written again
}

// Leaves the sums of this block in to[part, channel].
template <int V>
__device__ void StorePartSums(const Columns& m, const ColumnTile& t, double (&sums)[V], double* to) {
  SumOverGroups(m, t, sums);
  if (!t.first) return;
  for (int v = 0; v < V; ++v) to[static_cast<long long>(t.part) * m.channels + t.channel + v] = sums[v];
}

// In the second kernel: the channel of this thread, which may be behind the last.
__device__ inline int FinishedChannel() {
  return static_cast<int>(blockIdx.x) * kFinishedChannels + static_cast<int>(threadIdx.x) % kFinishedChannels;
}
// The sum of what is in sums[part, channel], in all threads of the channel. All threads call it.
__device__ inline double SumOfParts(const Columns& m, const double* sums, int channel) {
  __shared__ double all[kColumnThreads];
  double sum = 0;
  if (channel < m.channels) {
    const int groups = kColumnThreads / kFinishedChannels;
    for (int part = static_cast<int>(threadIdx.x) / kFinishedChannels; part < m.parts; part += groups) {
      sum += sums[static_cast<long long>(part) * m.channels + channel];
    }
  }
  all[threadIdx.x] = sum;
  __syncthreads();
  sum = 0;
  for (int i = static_cast<int>(threadIdx.x) % kFinishedChannels; i < kColumnThreads; i += kFinishedChannels) {
    sum += all[i];
  }
  __syncthreads();
  return sum;
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_COLUMN_TILE_H_
