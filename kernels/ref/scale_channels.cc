// Channels multiplied by a factor each.
#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {

KernelPtr Make(const ScaleChannels&, const Request& request) {
  const Shape& x = request.inputs[0].shape;
  auto run = [images = x[0], pixels = x[1] * x[2], channels = x[3]](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t n = 0; n < images; ++n) {
      for (int64_t p = 0; p < pixels; ++p) {
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t i = (n * pixels + p) * channels + c;
          o.out<T>(0)[i] = static_cast<T>(double{o.in<T>(0)[i]} * o.in<T>(1)[n * channels + c]);
        }
      }
    }
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const ScaleChannelsBackwardScale&, const Request& request) {
  const Shape& x = request.inputs[0].shape;
  auto run = [images = x[0], pixels = x[1] * x[2], channels = x[3]](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t n = 0; n < images; ++n) {
      for (int64_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (int64_t p = 0; p < pixels; ++p) {
          const int64_t i = (n * pixels + p) * channels + c;
          sum += double{o.in<T>(0)[i]} * o.in<T>(1)[i];
        }
        o.out<T>(0)[n * channels + c] = static_cast<T>(sum);
      }
    }
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
