// Linear layers.
#include <algorithm>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {

KernelPtr Make(const Linear& op, const Request& request) {
  const int64_t rows = RowsOf(request.inputs[0].shape), in = request.inputs[1].shape[1];
  const int64_t out = request.inputs[1].shape[0];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t n = 0; n < rows; ++n) {
      for (int64_t k = 0; k < out; ++k) {
        double sum = op.has_bias ? double{o.in<T>(2)[k]} : 0;
        for (int64_t i = 0; i < in; ++i) sum += double{o.in<T>(0)[n * in + i]} * o.in<T>(1)[k * in + i];
        o.out<T>(0)[n * out + k] = static_cast<T>(sum);
      }
    }
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const LinearBackwardData&, const Request& request) {
  const int64_t rows = RowsOf(request.inputs[0].shape), in = request.inputs[1].shape[1];
  const int64_t out = request.inputs[1].shape[0];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    double* sums = static_cast<double*>(o.scratch);
    for (int64_t n = 0; n < rows; ++n) {
      std::fill_n(sums, in, 0.0);
      for (int64_t k = 0; k < out; ++k) {
        const double value = o.in<T>(0)[n * out + k];
        for (int64_t i = 0; i < in; ++i) sums[i] += value * o.in<T>(1)[k * in + i];
      }
      for (int64_t i = 0; i < in; ++i) o.out<T>(0)[n * in + i] = static_cast<T>(sums[i]);
    }
  };
  return MakeKernel(request, run, in);
}

KernelPtr Make(const LinearBackwardWeights& op, const Request& request) {
  const int64_t rows = RowsOf(request.inputs[0].shape), in = request.inputs[0].shape.back();
  const int64_t out = request.inputs[1].shape.back();
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    double* sums = static_cast<double*>(o.scratch);
    for (int64_t k = 0; k < out; ++k) {
      double bias_sum = 0;
      std::fill_n(sums, in, 0.0);
      for (int64_t n = 0; n < rows; ++n) {
        const double value = o.in<T>(1)[n * out + k];
        bias_sum += value;
        for (int64_t i = 0; i < in; ++i) sums[i] += value * o.in<T>(0)[n * in + i];
      }
      for (int64_t i = 0; i < in; ++i) o.out<T>(0)[k * in + i] = static_cast<T>(sums[i]);
      if (op.has_bias) o.out<T>(1)[k] = static_cast<T>(bias_sum);
    }
  };
  return MakeKernel(request, run, in);
}

}  // namespace mathnas::kernels::ref
