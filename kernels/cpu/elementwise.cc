// Elementwise kernels: own vector code on the threads of the device.
#include <algorithm>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// A kernel that calls body(vector kernels, operands, begin, size) for parts of `count` elements.
template <typename Body>
std::shared_ptr<const Kernel> MakeElementwise(int threads, int64_t count, const Body& body) {
  const VectorKernels& v = Vector();
  return MakeFunctionKernel(v.name, 0, [&v, threads, count, body](const Operands& o) {
    ParallelElements(threads, count, [&](int64_t begin, int64_t size) { body(v, o, begin, size); });
  });
}

std::shared_ptr<const Kernel> MakeFill(float value, const Request& r) {
  if (IsBfloat16(r.outputs[0])) {
    const auto n = static_cast<size_t>(r.outputs[0].elements());
    return MakeFunctionKernel(
        "fill", 0, [low = Bfloat16::Rounded(value), n](const Operands& o) { std::fill_n(o.out<Bfloat16>(0), n, low); });
  }
  return MakeElementwise(r.threads, r.outputs[0].elements(),
                         [value](const VectorKernels& v, const Operands& o, int64_t begin, int64_t size) {
                           v.fill(value, o.out<float>(0) + begin, size);
                         });
}

}  // namespace

KernelOr Make(const Relu&, const Request& r) {
  if (IsBfloat16(r.inputs[0])) {
    return MakeElementwise(r.threads, r.outputs[0].elements(),
                           [](const VectorKernels& v, const Operands& o, int64_t begin, int64_t size) {
                             v.relu_bfloat16(o.in<Bfloat16>(0) + begin, o.out<Bfloat16>(0) + begin, size);
                           });
  }
  return MakeElementwise(r.threads, r.outputs[0].elements(),
                         [](const VectorKernels& v, const Operands& o, int64_t begin, int64_t size) {
                           v.relu(o.in<float>(0) + begin, o.out<float>(0) + begin, size);
                         });
}

template <typename T>
KernelOr MakeReluBackward(void (*relu_backward)(const T*, const T*, T*, int64_t), const Request& r) {
  return MakeElementwise(r.threads, r.outputs[0].elements(),
                         [=](const VectorKernels&, const Operands& o, int64_t begin, int64_t size) {
                           relu_backward(o.in<T>(0) + begin, o.in<T>(1) + begin, o.out<T>(0) + begin, size);
                         });
}

KernelOr Make(const ReluBackward&, const Request& r) {
  const VectorKernels& v = Vector();
  return IsBfloat16(r.inputs[0]) ? MakeReluBackward(v.relu_backward_bfloat16, r) : MakeReluBackward(v.relu_backward, r);
}

template <typename T>
KernelOr MakeAdd(void (*VectorKernels::*add)(const T* const*, int64_t, T*, int64_t), const Request& r) {
  return MakeElementwise(r.threads, r.outputs[0].elements(),
                         [add](const VectorKernels& v, const Operands& o, int64_t begin, int64_t size) {
                           absl::InlinedVector<const T*, 8> x(o.inputs.size());
                           for (size_t i = 0; i < x.size(); ++i) x[i] = o.in<T>(i) + begin;
                           (v.*add)(x.data(), static_cast<int64_t>(x.size()), o.out<T>(0) + begin, size);
                         });
}

KernelOr Make(const Add&, const Request& r) {
  return IsBfloat16(r.inputs[0]) ? MakeAdd(&VectorKernels::add_bfloat16, r) : MakeAdd(&VectorKernels::add, r);
}

KernelOr Make(const Scale& op, const Request& r) {
  const float factor = static_cast<float>(op.factor);
  if (IsBfloat16(r.inputs[0])) {
    return MakeElementwise(r.threads, r.outputs[0].elements(),
                           [factor](const VectorKernels& v, const Operands& o, int64_t begin, int64_t size) {
                             v.scale_bfloat16(factor, o.in<Bfloat16>(0) + begin, o.out<Bfloat16>(0) + begin, size);
                           });
  }
  return MakeElementwise(r.threads, r.outputs[0].elements(),
                         [factor](const VectorKernels& v, const Operands& o, int64_t begin, int64_t size) {
                           v.scale(factor, o.in<float>(0) + begin, o.out<float>(0) + begin, size);
                         });
}

KernelOr Make(const Zero&, const Request& r) { return MakeFill(0, r); }
KernelOr Make(const Fill& op, const Request& r) { return MakeFill(static_cast<float>(op.value), r); }

KernelOr Make(const Accumulate&, const Request& r) {
  if (!r.inputs[0].dense() || !r.inputs[1].dense()) {
    const int64_t rows = r.inputs[0].shape[0], columns = r.inputs[0].elements() / rows;
    const int64_t sums = r.inputs[0].row_elements(), terms = r.inputs[1].row_elements();
    const VectorKernels& v = Vector();
    return MakeFunctionKernel(v.name, 0, [=, &v, threads = r.threads](const Operands& o) {
      ParallelFor(threads, rows, GrainOf(columns), [&](int, int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          v.accumulate(o.in<float>(1) + row * terms, static_cast<float*>(o.inputs[0]) + row * sums, columns);
        }
      });
    });
  }
  return MakeElementwise(r.threads, r.inputs[0].elements(),
                         [](const VectorKernels& v, const Operands& o, int64_t begin, int64_t size) {
                           v.accumulate(o.in<float>(1) + begin, static_cast<float*>(o.inputs[0]) + begin, size);
                         });
}

}  // namespace mathnas::kernels::cpu
