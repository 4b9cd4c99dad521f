// Average pooling over windows and over whole images.
#include <algorithm>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

// The pixels begin .. end-1 of one axis that window `index` covers.
struct Window {
  int64_t begin, end;

  Window(int64_t index, int64_t kernel, int64_t stride, int64_t padding, int64_t extent)
      : begin(std::max<int64_t>(index * stride - padding, 0)),
        end(std::min(index * stride - padding + kernel, extent)) {}
  int64_t size() const { return end - begin; }
};

template <typename Pool>
double Divisor(const Pool& op, const Window& rows, const Window& columns) {
  if (op.include_padding) return static_cast<double>(op.kernel) * op.kernel;
  return static_cast<double>(rows.size() * columns.size());
}

}  // namespace

KernelPtr Make(const AvgPool2d& op, const Request& request) {
  const Shape src = request.inputs[0].shape, dst = request.outputs[0].shape;
  const int64_t channels = src[3];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    double* sums = static_cast<double*>(o.scratch);
    T* y = o.out<T>(0);
    for (int64_t n = 0; n < dst[0]; ++n) {
      for (int64_t oh = 0; oh < dst[1]; ++oh) {
        const Window rows(oh, op.kernel, op.stride, op.padding, src[1]);
        for (int64_t ow = 0; ow < dst[2]; ++ow) {
          const Window columns(ow, op.kernel, op.stride, op.padding, src[2]);
          std::fill_n(sums, channels, 0.0);
          for (int64_t h = rows.begin; h < rows.end; ++h) {
            for (int64_t w = columns.begin; w < columns.end; ++w) {
              const T* x = o.in<T>(0) + ((n * src[1] + h) * src[2] + w) * channels;
              for (int64_t c = 0; c < channels; ++c) sums[c] += x[c];
            }
          }
          const double divisor = Divisor(op, rows, columns);
          for (int64_t c = 0; c < channels; ++c) *y++ = static_cast<T>(sums[c] / divisor);
        }
      }
    }
  };
  return MakeKernel(request, run, channels);
}

KernelPtr Make(const AvgPool2dBackward& op, const Request& request) {
  const Shape src = request.outputs[0].shape, dst = request.inputs[0].shape;
  const int64_t channels = src[3];
  const int64_t image = src[1] * src[2] * channels;
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    double* sums = static_cast<double*>(o.scratch);  // of one image
    const T* dy = o.in<T>(0);
    for (int64_t n = 0; n < dst[0]; ++n) {
      std::fill_n(sums, image, 0.0);
      for (int64_t oh = 0; oh < dst[1]; ++oh) {
        const Window rows(oh, op.kernel, op.stride, op.padding, src[1]);
        for (int64_t ow = 0; ow < dst[2]; ++ow, dy += channels) {
          const Window columns(ow, op.kernel, op.stride, op.padding, src[2]);
          const double divisor = Divisor(op, rows, columns);
          for (int64_t h = rows.begin; h < rows.end; ++h) {
            for (int64_t w = columns.begin; w < columns.end; ++w) {
              double* sum = sums + (h * src[2] + w) * channels;
              for (int64_t c = 0; c < channels; ++c) sum[c] += dy[c] / divisor;
            }
          }
        }
      }
      for (int64_t i = 0; i < image; ++i) o.out<T>(0)[n * image + i] = static_cast<T>(sums[i]);
    }
  };
  return MakeKernel(request, run, image);
}

KernelPtr Make(const GlobalAvgPool&, const Request& request) {
  const Shape src = request.inputs[0].shape;
  const int64_t pixels = src[1] * src[2], channels = src[3];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    double* sums = static_cast<double*>(o.scratch);
    for (int64_t n = 0; n < src[0]; ++n) {
      std::fill_n(sums, channels, 0.0);
      for (int64_t p = 0; p < pixels; ++p) {
        for (int64_t c = 0; c < channels; ++c) sums[c] += o.in<T>(0)[(n * pixels + p) * channels + c];
      }
      for (int64_t c = 0; c < channels; ++c) {
        o.out<T>(0)[n * channels + c] = static_cast<T>(sums[c] / static_cast<double>(pixels));
      }
    }
  };
  return MakeKernel(request, run, channels);
}

KernelPtr Make(const GlobalAvgPoolBackward&, const Request& request) {
  const Shape src = request.outputs[0].shape;
  const int64_t pixels = src[1] * src[2], channels = src[3];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t n = 0; n < src[0]; ++n) {
      for (int64_t p = 0; p < pixels; ++p) {
        for (int64_t c = 0; c < channels; ++c) {
          o.out<T>(0)[(n * pixels + p) * channels + c] =
              static_cast<T>(o.in<T>(0)[n * channels + c] / static_cast<double>(pixels));
        }
      }
    }
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
