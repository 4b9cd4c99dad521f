// The activations of MobileNetV3 and NASViT: own vector code.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// In copies of an element, to share work by.
constexpr int64_t kCheap = 1, kExponential = 8;

template <typename T>
KernelOr MakeUnary(void (*f)(const T*, T*, int64_t), const Request& r, int64_t cost) {
  const int64_t n = r.outputs[0].elements();
  return MakeFunctionKernel(Vector().name, 0, [f, cost, n, threads = r.threads](const Operands& o) {
    ParallelElements(
        threads, n, [&](int64_t begin, int64_t size) { f(o.in<T>(0) + begin, o.out<T>(0) + begin, size); }, cost);
  });
}

KernelOr Unary(void (*f)(const float*, float*, int64_t), void (*low)(const Bfloat16*, Bfloat16*, int64_t),
               const Request& r, int64_t cost = kCheap) {
  return IsBfloat16(r.inputs[0]) ? MakeUnary(low, r, cost) : MakeUnary(f, r, cost);
}

template <typename T>
KernelOr MakeBackward(void (*f)(const T*, const T*, T*, int64_t), const Request& r, int64_t cost) {
  const int64_t n = r.outputs[0].elements();
  return MakeFunctionKernel(Vector().name, 0, [f, cost, n, threads = r.threads](const Operands& o) {
    ParallelElements(
        threads, n,
        [&](int64_t begin, int64_t size) { f(o.in<T>(0) + begin, o.in<T>(1) + begin, o.out<T>(0) + begin, size); },
        cost);
  });
}

KernelOr Backward(void (*f)(const float*, const float*, float*, int64_t),
                  void (*low)(const Bfloat16*, const Bfloat16*, Bfloat16*, int64_t), const Request& r,
                  int64_t cost = kCheap) {
  return IsBfloat16(r.inputs[0]) ? MakeBackward(low, r, cost) : MakeBackward(f, r, cost);
}

}  // namespace

KernelOr Make(const HardSwish&, const Request& r) {
  return Unary(Vector().hard_swish, Vector().hard_swish_bfloat16, r);
}
KernelOr Make(const HardSwishBackward&, const Request& r) {
  return Backward(Vector().hard_swish_backward, Vector().hard_swish_backward_bfloat16, r);
}
KernelOr Make(const HardSigmoid&, const Request& r) {
  return Unary(Vector().hard_sigmoid, Vector().hard_sigmoid_bfloat16, r);
}
KernelOr Make(const HardSigmoidBackward&, const Request& r) {
  return Backward(Vector().hard_sigmoid_backward, Vector().hard_sigmoid_backward_bfloat16, r);
}
KernelOr Make(const Swish&, const Request& r) {
  return Unary(Vector().swish, Vector().swish_bfloat16, r, kExponential);
}
KernelOr Make(const SwishBackward&, const Request& r) {
  return Backward(Vector().swish_backward, Vector().swish_backward_bfloat16, r, kExponential);
}

}  // namespace mathnas::kernels::cpu
