#include "kernels/cuda/own/language.h"
#include "kernels/cuda/own/resize.h"

namespace mathnas::kernels::cuda {
namespace {

constexpr int kTaps = 4;

// Keys' kernel with a = -0.75 at a distance.
__device__ double Cubic(double distance) {
  constexpr double kA = -0.75;
  const double d = distance < 0 ? -distance : distance;
  if (d <= 1) return ((kA + 2) * d - (kA + 3)) * d * d + 1;
  return d < 2 ? ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA : 0;
}

// As CubicTaps of ops/resize.h: what pixel i of `out` along one axis is made of.
struct Taps {
  int at[kTaps];
  float weights[kTaps];

  __device__ Taps(int i, int in, int out) {
    const double centre = (i + 0.5) * (static_cast<double>(in) / out) - 0.5;
    const double first = floor(centre) - 1;
    for (int t = 0; t < kTaps; ++t) {
      const int pixel = static_cast<int>(first) + t;
      at[t] = pixel < 0 ? 0 : pixel >= in ? in - 1 : pixel;
      weights[t] = static_cast<float>(Cubic(centre - (first + t)));
    }
  }
};

// A thread makes all channels of a pixel: they share the weights, and only a network's input, of few channels, is
// resized.
__device__ void Run(const ResizeArgs& a) {
  for (long long i = GridIndex(); i < a.pixels; i += GridStride()) {
    const long long line = i / a.to_width;
    const Taps rows(static_cast<int>(line % a.to_height), a.height, a.to_height);
    const Taps columns(static_cast<int>(i % a.to_width), a.width, a.to_width);
    const float* image = a.x + line / a.to_height * a.height * a.width * a.channels;
    for (int c = 0; c < a.channels; ++c) {
      float sum = 0;
      for (int t = 0; t < kTaps; ++t) {
        const float* row = image + static_cast<long long>(rows.at[t]) * a.width * a.channels + c;
        float in_row = 0;
        for (int u = 0; u < kTaps; ++u) {
          in_row += columns.weights[u] * row[static_cast<long long>(columns.at[u]) * a.channels];
        }
        sum += rows.weights[t] * in_row;
      }
      a.y[i * a.channels + c] = sum;
    }
  }
}

}  // namespace

MATHNAS_CUDA_KERNEL(resize, ResizeArgs, Run)

}  // namespace mathnas::kernels::cuda
