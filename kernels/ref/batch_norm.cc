// Batch normalisation: two passes over the batch for the statistics, everything per channel in double.
#include <algorithm>
#include <cmath>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

int64_t ChannelsOf(const Request& request) { return request.inputs[0].shape.back(); }
// Samples per channel.
int64_t SamplesOf(const Request& request) {
  return request.inputs[0].elements() / std::max<int64_t>(ChannelsOf(request), 1);
}

}  // namespace

KernelPtr Make(const BatchNormTraining& op, const Request& request) {
  const int64_t channels = ChannelsOf(request), samples = SamplesOf(request);
  auto run = [op, channels, samples](auto zero, const Operands& o) {
    using T = decltype(zero);
    const T* x = o.in<T>(0);
    const T* gamma = op.affine ? o.in<T>(1) : nullptr;
    const T* beta = op.affine ? o.in<T>(2) : nullptr;
    double* mean = static_cast<double*>(o.scratch);
    double* variance = mean + channels;

    std::fill_n(mean, 2 * channels, 0.0);
    for (int64_t n = 0; n < samples; ++n) {
      for (int64_t c = 0; c < channels; ++c) mean[c] += x[n * channels + c];
    }
    for (int64_t c = 0; c < channels; ++c) mean[c] /= static_cast<double>(samples);
    for (int64_t n = 0; n < samples; ++n) {
      for (int64_t c = 0; c < channels; ++c) {
        const double d = x[n * channels + c] - mean[c];
        variance[c] += d * d;
      }
    }
    for (int64_t c = 0; c < channels; ++c) variance[c] /= static_cast<double>(samples);

    for (int64_t n = 0; n < samples; ++n) {
      for (int64_t c = 0; c < channels; ++c) {
        const double normalised = (x[n * channels + c] - mean[c]) / std::sqrt(variance[c] + op.epsilon);
        o.out<T>(0)[n * channels + c] = static_cast<T>(gamma ? normalised * gamma[c] + beta[c] : normalised);
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      o.out<T>(1)[c] = static_cast<T>(mean[c]);
      o.out<T>(2)[c] = static_cast<T>(1 / std::sqrt(variance[c] + op.epsilon));
    }
    if (op.track) {
      T* running_mean = static_cast<T*>(o.inputs[op.affine ? 3 : 1]);
      T* running_var = static_cast<T*>(o.inputs[op.affine ? 4 : 2]);
      const double unbiased = samples > 1 ? static_cast<double>(samples) / static_cast<double>(samples - 1) : 1;
      for (int64_t c = 0; c < channels; ++c) {
        running_mean[c] = static_cast<T>((1 - op.momentum) * running_mean[c] + op.momentum * mean[c]);
        running_var[c] = static_cast<T>((1 - op.momentum) * running_var[c] + op.momentum * variance[c] * unbiased);
      }
    }
  };
  return MakeKernel(request, run, 2 * channels);
}

KernelPtr Make(const BatchNormMoments& op, const Request& request) {
  const int64_t channels = ChannelsOf(request), samples = SamplesOf(request);
  auto run = [op, channels, samples](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t c = 0; c < channels; ++c) {
      const double count = static_cast<double>(samples);
      double mean = 0, squares = 0;
      for (int64_t n = 0; n < samples; ++n) mean += o.in<T>(0)[n * channels + c] / count;
      for (int64_t n = 0; n < samples; ++n) squares += std::pow(o.in<T>(0)[n * channels + c] - mean, 2);
      o.out<T>(0)[c] = static_cast<T>(mean);
      o.out<T>(1)[c] = static_cast<T>(1 / std::sqrt(squares / count + op.epsilon));
      if (!op.track) continue;
      T& running_mean = static_cast<T*>(o.inputs[1])[c];
      T& running_var = static_cast<T*>(o.inputs[2])[c];
      running_mean = static_cast<T>((1 - op.momentum) * running_mean + op.momentum * mean);
      running_var =
          static_cast<T>((1 - op.momentum) * running_var + op.momentum * squares / (samples > 1 ? count - 1 : count));
    }
  };
  return MakeKernel(request, run);
}

// With xhat = (x - mean) * inv_std and M the mean over the samples of a channel:
// diff_x = gamma * inv_std * (diff_y - M(diff_y) - xhat * M(diff_y * xhat)).
KernelPtr Make(const BatchNormBackward& op, const Request& request) {
  const int64_t channels = ChannelsOf(request), samples = SamplesOf(request);
  auto run = [op, channels, samples](auto zero, const Operands& o) {
    using T = decltype(zero);
    const T* x = o.in<T>(0);
    const T* diff_y = o.in<T>(1);
    const T* mean = o.in<T>(2);
    const T* inv_std = o.in<T>(3);
    const T* gamma = op.affine ? o.in<T>(4) : nullptr;
    double* sum_dy = static_cast<double*>(o.scratch);
    double* sum_dy_xhat = sum_dy + channels;
    auto xhat = [=](int64_t n, int64_t c) { return (double{x[n * channels + c]} - mean[c]) * inv_std[c]; };

    std::fill_n(sum_dy, 2 * channels, 0.0);
    for (int64_t n = 0; n < samples; ++n) {
      for (int64_t c = 0; c < channels; ++c) {
        sum_dy[c] += diff_y[n * channels + c];
        sum_dy_xhat[c] += diff_y[n * channels + c] * xhat(n, c);
      }
    }
    const double count = static_cast<double>(samples);
    for (int64_t n = 0; n < samples; ++n) {
      for (int64_t c = 0; c < channels; ++c) {
        const double centred = diff_y[n * channels + c] - sum_dy[c] / count - xhat(n, c) * sum_dy_xhat[c] / count;
        o.out<T>(0)[n * channels + c] = static_cast<T>((gamma ? double{gamma[c]} : 1) * inv_std[c] * centred);
      }
    }
    if (op.affine) {
      for (int64_t c = 0; c < channels; ++c) {
        o.out<T>(1)[c] = static_cast<T>(sum_dy_xhat[c]);
        o.out<T>(2)[c] = static_cast<T>(sum_dy[c]);
      }
    }
  };
  return MakeKernel(request, run, 2 * channels);
}

KernelPtr Make(const BatchNormInference& op, const Request& request) {
  const int64_t channels = ChannelsOf(request), samples = SamplesOf(request);
  auto run = [op, channels, samples](auto zero, const Operands& o) {
    using T = decltype(zero);
    const T* x = o.in<T>(0);
    const T* gamma = op.affine ? o.in<T>(1) : nullptr;
    const T* beta = op.affine ? o.in<T>(2) : nullptr;
    const T* mean = o.in<T>(op.affine ? 3 : 1);
    const T* variance = o.in<T>(op.affine ? 4 : 2);
    for (int64_t n = 0; n < samples; ++n) {
      for (int64_t c = 0; c < channels; ++c) {
        double y = (double{x[n * channels + c]} - mean[c]) / std::sqrt(variance[c] + op.epsilon);
        if (op.affine) y = y * gamma[c] + beta[c];
        o.out<T>(0)[n * channels + c] = static_cast<T>(op.relu && y < 0 ? 0 : y);
      }
    }
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
