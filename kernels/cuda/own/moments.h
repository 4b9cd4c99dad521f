// Device code: mean and variance of many values in one pass, as exact as in two.
#ifndef MATHNAS_KERNELS_CUDA_OWN_MOMENTS_H_
#define MATHNAS_KERNELS_CUDA_OWN_MOMENTS_H_

#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {

// Sums of x - shift and of its square, where `shift` is one of the values, the same for all whose sums are added.
// A few values at a time are measured from their own mean in float, where nothing cancels; that these means are not the
// shift is put right in double.
struct Moments {
  double sum = 0;
  double squares = 0;

  // x(0) .. x(count - 1); 0 < count <= kMost.
  template <int kMost, typename X>
  __device__ void Add(int count, float shift, const X& x) {
    float total = 0;
    for (int i = 0; i < kMost; ++i) total += i < count ? x(i) : 0.f;
    const float mean = total / static_cast<float>(count);
    float rest = 0, rest_squares = 0;
    for (int i = 0; i < kMost; ++i) {
      const float d = i < count ? x(i) - mean : 0.f;
      rest += d;
      rest_squares += d * d;
    }
    const double offset = static_cast<double>(mean) - shift;
    sum += count * offset + rest;
    squares += rest_squares + offset * (2.0 * rest + count * offset);
  }
};

// Of n values with these sums: how far their mean is from the shift, and the sum of squared distances from it. Rounding
// may leave a little below 0; NaN stays.
__device__ inline double MeanOfMoments(double sum, double n) { return sum / n; }
__device__ inline double SquaresOfMoments(double sum, double squares, double n) {
  const double about_mean = squares - sum * sum / n;
  return about_mean < 0 ? 0 : about_mean;
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_MOMENTS_H_
