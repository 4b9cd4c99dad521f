// Channels multiplied by a factor each: own vector code.
#include <algorithm>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// Channels that one thread takes of an image: so that a single image has work for several.
constexpr int64_t kChannels = 128;

template <typename T>
KernelOr MakeScaleChannels(void (*scale_columns)(const T*, const T*, T*, int64_t, int64_t), const Request& r) {
  const Shape& x = r.inputs[0].shape;
  const int64_t images = x[0], pixels = x[1] * x[2], channels = x[3];
  return MakeFunctionKernel(Vector().name, 0, [=, threads = r.threads](const Operands& o) {
    ParallelFor(threads, images * pixels, GrainOf(channels), [&](int, int64_t begin, int64_t end) {
      while (begin < end) {
        const int64_t image = begin / pixels, rows = std::min(end, (image + 1) * pixels) - begin;
        scale_columns(o.in<T>(0) + begin * channels, o.in<T>(1) + image * channels, o.out<T>(0) + begin * channels,
                      rows, channels);
        begin += rows;
      }
    });
  });
}

template <typename T>
KernelOr MakeDots(void (*dot_columns)(const T*, const T*, int64_t, int64_t, int64_t, T*), const Request& r) {
  const Shape& x = r.inputs[0].shape;
  const int64_t images = x[0], pixels = x[1] * x[2], channels = x[3];
  const int64_t tiles = (channels + kChannels - 1) / kChannels;
  const int64_t grain = GrainOf(pixels * std::min(channels, kChannels));
  return MakeFunctionKernel(Vector().name, 0, [=, threads = r.threads](const Operands& o) {
    ParallelFor(threads, images * tiles, grain, [&](int, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t image = i / tiles, c = i % tiles * kChannels, first = image * pixels * channels + c;
        dot_columns(o.in<T>(0) + first, o.in<T>(1) + first, channels, pixels, std::min(kChannels, channels - c),
                    o.out<T>(0) + image * channels + c);
      }
    });
  });
}

}  // namespace

KernelOr Make(const ScaleChannels&, const Request& r) {
  const VectorKernels& v = Vector();
  return IsBfloat16(r.inputs[0]) ? MakeScaleChannels(v.scale_columns_bfloat16, r)
                                 : MakeScaleChannels(v.scale_columns, r);
}

KernelOr Make(const ScaleChannelsBackwardScale&, const Request& r) {
  const VectorKernels& v = Vector();
  return IsBfloat16(r.inputs[0]) ? MakeDots(v.dot_columns_bfloat16, r) : MakeDots(v.dot_columns, r);
}

}  // namespace mathnas::kernels::cpu
