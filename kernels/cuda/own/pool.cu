#include "kernels/cuda/own/column_tile.h"
#include "kernels/cuda/own/pool.h"

namespace mathnas::kernels::cuda {
namespace {

// Where a row of images of height x width pixels is.
struct Pixel {
  long long image;
  int y, x;

  __device__ Pixel(long long row, int height, int width) {
    const unsigned long long index = static_cast<unsigned long long>(row);
    const unsigned w = static_cast<unsigned>(width), h = static_cast<unsigned>(height);
    if (index <= 0xffffffffULL) {  // divisions of 64 bits take several times as long
      const unsigned i = static_cast<unsigned>(index);
      x = static_cast<int>(i % w), y = static_cast<int>(i / w % h), image = i / w / h;
    } else {
      x = static_cast<int>(index % w), y = static_cast<int>(index / w % h);
      image = static_cast<long long>(index / w / h);
    }
  }
};

// What window `index` covers of one axis: begin .. end-1.
struct Window {
  int begin, end;

  __device__ Window(const AvgPoolArgs& a, int index, int extent) {
    const int from = index * a.stride - a.padding, to = from + a.kernel;
    begin = from < 0 ? 0 : from;
    end = to > extent ? extent : to;
  }
};

// The windows of one axis that cover `at`: begin .. end-1.
struct Covering {
  int begin, end;

  __device__ Covering(const AvgPoolArgs& a, int at, int windows) {
    const int first = at + a.padding - a.kernel + 1, last = (at + a.padding) / a.stride;
    begin = first <= 0 ? 0 : (first + a.stride - 1) / a.stride;
    end = last < windows ? last + 1 : windows;
  }
};

__device__ float DivisorOf(const AvgPoolArgs& a, const Window& rows, const Window& columns) {
  if (a.include_padding) return static_cast<float>(a.kernel) * static_cast<float>(a.kernel);
  return static_cast<float>((rows.end - rows.begin) * (columns.end - columns.begin));
}

template <typename T, int V>
__device__ void ForwardOf(const AvgPoolArgs& a) {
  const Columns& m = a.columns;
  const ColumnTile t = ColumnTile::Of<V>(m);
  const T* src = static_cast<const T*>(a.from) + t.channel;
  T* dst = static_cast<T*>(a.to) + t.channel;
  for (long long row = t.begin; row < t.end; row += t.step) {
    const Pixel p(row, a.dst_height, a.dst_width);
    const Window rows(a, p.y, a.height), columns(a, p.x, a.width);
    Packet<V> sum = {};
    for (int h = rows.begin; h < rows.end; ++h) {
      for (int w = columns.begin; w < columns.end; ++w) {
        const Packet<V> x = LoadPacket<V>(src + ((p.image * a.height + h) * a.width + w) * m.channels);
        for (int v = 0; v < V; ++v) sum.v[v] += x.v[v];
      }
    }
    const float divisor = DivisorOf(a, rows, columns);
    for (int v = 0; v < V; ++v) sum.v[v] /= divisor;
    StorePacket(dst + row * m.channels, sum);
  }
}

template <typename T>
__device__ void Forward(const AvgPoolArgs& a) {
  a.columns.vector == 4 ? ForwardOf<T, 4>(a) : ForwardOf<T, 1>(a);
}

// A pixel gathers from the windows that it is in: nothing is added to memory.
template <typename T, int V>
__device__ void BackwardOf(const AvgPoolArgs& a) {
  const Columns& m = a.columns;
  const ColumnTile t = ColumnTile::Of<V>(m);
  const T* diff_dst = static_cast<const T*>(a.from) + t.channel;
  T* diff_src = static_cast<T*>(a.to) + t.channel;
  for (long long row = t.begin; row < t.end; row += t.step) {
    const Pixel p(row, a.height, a.width);
    const Covering vertical(a, p.y, a.dst_height), horizontal(a, p.x, a.dst_width);
    Packet<V> sum = {};
    for (int h = vertical.begin; h < vertical.end; ++h) {
      for (int w = horizontal.begin; w < horizontal.end; ++w) {
        const float divisor = DivisorOf(a, Window(a, h, a.height), Window(a, w, a.width));
        const Packet<V> d = LoadPacket<V>(diff_dst + ((p.image * a.dst_height + h) * a.dst_width + w) * m.channels);
        for (int v = 0; v < V; ++v) sum.v[v] += d.v[v] / divisor;
      }
    }
    StorePacket(diff_src + row * m.channels, sum);
  }
}

template <typename T>
__device__ void Backward(const AvgPoolArgs& a) {
  a.columns.vector == 4 ? BackwardOf<T, 4>(a) : BackwardOf<T, 1>(a);
}

}  // namespace

MATHNAS_CUDA_KERNELS(avg_pool, AvgPoolArgs, Forward)
MATHNAS_CUDA_KERNELS(avg_pool_backward, AvgPoolArgs, Backward)

}  // namespace mathnas::kernels::cuda
