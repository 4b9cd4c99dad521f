// The activations of MobileNetV3 and NASViT.
#include <cmath>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

// A kernel y[i] = f(inputs[0][i]) in doubles.
template <typename F>
KernelPtr Unary(const Request& request, F f) {
  auto run = [f, n = request.outputs[0].elements()](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t i = 0; i < n; ++i) o.out<T>(0)[i] = static_cast<T>(f(double{o.in<T>(0)[i]}));
  };
  return MakeKernel(request, run);
}

// A kernel diff_x[i] = derivative(x[i]) * diff_y[i] in doubles.
template <typename F>
KernelPtr Backward(const Request& request, F derivative) {
  auto run = [derivative, n = request.outputs[0].elements()](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t i = 0; i < n; ++i) {
      o.out<T>(0)[i] = static_cast<T>(derivative(double{o.in<T>(0)[i]}) * o.in<T>(1)[i]);
    }
  };
  return MakeKernel(request, run);
}

double Gate(double x) { return x + 3 <= 0 ? 0 : x + 3 >= 6 ? 1 : (x + 3) / 6; }

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

KernelPtr Make(const HardSwish&, const Request& request) {
  return Unary(request, [](double x) { return x * Gate(x); });
}
KernelPtr Make(const HardSwishBackward&, const Request& request) {
  return Backward(request, [](double x) { return x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6; });
}
KernelPtr Make(const HardSigmoid&, const Request& request) { return Unary(request, Gate); }
KernelPtr Make(const HardSigmoidBackward&, const Request& request) {
  return Backward(request, [](double x) { return x <= -3 || x >= 3 ? 0 : 1.0 / 6; });
}

KernelPtr Make(const Swish&, const Request& request) {
  return Unary(request, [](double x) { return x * Sigmoid(x); });
}
KernelPtr Make(const SwishBackward&, const Request& request) {
  return Backward(request, [](double x) { return Sigmoid(x) * (1 + x * (1 - Sigmoid(x))); });
}

}  // namespace mathnas::kernels::ref
