// Sinusoidal positions.
#include <cmath>
#include <limits>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

double PositionElement(const SinusoidalPositions& op, int64_t row, int64_t column) {
  if (row < 0 || row >= op.rows) return std::numeric_limits<double>::quiet_NaN();
  if (row == op.padding) return 0;
  const int64_t half = op.width / 2;
  const double frequency = std::exp(static_cast<double>(column % half) * -std::log(10000.0) / (half - 1));
  const double angle = static_cast<double>(row) * frequency;
  return column < half ? std::sin(angle) : std::cos(angle);
}

}  // namespace

KernelPtr Make(const SinusoidalPositions& op, const Request& request) {
  const Shape& shape = request.inputs[0].shape;
  const int64_t rows = RowsOf(shape), length = shape.empty() ? 1 : shape.back();
  auto run = [op, rows, length](auto zero, const Operands& o) {
    using T = decltype(zero);
    T* y = o.out<T>(0);
    for (int64_t r = 0; r < rows; ++r) {
      int64_t count = 0;
      for (int64_t t = 0; t < length; ++t) {
        int64_t row = o.in<int64_t>(0)[r * length + t];
        if (op.from_tokens && row != op.padding) row = op.padding + ++count;
        for (int64_t c = 0; c < op.columns; ++c) *y++ = static_cast<T>(PositionElement(op, row, c));
      }
    }
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
