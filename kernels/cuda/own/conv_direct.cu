#include "kernels/cuda/own/conv_activation.h"
#include "kernels/cuda/own/conv_direct.h"
#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {
namespace {

// Neighbouring threads have neighbouring channels of the result: they read neighbouring weights, and the same element
// of the source, or neighbouring ones where each group is one channel.
template <typename T>
__device__ void Forward(const ConvForwardArgs& a) {
  const ConvShape& s = a.shape;
  const T *x = static_cast<const T*>(a.x), *addend = static_cast<const T*>(a.addend);
  T* y = static_cast<T*>(a.y);
  for (long long row = blockIdx.y; row < s.batch * s.out_height; row += gridDim.y) {
    const long long image = row / s.out_height;
    const int top = static_cast<int>(row % s.out_height) * s.stride - s.padding;
    for (int i = static_cast<int>(GridIndex()); i < s.out_width * s.out; i += static_cast<int>(GridStride())) {
      const int out = i % s.out, left = i / s.out * s.stride - s.padding;
      const int first = out / s.group_out * s.group_in;
      float sum = 0;
      for (int kh = 0; kh < s.kernel_h; ++kh) {
        if (top + kh < 0 || top + kh >= s.height) continue;
        for (int kw = 0; kw < s.kernel_w; ++kw) {
          if (left + kw < 0 || left + kw >= s.width) continue;
          const T* from = x + ((image * s.height + top + kh) * s.width + left + kw) * s.in + first;
          const float* w = a.weights + static_cast<long long>(kh * s.kernel_w + kw) * s.group_in * s.out + out;
          for (int c = 0; c < s.group_in; ++c) sum += Load(from + c) * w[static_cast<long long>(c) * s.out];
        }
      }
      const long long to = row * s.out_width * s.out + i;
      if (a.bias != nullptr) sum += a.bias[out];
      if (addend != nullptr) sum += Load(addend + to);
      Store(y + to, Activate(a.activation, sum));
    }
  }
}

// Which results read a pixel of the source: those with out * stride + kernel - padding == its place, on both axes.
template <typename T>
__device__ void BackwardData(const ConvBackwardDataArgs& a) {
  const ConvShape& s = a.shape;
  const T* dy = static_cast<const T*>(a.dy);
  T* dx = static_cast<T*>(a.dx);
  for (long long row = blockIdx.y; row < s.batch * s.height; row += gridDim.y) {
    const long long image = row / s.height;
    const int bottom = static_cast<int>(row % s.height) + s.padding;
    for (int i = static_cast<int>(GridIndex()); i < s.width * s.in; i += static_cast<int>(GridStride())) {
      const int in = i % s.in, right = i / s.in + s.padding;
      const int first = in / s.group_in * s.group_out;
      float sum = 0;
      for (int kh = 0; kh < s.kernel_h; ++kh) {
        const int h = bottom - kh;
        if (h < 0 || h % s.stride != 0 || h / s.stride >= s.out_height) continue;
        for (int kw = 0; kw < s.kernel_w; ++kw) {
          const int w = right - kw;
          if (w < 0 || w % s.stride != 0 || w / s.stride >= s.out_width) continue;
          const T* from = dy + ((image * s.out_height + h / s.stride) * s.out_width + w / s.stride) * s.out + first;
          const float* weight = a.weights + static_cast<long long>(kh * s.kernel_w + kw) * s.group_out * s.in + in;
          for (int c = 0; c < s.group_out; ++c) sum += Load(from + c) * weight[static_cast<long long>(c) * s.in];
        }
      }
      Store(dx + row * s.width * s.in + i, sum);
    }
  }
}

template <typename T>
__device__ void BackwardWeights(const ConvBackwardWeightsArgs& a) {
  const ConvShape& s = a.shape;
  const T *x = static_cast<const T*>(a.x), *dy = static_cast<const T*>(a.dy);
  const long long rows = s.batch * s.out_height;
  const long long weights = static_cast<long long>(s.kernel_h) * s.kernel_w * s.group_in * s.out;
  for (long long part = blockIdx.y; part < a.parts; part += gridDim.y) {
    const long long end = (part + 1) * a.rows_per_part < rows ? (part + 1) * a.rows_per_part : rows;
    for (long long i = GridIndex(); i < weights; i += GridStride()) {
      const int out = static_cast<int>(i % s.out), in = static_cast<int>(i / s.out % s.group_in);
      const int tap = static_cast<int>(i / s.out / s.group_in), kh = tap / s.kernel_w, kw = tap % s.kernel_w;
      const int channel = out / s.group_out * s.group_in + in;
      float sum = 0;
      for (long long row = part * a.rows_per_part; row < end; ++row) {
        const int h = static_cast<int>(row % s.out_height) * s.stride + kh - s.padding;
        if (h < 0 || h >= s.height) continue;
        const T* from = x + (row / s.out_height * s.height + h) * s.width * s.in + channel;
        const T* diff = dy + row * s.out_width * s.out + out;
        for (int ow = 0; ow < s.out_width; ++ow) {
          const int w = ow * s.stride + kw - s.padding;
          if (w < 0 || w >= s.width) continue;
          sum += Load(from + static_cast<long long>(w) * s.in) * Load(diff + static_cast<long long>(ow) * s.out);
        }
      }
      a.dw[part * weights + i] = sum;
    }
  }
}

}  // namespace

MATHNAS_CUDA_KERNELS(conv_forward, ConvForwardArgs, Forward)
MATHNAS_CUDA_KERNELS(conv_backward_data, ConvBackwardDataArgs, BackwardData)
MATHNAS_CUDA_KERNELS(conv_backward_weights, ConvBackwardWeightsArgs, BackwardWeights)

}  // namespace mathnas::kernels::cuda
