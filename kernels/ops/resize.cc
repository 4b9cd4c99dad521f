#include "kernels/ops/resize.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"

namespace mathnas::kernels {
namespace {

// Keys' kernel with a = -0.75 at a distance.
double Cubic(double distance) {
  constexpr double kA = -0.75;
  const double d = std::abs(distance);
  if (d <= 1) return ((kA + 2) * d - (kA + 3)) * d * d + 1;
  return d < 2 ? ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA : 0;
}

}  // namespace

CubicTaps::CubicTaps(int64_t i, int64_t in, int64_t out) {
  const double centre = (static_cast<double>(i) + 0.5) * (static_cast<double>(in) / static_cast<double>(out)) - 0.5;
  const double first = std::floor(centre) - 1;
  for (size_t t = 0; t < 4; ++t) {
    const double x = first + static_cast<double>(t);
    at[t] = std::clamp<int64_t>(static_cast<int64_t>(x), 0, in - 1);
    weights[t] = Cubic(centre - x);
  }
}

absl::StatusOr<Descs> InferOutputs(const Resize& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4}); !s.ok()) return s;
  const Shape& x = inputs[0].shape;
  if (op.height < 1 || op.width < 1 || x[1] < 1 || x[2] < 1) {
    return OperatorError(op.kName, fmt::format("images of {}x{} to {}x{}, expected at least one pixel", x[1], x[2],
                                               op.height, op.width));
  }
  return Descs{{inputs[0].dtype, {x[0], op.height, op.width, x[3]}}};
}

}  // namespace mathnas::kernels
