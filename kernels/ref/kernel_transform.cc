// Smaller depthwise kernels from the centre of larger ones.
#include <algorithm>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

// Where element (row, column) of the central k x k of channel c is in weights{C,1,K,K}.
struct Centre {
  int64_t source, kernel;
  int64_t operator()(int64_t c, int64_t element) const {
    const int64_t begin = (source - kernel) / 2, row = element / kernel, column = element % kernel;
    return (c * source + begin + row) * source + begin + column;
  }
};

}  // namespace

KernelPtr Make(const KernelTransform& op, const Request& request) {
  const Centre at = {request.inputs[0].shape[2], op.kernel};
  auto run = [at, op, channels = request.inputs[0].shape[0]](auto zero, const Operands& o) {
    using T = decltype(zero);
    const int64_t size = at.kernel * at.kernel;
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t j = 0; j < size; ++j) {
        if (!op.has_matrix) {
          o.out<T>(0)[c * size + j] = o.in<T>(0)[at(c, j)];
          continue;
        }
        double sum = 0;
        for (int64_t i = 0; i < size; ++i) sum += double{o.in<T>(1)[j * size + i]} * o.in<T>(0)[at(c, i)];
        o.out<T>(0)[c * size + j] = static_cast<T>(sum);
      }
    }
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const KernelTransformBackwardWeights& op, const Request& request) {
  const Centre at = {op.source_kernel, request.inputs[0].shape[2]};
  auto run = [at, op, channels = request.inputs[0].shape[0]](auto zero, const Operands& o) {
    using T = decltype(zero);
    const int64_t size = at.kernel * at.kernel;
    std::fill_n(o.out<T>(0), channels * at.source * at.source, T(0));
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t i = 0; i < size; ++i) {
        if (!op.has_matrix) {
          o.out<T>(0)[at(c, i)] = o.in<T>(0)[c * size + i];
          continue;
        }
        double sum = 0;
        for (int64_t j = 0; j < size; ++j) sum += double{o.in<T>(1)[j * size + i]} * o.in<T>(0)[c * size + j];
        o.out<T>(0)[at(c, i)] = static_cast<T>(sum);
      }
    }
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const KernelTransformBackwardMatrix&, const Request& request) {
  const Centre at = {request.inputs[0].shape[2], request.inputs[1].shape[2]};
  auto run = [at, channels = request.inputs[0].shape[0]](auto zero, const Operands& o) {
    using T = decltype(zero);
    const int64_t size = at.kernel * at.kernel;
    for (int64_t j = 0; j < size; ++j) {
      for (int64_t i = 0; i < size; ++i) {
        double sum = 0;
        for (int64_t c = 0; c < channels; ++c) sum += double{o.in<T>(1)[c * size + j]} * o.in<T>(0)[at(c, i)];
        o.out<T>(0)[j * size + i] = static_cast<T>(sum);
      }
    }
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
