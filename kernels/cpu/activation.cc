// The activations of MobileNetV3 and NASViT: own vector code.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// In copies of an element, to share work by.
constexpr int64_t kCheap = 1, kExponential = 8;

KernelOr Unary(void (*f)(const float*, float*, int64_t), const Request& r, int64_t cost = kCheap) {
  const int64_t n = r.outputs[0].elements();
  return MakeFunctionKernel(Vector().name, 0, [f, cost, n, threads = r.threads](const Operands& o) {
    ParallelElements(
        threads, n, [&](int64_t begin, int64_t size) { f(o.in<float>(0) + begin, o.out<float>(0) + begin, size); },
        cost);
  });
}

KernelOr Backward(void (*f)(const float*, const float*, float*, int64_t), const Request& r, int64_t cost = kCheap) {
  const int64_t n = r.outputs[0].elements();
  return MakeFunctionKernel(Vector().name, 0, [f, cost, n, threads = r.threads](const Operands& o) {
    ParallelElements(
        threads, n,
        [&](int64_t begin, int64_t size) {
          f(o.in<float>(0) + begin, o.in<float>(1) + begin, o.out<float>(0) + begin, size);
        },
        cost);
  });
}

}  // namespace

KernelOr Make(const HardSwish&, const Request& r) { return Unary(Vector().hard_swish, r); }
KernelOr Make(const HardSwishBackward&, const Request& r) { return Backward(Vector().hard_swish_backward, r); }
KernelOr Make(const HardSigmoid&, const Request& r) { return Unary(Vector().hard_sigmoid, r); }
KernelOr Make(const HardSigmoidBackward&, const Request& r) { return Backward(Vector().hard_sigmoid_backward, r); }
KernelOr Make(const Swish&, const Request& r) { return Unary(Vector().swish, r, kExponential); }
KernelOr Make(const SwishBackward&, const Request& r) { return Backward(Vector().swish_backward, r, kExponential); }

}  // namespace mathnas::kernels::cpu
