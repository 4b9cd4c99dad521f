// Layer normalisation.
#include <algorithm>
#include <cmath>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {

KernelPtr Make(const LayerNorm& op, const Request& request) {
  const int64_t group = LayerNormGroup(request.inputs[0].shape, op.axes), channels = request.inputs[1].shape[0];
  const int64_t groups = request.outputs[1].shape[0];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t k = 0; k < groups; ++k) {
      const T* x = o.in<T>(0) + k * group;
      double mean = 0, variance = 0;
      for (int64_t i = 0; i < group; ++i) mean += double{x[i]} / static_cast<double>(group);
      for (int64_t i = 0; i < group; ++i) variance += (x[i] - mean) * (x[i] - mean) / static_cast<double>(group);
      const double inv_std = 1 / std::sqrt(variance + op.epsilon);
      for (int64_t i = 0; i < group; ++i) {
        const int64_t c = i % channels;
        o.out<T>(0)[k * group + i] = static_cast<T>((x[i] - mean) * inv_std * o.in<T>(1)[c] + o.in<T>(2)[c]);
      }
      o.out<T>(1)[k] = static_cast<T>(mean);
      o.out<T>(2)[k] = static_cast<T>(inv_std);
    }
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const LayerNormBackward& op, const Request& request) {
  const int64_t group = LayerNormGroup(request.inputs[0].shape, op.axes), channels = request.inputs[4].shape[0];
  const int64_t groups = request.inputs[2].shape[0];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    double *diff_gamma = static_cast<double*>(o.scratch), *diff_beta = diff_gamma + channels;
    std::fill_n(diff_gamma, 2 * channels, 0.0);
    for (int64_t k = 0; k < groups; ++k) {
      const T *x = o.in<T>(0) + k * group, *diff_y = o.in<T>(1) + k * group, *gamma = o.in<T>(4);
      const double mean = o.in<T>(2)[k], inv_std = o.in<T>(3)[k];
      double mean_g = 0, mean_gh = 0;
      for (int64_t i = 0; i < group; ++i) {
        const int64_t c = i % channels;
        const double h = (x[i] - mean) * inv_std, g = double{gamma[c]} * diff_y[i];
        mean_g += g / static_cast<double>(group);
        mean_gh += g * h / static_cast<double>(group);
        diff_gamma[c] += diff_y[i] * h;
        diff_beta[c] += diff_y[i];
      }
      for (int64_t i = 0; i < group; ++i) {
        const double h = (x[i] - mean) * inv_std, g = double{gamma[i % channels]} * diff_y[i];
        o.out<T>(0)[k * group + i] = static_cast<T>(inv_std * (g - mean_g - h * mean_gh));
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      o.out<T>(1)[c] = static_cast<T>(diff_gamma[c]);
      o.out<T>(2)[c] = static_cast<T>(diff_beta[c]);
    }
  };
  return MakeKernel(request, run, 2 * channels);
}

}  // namespace mathnas::kernels::ref
