// Convolutions. The weights are rearranged first, so that all inner loops run over consecutive channels.
#include <algorithm>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

// The extents of a convolution and of one of its groups.
struct Geometry {
  int64_t batch, height, width, in_channels;
  int64_t out_height, out_width, out_channels;
  int64_t kernel_h, kernel_w;
  int64_t stride, padding, groups;
  int64_t group_in, group_out;

  Geometry(const Shape& src, const Shape& weights, const Shape& dst, int64_t stride_, int64_t padding_, int64_t groups_)
      : batch(src[0]),
        height(src[1]),
        width(src[2]),
        in_channels(src[3]),
        out_height(dst[1]),
        out_width(dst[2]),
        out_channels(dst[3]),
        kernel_h(weights[2]),
        kernel_w(weights[3]),
        stride(stride_),
        padding(padding_),
        groups(groups_),
        group_in(weights[1]),
        group_out(weights[0] / groups_) {}

  int64_t weights() const { return out_channels * group_in * kernel_h * kernel_w; }
  // Weight (out channel o of all, in channel i of its group, kh, kw) in a tensor {O, I/groups, kh, kw}.
  int64_t weight(int64_t o, int64_t i, int64_t kh, int64_t kw) const {
    return ((o * group_in + i) * kernel_h + kh) * kernel_w + kw;
  }
  // First in-channel-major row of a group at a kernel position: {groups, kh, kw, group_in, group_out}.
  int64_t tap(int64_t group, int64_t kh, int64_t kw) const {
    return ((group * kernel_h + kh) * kernel_w + kw) * group_in * group_out;
  }
};

double Activate(Activation activation, double x) {
  switch (activation) {
    case Activation::kRelu:
      return x < 0 ? 0 : x;
    case Activation::kHardSwish:
      return x * std::min(std::max(x + 3, 0.0), 6.0) / 6;
    case Activation::kSwish:
      return x / (1 + std::exp(-x));
    case Activation::kNone:
      return x;
  }
  return x;
}

}  // namespace

KernelPtr Make(const Conv2d& op, const Request& request) {
  const Geometry g(request.inputs[0].shape, request.inputs[1].shape, request.outputs[0].shape, op.stride, op.padding,
                   op.groups);
  auto run = [g, op](auto zero, const Operands& operands) {
    using T = decltype(zero);
    const T* src = operands.in<T>(0);
    const T* weights = operands.in<T>(1);
    const T* bias = op.has_bias ? operands.in<T>(2) : nullptr;
    const T* addend = op.has_addend ? operands.in<T>(op.has_bias ? 3 : 2) : nullptr;
    T* dst = operands.out<T>(0);
    double* taps = static_cast<double*>(operands.scratch);
    double* sums = taps + g.weights();

    for (int64_t o = 0; o < g.out_channels; ++o) {
      for (int64_t i = 0; i < g.group_in; ++i) {
        for (int64_t kh = 0; kh < g.kernel_h; ++kh) {
          for (int64_t kw = 0; kw < g.kernel_w; ++kw) {
            taps[g.tap(o / g.group_out, kh, kw) + i * g.group_out + o % g.group_out] = weights[g.weight(o, i, kh, kw)];
          }
        }
      }
    }

    for (int64_t n = 0; n < g.batch; ++n) {
      for (int64_t oh = 0; oh < g.out_height; ++oh) {
        for (int64_t ow = 0; ow < g.out_width; ++ow) {
          const int64_t pixel = ((n * g.out_height + oh) * g.out_width + ow) * g.out_channels;
          for (int64_t o = 0; o < g.out_channels; ++o) {
            sums[o] = (bias ? double{bias[o]} : 0) + (addend ? double{addend[pixel + o]} : 0);
          }
          for (int64_t kh = 0; kh < g.kernel_h; ++kh) {
            const int64_t h = oh * g.stride + kh - g.padding;
            if (h < 0 || h >= g.height) continue;
            for (int64_t kw = 0; kw < g.kernel_w; ++kw) {
              const int64_t w = ow * g.stride + kw - g.padding;
              if (w < 0 || w >= g.width) continue;
              const T* x = src + ((n * g.height + h) * g.width + w) * g.in_channels;
              for (int64_t group = 0; group < g.groups; ++group) {
                const double* tap = taps + g.tap(group, kh, kw);
                double* sum = sums + group * g.group_out;
                for (int64_t i = 0; i < g.group_in; ++i) {
                  const double value = x[group * g.group_in + i];
                  for (int64_t o = 0; o < g.group_out; ++o) sum[o] += value * tap[i * g.group_out + o];
                }
              }
            }
          }
          for (int64_t o = 0; o < g.out_channels; ++o) {
            dst[pixel + o] = static_cast<T>(Activate(op.activation, sums[o]));
          }
        }
      }
    }
  };
  return MakeKernel(request, run, g.weights() + g.out_channels);
}

