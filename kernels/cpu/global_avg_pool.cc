// Global average pooling: own vector code. (oneDNN's reduction primitive runs a reference kernel.)
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// Channels that one thread takes of an image: so that a single image has work for several.
constexpr int64_t kChannels = 128;

template <typename T>
KernelOr MakeMeans(void (*column_means)(const T*, int64_t, int64_t, int64_t, T*), const Request& r) {
  const Shape& src = r.inputs[0].shape;
  const int64_t images = src[0], pixels = src[1] * src[2], channels = src[3];
  const int64_t tiles = (channels + kChannels - 1) / kChannels;
  const int64_t grain = GrainOf(pixels * std::min(channels, kChannels));
  return MakeFunctionKernel(Vector().name, 0, [=, threads = r.threads](const Operands& o) {
    ParallelFor(threads, images * tiles, grain, [&](int, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t image = i / tiles, c = i % tiles * kChannels;
        column_means(o.in<T>(0) + image * pixels * channels + c, channels, pixels, std::min(kChannels, channels - c),
                     o.out<T>(0) + image * channels + c);
      }
    });
  });
}

template <typename T>
KernelOr MakeBroadcast(void (*broadcast_row)(float, const T*, T*, int64_t, int64_t), int64_t pixels, const Request& r) {
  const int64_t images = r.inputs[0].shape[0], channels = r.inputs[0].shape[1];
  const float factor = static_cast<float>(1.0 / static_cast<double>(pixels));
  return MakeFunctionKernel(Vector().name, 0, [=, threads = r.threads](const Operands& o) {
    ParallelFor(threads, images * pixels, GrainOf(channels), [&](int, int64_t begin, int64_t end) {
      while (begin < end) {
        const int64_t image = begin / pixels, rows = std::min(end, (image + 1) * pixels) - begin;
        broadcast_row(factor, o.in<T>(0) + image * channels, o.out<T>(0) + begin * channels, rows, channels);
        begin += rows;
      }
    });
  });
}

}  // namespace

KernelOr Make(const GlobalAvgPool&, const Request& r) {
  const VectorKernels& v = Vector();
  return IsBfloat16(r.inputs[0]) ? MakeMeans(v.column_means_bfloat16, r) : MakeMeans(v.column_means, r);
}

KernelOr Make(const GlobalAvgPoolBackward& op, const Request& r) {
  const VectorKernels& v = Vector();
  const int64_t pixels = int64_t{op.height} * op.width;
  return IsBfloat16(r.inputs[0]) ? MakeBroadcast(v.broadcast_row_bfloat16, pixels, r)
                                 : MakeBroadcast(v.broadcast_row, pixels, r);
}

}  // namespace mathnas::kernels::cpu
