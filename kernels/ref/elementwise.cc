// Elementwise operators. A ReLU keeps NaN: a network that has diverged must not look healthy.
#include <algorithm>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {

KernelPtr Make(const Relu&, const Request& request) {
  auto run = [n = request.outputs[0].elements()](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t i = 0; i < n; ++i) {
      const T x = o.in<T>(0)[i];
      o.out<T>(0)[i] = x < 0 ? 0 : x;
    }
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const ReluBackward&, const Request& request) {
  auto run = [n = request.outputs[0].elements()](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t i = 0; i < n; ++i) o.out<T>(0)[i] = o.in<T>(0)[i] > 0 ? o.in<T>(1)[i] : 0;
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const Add&, const Request& request) {
  auto run = [n = request.outputs[0].elements()](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (size_t k = 0; k < o.inputs.size(); ++k) sum += o.in<T>(k)[i];
      o.out<T>(0)[i] = static_cast<T>(sum);
    }
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const Scale& op, const Request& request) {
  auto run = [op, n = request.outputs[0].elements()](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t i = 0; i < n; ++i) o.out<T>(0)[i] = static_cast<T>(op.factor * o.in<T>(0)[i]);
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const Zero&, const Request& request) {
  auto run = [n = request.outputs[0].elements()](auto zero, const Operands& o) {
    using T = decltype(zero);
    std::fill_n(o.out<T>(0), n, T(0));
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const Fill& op, const Request& request) {
  auto run = [value = op.value, n = request.outputs[0].elements()](auto zero, const Operands& o) {
    using T = decltype(zero);
    std::fill_n(o.out<T>(0), n, static_cast<T>(value));
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const Accumulate&, const Request& request) {
  auto run = [n = request.inputs[0].elements()](auto zero, const Operands& o) {
    using T = decltype(zero);
    T* state = static_cast<T*>(o.inputs[0]);
    for (int64_t i = 0; i < n; ++i) state[i] = static_cast<T>(double{state[i]} + o.in<T>(1)[i]);
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
