#include "kernels/cuda/own/activation_functions.h"
#include "kernels/cuda/own/column_tile.h"
#include "kernels/cuda/own/normalized_sum.h"

namespace mathnas::kernels::cuda {
namespace {

// Rows at a time: loads under way, and what each use of a channel's numbers is shared by.
constexpr int kRows = 4;

// Mean, scale and shift of a thread's channels: a term is (x - mean) * scale + shift.
template <int V>
struct TermScale {
  Packet<V> mean, scale, shift;

  __device__ TermScale(const NormalizedTerm& t, int channel, bool of_variance, float epsilon) {
    mean = LoadChannels<V>(t.mean + channel);
    scale = LoadChannels<V>(t.inv_std + channel);
    if (of_variance) {
      for (int v = 0; v < V; ++v) scale.v[v] = 1 / sqrtf(scale.v[v] + epsilon);
    }
    if (t.gamma == nullptr) {
      for (int v = 0; v < V; ++v) shift.v[v] = 0;
      return;
    }
    const Packet<V> gamma = LoadChannels<V>(t.gamma + channel);
    for (int v = 0; v < V; ++v) scale.v[v] *= gamma.v[v];
    shift = LoadChannels<V>(t.beta + channel);
  }
  __device__ float Of(float x, int v) const { return (x - mean.v[v]) * scale.v[v] + shift.v[v]; }
};

__device__ float Activated(SumActivation activation, float x) {
  switch (activation) {
    case SumActivation::kRelu:
      return x < 0 ? 0.f : x;
    case SumActivation::kHardSwish:
      return HardSwishOf(x);
    case SumActivation::kSwish:
      return SwishOf(x);
    default:
      return x;
  }
}

// Its derivative at x.
__device__ float SlopeOf(SumActivation activation, float x) {
  switch (activation) {
    case SumActivation::kRelu:
      return x > 0 ? 1.f : 0.f;
    case SumActivation::kHardSwish:
      return HardSwishSlope(x);
    case SumActivation::kSwish:
      return SwishSlope(x);
    default:
      return 1;
  }
}

// sums[r] += x(row r) for the rows that there are.
template <int V, typename T>
__device__ void AddRows(const T* x, long long stride, int count, Packet<V> (&sums)[kRows]) {
  Packet<V> values[kRows];
  for (int r = 0; r < kRows; ++r) {
    if (r < count) values[r] = LoadPacket<V>(x + r * stride);
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < V; ++v) sums[r].v[v] += r < count ? values[r].v[v] : 0.f;
  }
}

template <int V, typename T>
__device__ void StoreRows(T* y, long long stride, int count, const Packet<V> (&values)[kRows]) {
  for (int r = 0; r < kRows; ++r) {
    if (r < count) StorePacket(y + r * stride, values[r]);
  }
}

template <typename T, int V>
__device__ void SumOf(const NormalizedSumArgs& a) {
  const Columns& m = a.columns;
  const ColumnTile t = ColumnTile::Of<V>(m);
  const long long stride = static_cast<long long>(t.step) * m.channels;
  for (long long row = t.begin; row < t.end; row += kRows * t.step) {
    const int count = t.RowsFrom<kRows>(row);
    const long long at = row * m.channels + t.channel;
    Packet<V> sums[kRows] = {};
    for (int k = 0; k < a.term_count; ++k) {
      const TermScale<V> scale(a.terms[k], t.channel, a.of_variance, a.epsilon);
      Packet<V> x[kRows] = {};
      AddRows<V>(static_cast<const T*>(a.terms[k].x) + at, stride, count, x);
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < V; ++v) sums[r].v[v] += scale.Of(x[r].v[v], v);
      }
    }
    for (int k = 0; k < a.addend_count; ++k) AddRows<V>(static_cast<const T*>(a.addends[k]) + at, stride, count, sums);
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < V; ++v) sums[r].v[v] = Activated(a.activation, sums[r].v[v]);
    }
    StoreRows(static_cast<T*>(a.y) + at, stride, count, sums);
  }
}

template <typename T>
__device__ void Sum(const NormalizedSumArgs& a) {
  a.columns.vector == 4 ? SumOf<T, 4>(a) : SumOf<T, 1>(a);
}

