#include "kernels/cuda/own/language.h"
#include "kernels/cuda/own/positions.h"

namespace mathnas::kernels::cuda {
namespace {

// Tokens other than padding up to this one of its row: each block counts them again, since rows are short.
__device__ long long PositionOf(const PositionsArgs& a, long long place) {
  const long long begin = place / a.length * a.length;
  long long count = 0;
  for (long long t = begin + threadIdx.x; t <= place; t += blockDim.x) count += a.ids[t] != a.padding ? 1 : 0;
  return a.padding + BlockSum(count);
}

// In double: an angle is as large as the position, and its error is the error of the sine.
__device__ void SinusoidalPositions(const PositionsArgs& a) {
  const long long place = blockIdx.x;
  long long row = a.ids[place];
  if (a.from_tokens && row != a.padding) row = PositionOf(a, place);
  float* y = a.y + place * a.columns;
  for (int c = threadIdx.x; c < a.columns; c += static_cast<int>(blockDim.x)) {
    if (row < 0 || row >= a.rows) {
      y[c] = NAN;
    } else if (row == a.padding) {
      y[c] = 0;
    } else {
      const double angle = static_cast<double>(row) * exp(c % a.half * a.log_frequency_step);
      y[c] = static_cast<float>(c < a.half ? sin(angle) : cos(angle));
    }
  }
}

}  // namespace

MATHNAS_CUDA_KERNEL(sinusoidal_positions, PositionsArgs, SinusoidalPositions)

}  // namespace mathnas::kernels::cuda
