#include "kernels/cuda/own/column_tile.h"
#include "kernels/cuda/own/layer_norm.h"
#include "kernels/cuda/own/moments.h"

namespace mathnas::kernels::cuda {
namespace {

// Calls f(element, channel) for this thread's elements of a group.
template <typename F>
__device__ void ForElements(long long elements, int channels, const F& f) {
  const int threads = static_cast<int>(blockDim.x), step = threads % channels;
  int channel = static_cast<int>(threadIdx.x) % channels;
  for (long long i = threadIdx.x; i < elements; i += threads) {
    f(i, channel);
    channel += step;
    if (channel >= channels) channel -= channels;
  }
}

__device__ void Forward(const LayerNormArgs& a) {
  constexpr int kValues = kLayerNormElements;
  const long long group = blockIdx.x;
  const float* x = a.x + group * a.elements;
  const float shift = x[0];
  const int threads = static_cast<int>(blockDim.x);
  Moments moments;
  for (long long i = threadIdx.x; i < a.elements; i += kValues * threads) {
    float values[kValues] = {};
    int count = 0;
    for (int k = 0; k < kValues; ++k) {
      if (i + k * threads < a.elements) values[k] = x[i + k * threads], ++count;
    }
    moments.Add<kValues>(count, shift, [&](int k) { return values[k]; });
  }
  const double n = static_cast<double>(a.elements);
  const double sum = BlockSum(moments.sum), sum_squares = BlockSum(moments.squares);
  const float mean = static_cast<float>(shift + MeanOfMoments(sum, n));
  const float inv_std = static_cast<float>(1 / sqrt(SquaresOfMoments(sum, sum_squares, n) / n + a.epsilon));
  if (threadIdx.x == 0) a.mean[group] = mean, a.inv_std[group] = inv_std;
  float* y = a.y + group * a.elements;  // may be x, which all threads have read
  ForElements(a.elements, a.channels,
              [&](long long i, int c) { y[i] = (x[i] - mean) * inv_std * a.gamma[c] + a.beta[c]; });
}

template <int V>
__device__ void BackwardSumsOf(const LayerNormBackwardArgs& a) {
  constexpr int kRows = 4;  // loads under way
  const Columns& m = a.columns;
  const ColumnTile t = ColumnTile::Of<V>(m);
  double gammas[V] = {}, betas[V] = {};
  for (long long row = t.begin; row < t.end; row += kRows * t.step) {
    const int count = t.RowsFrom<kRows>(row);
    Packet<V> x[kRows] = {}, d[kRows] = {};
    float mean[kRows] = {}, inv_std[kRows] = {};
    for (int r = 0; r < kRows; ++r) {
      if (r >= count) continue;
      const long long at = (row + r * t.step) * m.channels + t.channel, group = (row + r * t.step) / a.group_rows;
      x[r] = LoadPacket<V>(a.x + at);
      d[r] = LoadPacket<V>(a.diff_y + at);
      mean[r] = a.mean[group];
      inv_std[r] = a.inv_std[group];
    }
    for (int v = 0; v < V; ++v) {
      float gamma = 0, beta = 0;
      for (int r = 0; r < kRows; ++r) {
        gamma += d[r].v[v] * ((x[r].v[v] - mean[r]) * inv_std[r]);
        beta += d[r].v[v];
      }
      gammas[v] += gamma;
      betas[v] += beta;
    }
  }
  StorePartSums(m, t, gammas, a.sums);
  StorePartSums(m, t, betas, a.sums + static_cast<long long>(m.parts) * m.channels);
}

__device__ void BackwardSums(const LayerNormBackwardArgs& a) {
  a.columns.vector == 4 ? BackwardSumsOf<4>(a) : BackwardSumsOf<1>(a);
}

__device__ void BackwardFinish(const LayerNormBackwardArgs& a) {
  const Columns& m = a.columns;
  const int c = FinishedChannel();
  const double gamma = SumOfParts(m, a.sums, c);
  const double beta = SumOfParts(m, a.sums + static_cast<long long>(m.parts) * m.channels, c);
  if (c >= m.channels || threadIdx.x >= kFinishedChannels) return;
  a.diff_gamma[c] = static_cast<float>(gamma);
  a.diff_beta[c] = static_cast<float>(beta);
}

__device__ void Backward(const LayerNormBackwardArgs& a) {
  const long long group = blockIdx.x, elements = a.group_rows * a.columns.channels;
  const float *x = a.x + group * elements, *diff_y = a.diff_y + group * elements;
  const float mean = a.mean[group], inv_std = a.inv_std[group];
  double sum_g = 0, sum_gh = 0;
  ForElements(elements, a.columns.channels, [&](long long i, int c) {
    const float g = a.gamma[c] * diff_y[i];
    sum_g += g;
    sum_gh += g * ((x[i] - mean) * inv_std);
  });
  const float mean_g = static_cast<float>(BlockSum(sum_g) / static_cast<double>(elements));
  const float mean_gh = static_cast<float>(BlockSum(sum_gh) / static_cast<double>(elements));
  float* diff_x = a.diff_x + group * elements;
  ForElements(elements, a.columns.channels, [&](long long i, int c) {
    diff_x[i] = inv_std * (a.gamma[c] * diff_y[i] - mean_g - (x[i] - mean) * inv_std * mean_gh);
  });
}

}  // namespace

MATHNAS_CUDA_KERNEL(layer_norm, LayerNormArgs, Forward)
MATHNAS_CUDA_KERNEL(layer_norm_backward_sums, LayerNormBackwardArgs, BackwardSums)
MATHNAS_CUDA_KERNEL(layer_norm_backward_finish, LayerNormBackwardArgs, BackwardFinish)
MATHNAS_CUDA_KERNEL(layer_norm_backward, LayerNormBackwardArgs, Backward)

}  // namespace mathnas::kernels::cuda