// A total of float32 is written with the sums of the first terms and read from then on. One of 16 bits is rounded: it
// is written at last, and what flows in is added up every time. It may lie where the first that flows in does.
template <typename T>
constexpr bool kKeepsTotal = sizeof(T) == sizeof(float);

// What flows in behind the activation, at kRows rows; 0 where there is no row.
template <typename T, int V>
__device__ void Flow(const NormalizedSumBackwardArgs& a, bool from_total, int channel, long long at, long long stride,
                     int count, Packet<V> (&flow)[kRows]) {
  for (int r = 0; r < kRows; ++r) flow[r] = {};
  if (from_total) return AddRows<V>(static_cast<const T*>(a.total) + at, stride, count, flow);
  for (int k = 0; k < a.flow_count; ++k) AddRows<V>(static_cast<const T*>(a.flows[k]) + at, stride, count, flow);
  if (a.activation == SumActivation::kNone) return;
  Packet<V> x[kRows] = {};
  if (a.y != nullptr) {
    AddRows<V>(static_cast<const T*>(a.y) + at, stride, count, x);
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < V; ++v) flow[r].v[v] = x[r].v[v] > 0 ? flow[r].v[v] : 0.f;
    }
    return;
  }
  const TermScale<V> scale(a.terms[0].forward, channel, false, 0);
  AddRows<V>(static_cast<const T*>(a.terms[0].forward.x) + at, stride, count, x);
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < V; ++v) {
      const float inner = scale.Of(x[r].v[v], v);
      flow[r].v[v] *= r < count ? SlopeOf(a.activation, inner) : 0.f;
    }
  }
}

template <typename T, int V, int kTerms>
__device__ void BackwardSumsOf(const NormalizedSumBackwardArgs& a) {
  const Columns& m = a.columns;
  const ColumnTile t = ColumnTile::Of<V>(m);
  const long long stride = static_cast<long long>(t.step) * m.channels;
  const bool has_total = kKeepsTotal<T> && a.total != nullptr;
  double sums[V] = {}, products[kTerms][V] = {};
  for (long long row = t.begin; row < t.end; row += kRows * t.step) {
    const int count = t.RowsFrom<kRows>(row);
    const long long at = row * m.channels + t.channel;
    Packet<V> flow[kRows];
    Flow<T, V>(a, has_total && a.first_term > 0, t.channel, at, stride, count, flow);
    if (has_total && a.first_term == 0) {
      StoreRows(static_cast<T*>(a.total) + at, stride, count, flow);
    }
    for (int v = 0; v < V; ++v) {
      float sum = 0;
      for (int r = 0; r < kRows; ++r) sum += flow[r].v[v];
      sums[v] += sum;
    }
    for (int k = 0; k < kTerms; ++k) {
      if (a.first_term + k >= a.term_count) break;
      const NormalizedTerm& term = a.terms[a.first_term + k].forward;
      const Packet<V> mean = LoadChannels<V>(term.mean + t.channel);
      Packet<V> x[kRows] = {};
      AddRows<V>(static_cast<const T*>(term.x) + at, stride, count, x);
      for (int v = 0; v < V; ++v) {
        float sum = 0;
        for (int r = 0; r < kRows; ++r) sum += flow[r].v[v] * (x[r].v[v] - mean.v[v]);
        products[k][v] += sum;
      }
    }
  }
  const long long size = static_cast<long long>(m.parts) * m.channels;
  if (a.first_term == 0) StorePartSums(m, t, sums, a.sums);
  for (int k = 0; k < kTerms; ++k) {
    if (a.first_term + k < a.term_count) StorePartSums(m, t, products[k], a.sums + (1 + a.first_term + k) * size);
  }
}

template <typename T, int kTerms>
__device__ void BackwardSums(const NormalizedSumBackwardArgs& a) {
  a.columns.vector == 4 ? BackwardSumsOf<T, 4, kTerms>(a) : BackwardSumsOf<T, 1, kTerms>(a);
}
template <typename T>
__device__ void BackwardSumsOfOne(const NormalizedSumBackwardArgs& a) {
  BackwardSums<T, 1>(a);
}
template <typename T>
__device__ void BackwardSumsOfSome(const NormalizedSumBackwardArgs& a) {
  BackwardSums<T, kTermsPerLaunch>(a);
}

