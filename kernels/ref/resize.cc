// Bicubic interpolation.
#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {

KernelPtr Make(const Resize& op, const Request& request) {
  const Shape x = request.inputs[0].shape;
  auto run = [x, op](auto zero, const Operands& o) {
    using T = decltype(zero);
    T* y = o.out<T>(0);
    for (int64_t n = 0; n < x[0]; ++n) {
      for (int64_t r = 0; r < op.height; ++r) {
        for (int64_t c = 0; c < op.width; ++c) {
          const CubicTaps rows(r, x[1], op.height), columns(c, x[2], op.width);
          for (int64_t k = 0; k < x[3]; ++k) {
            double sum = 0;
            for (size_t i = 0; i < 4; ++i) {
              for (size_t j = 0; j < 4; ++j) {
                const int64_t pixel = (n * x[1] + rows.at[i]) * x[2] + columns.at[j];
                sum += rows.weights[i] * columns.weights[j] * o.in<T>(0)[pixel * x[3] + k];
              }
            }
            *y++ = static_cast<T>(sum);
          }
        }
      }
    }
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
