// Channels times a row of a table.
#include <algorithm>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {

KernelPtr Make(const LayerScale& op, const Request& request) {
  const int64_t rows = RowsOf(request.inputs[0].shape), channels = request.inputs[0].shape.back();
  const int64_t first = op.row * request.inputs[1].shape.back();
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t i = 0; i < rows * channels; ++i) {
      const double scale = op.factor * o.in<T>(1)[first + i % channels];
      o.out<T>(0)[i] = static_cast<T>(o.in<T>(0)[i] * scale);
    }
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const LayerScaleBackwardTable& op, const Request& request) {
  const int64_t rows = RowsOf(request.inputs[0].shape), channels = request.inputs[0].shape.back();
  const int64_t size = request.outputs[0].elements(), first = op.row * request.outputs[0].shape.back();
  auto run = [=, factor = op.factor](auto zero, const Operands& o) {
    using T = decltype(zero);
    std::fill_n(o.out<T>(0), size, T(0));
    for (int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (int64_t r = 0; r < rows; ++r) sum += double{o.in<T>(0)[r * channels + c]} * o.in<T>(1)[r * channels + c];
      o.out<T>(0)[first + c] = static_cast<T>(factor * sum);
    }
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