// With g = gamma * inv_std: diff_x = g * (flow - sum(flow) / n - (x - mean) * inv_std^2 * sum(flow * (x - mean)) / n).
__device__ void BackwardFinish(const NormalizedSumBackwardArgs& a) {
  const Columns& m = a.columns;
  const int c = FinishedChannel(), k = static_cast<int>(blockIdx.y);
  const double sum = SumOfParts(m, a.sums, c);
  const double product = SumOfParts(m, a.sums + (1LL + k) * m.parts * m.channels, c);
  if (c >= m.channels || threadIdx.x >= kFinishedChannels) return;
  const NormalizedTermBackward& term = a.terms[k];
  const double inv_std = term.forward.inv_std[c], n = static_cast<double>(m.rows);
  const double g = term.forward.gamma != nullptr ? term.forward.gamma[c] * inv_std : inv_std;
  if (term.diff_gamma != nullptr) {
    term.diff_gamma[c] = static_cast<float>(product * inv_std);
    term.diff_beta[c] = static_cast<float>(sum);
  }
  float* coefficients = a.coefficients + 3LL * k * m.channels + c;
  coefficients[0] = static_cast<float>(g);
  coefficients[m.channels] = static_cast<float>(g * inv_std * inv_std * product / n);
  coefficients[2LL * m.channels] = static_cast<float>(g * sum / n);
}

template <typename T, int V>
__device__ void BackwardOf(const NormalizedSumBackwardArgs& a) {
  const Columns& m = a.columns;
  const ColumnTile t = ColumnTile::Of<V>(m);
  const long long stride = static_cast<long long>(t.step) * m.channels;
  const bool has_total = a.total != nullptr;
  for (long long row = t.begin; row < t.end; row += kRows * t.step) {
    const int count = t.RowsFrom<kRows>(row);
    const long long at = row * m.channels + t.channel;
    Packet<V> flow[kRows];
    Flow<T, V>(a, has_total && kKeepsTotal<T>, t.channel, at, stride, count, flow);
    if (has_total && !kKeepsTotal<T>) {
      StoreRows(static_cast<T*>(a.total) + at, stride, count, flow);
    }
    for (int k = 0; k < a.term_count; ++k) {
      const NormalizedTermBackward& term = a.terms[k];
      const float* coefficients = a.coefficients + 3LL * k * m.channels + t.channel;
      const Packet<V> mean = LoadChannels<V>(term.forward.mean + t.channel), scale = LoadPacket<V>(coefficients),
                      slope = LoadPacket<V>(coefficients + m.channels),
                      offset = LoadPacket<V>(coefficients + 2LL * m.channels);
      Packet<V> x[kRows] = {};  // diff_x may be written over it
      AddRows<V>(static_cast<const T*>(term.forward.x) + at, stride, count, x);
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < V; ++v) {
          x[r].v[v] = flow[r].v[v] * scale.v[v] - (x[r].v[v] - mean.v[v]) * slope.v[v] - offset.v[v];
        }
      }
      StoreRows(static_cast<T*>(term.diff_x) + at, stride, count, x);
    }
  }
}

template <typename T>
__device__ void Backward(const NormalizedSumBackwardArgs& a) {
  a.columns.vector == 4 ? BackwardOf<T, 4>(a) : BackwardOf<T, 1>(a);
}

}  // namespace

MATHNAS_CUDA_KERNELS(normalized_sum, NormalizedSumArgs, Sum)
MATHNAS_CUDA_KERNELS(normalized_sum_backward_sums_of_one, NormalizedSumBackwardArgs, BackwardSumsOfOne)
MATHNAS_CUDA_KERNELS(normalized_sum_backward_sums_of_some, NormalizedSumBackwardArgs, BackwardSumsOfSome)
MATHNAS_CUDA_KERNEL(normalized_sum_backward_finish, NormalizedSumBackwardArgs, BackwardFinish)
MATHNAS_CUDA_KERNELS(normalized_sum_backward, NormalizedSumBackwardArgs, Backward)

}  // namespace mathnas::kernels::cuda
