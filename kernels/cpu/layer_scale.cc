// Channels times a row of a table: own vector code.
#include <algorithm>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// Channels that one thread takes: a cache line.
constexpr int64_t kChannels = 16;

}  // namespace

KernelOr Make(const LayerScale& op, const Request& r) {
  const VectorKernels& v = Vector();
  const int64_t rows = RowsOf(r.inputs[0].shape), channels = r.inputs[0].shape.back();
  const int64_t first = op.row * r.inputs[1].shape.back();
  Carver book(nullptr);
  book.Take<float>(channels);
  return MakeFunctionKernel(v.name, book.bytes(),
                            [=, &v, threads = r.threads, factor = static_cast<float>(op.factor)](const Operands& o) {
                              float* scale = Carver(o.scratch).Take<float>(channels);
                              v.scale(factor, o.in<float>(1) + first, scale, channels);
                              ParallelFor(threads, rows, GrainOf(channels), [&](int, int64_t begin, int64_t end) {
                                v.scale_columns(o.in<float>(0) + begin * channels, scale,
                                                o.out<float>(0) + begin * channels, end - begin, channels);
                              });
                            });
}

KernelOr Make(const LayerScaleBackwardTable& op, const Request& r) {
  const VectorKernels& v = Vector();
  const int64_t rows = RowsOf(r.inputs[0].shape), channels = r.inputs[0].shape.back();
  const int64_t size = r.outputs[0].elements(), first = op.row * r.outputs[0].shape.back();
  const int64_t tiles = (channels + kChannels - 1) / kChannels;
  return MakeFunctionKernel(
      v.name, 0, [=, &v, threads = r.threads, factor = static_cast<float>(op.factor)](const Operands& o) {
        v.fill(0, o.out<float>(0), size);
        float* diff = o.out<float>(0) + first;
        ParallelFor(threads, tiles, GrainOf(rows * kChannels), [&](int, int64_t begin, int64_t end) {
          const int64_t c = begin * kChannels, width = std::min(end * kChannels, channels) - c;
          v.dot_columns(o.in<float>(0) + c, o.in<float>(1) + c, channels, rows, width, diff + c);
          v.scale(factor, diff + c, diff + c, width);
        });
      });
}

}  // namespace mathnas::kernels::cpu
