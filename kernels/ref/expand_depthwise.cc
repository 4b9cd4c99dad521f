// A 1x1 and a depthwise convolution: the one is computed anew for every tap of the other.
#include <algorithm>
#include <cmath>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

double Activate(Activation activation, double x) {
  switch (activation) {
    case Activation::kRelu:
      return x < 0 ? 0 : x;
    case Activation::kHardSwish:
      return x * std::clamp((x + 3) / 6, 0.0, 1.0);
    case Activation::kSwish:
      return x / (1 + std::exp(-x));
    case Activation::kNone:
      return x;
  }
  return x;
}

}  // namespace

KernelPtr Make(const ExpandDepthwise& op, const Request& request) {
  const Shape src = request.inputs[0].shape, dst = request.outputs[0].shape;
  const int64_t kernel = request.inputs[3].shape[2], channels = dst[3], inputs = src[3];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    const T *x = o.in<T>(0), *expand = o.in<T>(1), *expand_bias = o.in<T>(2), *weights = o.in<T>(3), *bias = o.in<T>(4);
    T* y = o.out<T>(0);
    auto* map = static_cast<double*>(o.scratch);  // of an image, between the two
    for (int64_t n = 0; n < src[0]; ++n) {
      for (int64_t pixel = 0; pixel < src[1] * src[2]; ++pixel) {
        const T* from = x + (n * src[1] * src[2] + pixel) * inputs;
        for (int64_t m = 0; m < channels; ++m) {
          double sum = expand_bias[m];
          for (int64_t i = 0; i < inputs; ++i) sum += double{from[i]} * expand[m * inputs + i];
          map[pixel * channels + m] = Activate(op.expand_activation, sum);
        }
      }
      for (int64_t row = 0; row < dst[1]; ++row) {
        for (int64_t column = 0; column < dst[2]; ++column) {
          for (int64_t m = 0; m < channels; ++m) {
            double sum = bias[m];
            for (int64_t t = 0; t < kernel * kernel; ++t) {
              const int64_t r = row * op.stride + t / kernel - op.padding,
                            c = column * op.stride + t % kernel - op.padding;
              if (r < 0 || c < 0 || r >= src[1] || c >= src[2]) continue;
              sum += map[(r * src[2] + c) * channels + m] * weights[m * kernel * kernel + t];
            }
            *y++ = static_cast<T>(Activate(op.activation, sum));
          }
        }
      }
    }
  };
  return MakeKernel(request, run, src[1] * src[2] * channels);
}

}  // namespace mathnas::kernels::ref