KernelPtr Make(const Conv2dBackwardData& op, const Request& request) {
  const Geometry g(request.outputs[0].shape, request.inputs[1].shape, request.inputs[0].shape, op.stride, op.padding,
                   op.groups);
  auto run = [g](auto zero, const Operands& operands) {
    using T = decltype(zero);
    const T* diff_dst = operands.in<T>(0);
    const T* weights = operands.in<T>(1);
    T* diff_src = operands.out<T>(0);
    double* taps = static_cast<double*>(operands.scratch);  // {groups, kh, kw, group_out, group_in}
    double* sums = taps + g.weights();

    for (int64_t o = 0; o < g.out_channels; ++o) {
      for (int64_t i = 0; i < g.group_in; ++i) {
        for (int64_t kh = 0; kh < g.kernel_h; ++kh) {
          for (int64_t kw = 0; kw < g.kernel_w; ++kw) {
            taps[g.tap(o / g.group_out, kh, kw) + o % g.group_out * g.group_in + i] = weights[g.weight(o, i, kh, kw)];
          }
        }
      }
    }

    for (int64_t n = 0; n < g.batch; ++n) {
      for (int64_t h = 0; h < g.height; ++h) {
        for (int64_t w = 0; w < g.width; ++w) {
          std::fill_n(sums, g.in_channels, 0.0);
          // Which outputs read this pixel: those with oh * stride + kh - padding == h for some kh, and the same for w.
          for (int64_t kh = 0; kh < g.kernel_h; ++kh) {
            const int64_t h_offset = h + g.padding - kh;
            if (h_offset < 0 || h_offset % g.stride != 0 || h_offset / g.stride >= g.out_height) continue;
            for (int64_t kw = 0; kw < g.kernel_w; ++kw) {
              const int64_t w_offset = w + g.padding - kw;
              if (w_offset < 0 || w_offset % g.stride != 0 || w_offset / g.stride >= g.out_width) continue;
              const int64_t oh = h_offset / g.stride, ow = w_offset / g.stride;
              const T* dy = diff_dst + ((n * g.out_height + oh) * g.out_width + ow) * g.out_channels;
              for (int64_t group = 0; group < g.groups; ++group) {
                const double* tap = taps + g.tap(group, kh, kw);
                double* sum = sums + group * g.group_in;
                for (int64_t o = 0; o < g.group_out; ++o) {
                  const double value = dy[group * g.group_out + o];
                  for (int64_t i = 0; i < g.group_in; ++i) sum[i] += value * tap[o * g.group_in + i];
                }
              }
            }
          }
          T* dx = diff_src + ((n * g.height + h) * g.width + w) * g.in_channels;
          for (int64_t i = 0; i < g.in_channels; ++i) dx[i] = static_cast<T>(sums[i]);
        }
      }
    }
  };
  return MakeKernel(request, run, g.weights() + g.in_channels);
}

KernelPtr Make(const Conv2dBackwardWeights& op, const Request& request) {
  const Geometry g(request.inputs[0].shape, request.outputs[0].shape, request.inputs[1].shape, op.stride, op.padding,
                   op.groups);
  auto run = [g, op](auto zero, const Operands& operands) {
    using T = decltype(zero);
    const T* src = operands.in<T>(0);
    const T* diff_dst = operands.in<T>(1);
    T* diff_weights = operands.out<T>(0);
    T* diff_bias = op.has_bias ? operands.out<T>(1) : nullptr;
    double* taps = static_cast<double*>(operands.scratch);  // {groups, kh, kw, group_in, group_out}
    double* bias_sums = taps + g.weights();
    std::fill_n(taps, g.weights() + g.out_channels, 0.0);

    for (int64_t n = 0; n < g.batch; ++n) {
      for (int64_t oh = 0; oh < g.out_height; ++oh) {
        for (int64_t ow = 0; ow < g.out_width; ++ow) {
          const T* dy = diff_dst + ((n * g.out_height + oh) * g.out_width + ow) * g.out_channels;
          for (int64_t o = 0; o < g.out_channels; ++o) bias_sums[o] += dy[o];
          for (int64_t kh = 0; kh < g.kernel_h; ++kh) {
            const int64_t h = oh * g.stride + kh - g.padding;
            if (h < 0 || h >= g.height) continue;
            for (int64_t kw = 0; kw < g.kernel_w; ++kw) {
              const int64_t w = ow * g.stride + kw - g.padding;
              if (w < 0 || w >= g.width) continue;
              const T* x = src + ((n * g.height + h) * g.width + w) * g.in_channels;
              for (int64_t group = 0; group < g.groups; ++group) {
                double* tap = taps + g.tap(group, kh, kw);
                const T* dy_group = dy + group * g.group_out;
                for (int64_t i = 0; i < g.group_in; ++i) {
                  const double value = x[group * g.group_in + i];
                  for (int64_t o = 0; o < g.group_out; ++o) tap[i * g.group_out + o] += value * dy_group[o];
                }
              }
            }
          }
        }
      }
    }

    for (int64_t o = 0; o < g.out_channels; ++o) {
      for (int64_t i = 0; i < g.group_in; ++i) {
        for (int64_t kh = 0; kh < g.kernel_h; ++kh) {
          for (int64_t kw = 0; kw < g.kernel_w; ++kw) {
            const double sum = taps[g.tap(o / g.group_out, kh, kw) + i * g.group_out + o % g.group_out];
            diff_weights[g.weight(o, i, kh, kw)] = static_cast<T>(sum);
          }
        }
      }
      if (diff_bias) diff_bias[o] = static_cast<T>(bias_sums[o]);
    }
  };
  return MakeKernel(request, run, g.weights() + g.out_channels);
}

}  // namespace mathnas::kernels::ref
