// Gradients of the weights of convolutions in bfloat16 by the processor's unit for products of matrices
// (vector/amx_gradient.inc): oneDNN's were a third of a training step of NAS-Bench-201, and take up to eight times as
// long.
#include <algorithm>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

constexpr int64_t kMostTaps = 49;

// diff_weights{outputs,inputs,kernel,kernel}, outputs `row` floats apart, of 16 outputs from 16 * `tile` on: the sum of
// the parts in their order.
void AddParts(const ConvolutionGradientShape& s, const float* sums, int64_t parts, int64_t tile, float* diff_weights,
              int64_t row) {
  const int64_t taps = s.kernel * s.kernel, stride = s.input_tiles() * s.output_tiles() * 256;
  for (int64_t o = 0; o < std::min<int64_t>(16, s.outputs - 16 * tile); ++o) {
    float* to = diff_weights + (16 * tile + o) * row;
    for (int64_t i = 0; i < s.inputs; i += 16) {
      float of_taps[kMostTaps * 16];
      const float* from = sums + (i / 16 * s.output_tiles() + tile) * 256 + o * 16;
      for (int64_t tap = 0; tap < taps; ++tap, from += stride) {
        for (int64_t j = 0; j < 16; ++j) of_taps[tap * 16 + j] = from[j];
        for (int64_t part = 1; part < parts; ++part) {
          for (int64_t j = 0; j < 16; ++j) of_taps[tap * 16 + j] += from[part * s.sums() + j];
        }
      }
      for (int64_t j = 0; j < std::min<int64_t>(16, s.inputs - i); ++j) {
        for (int64_t tap = 0; tap < taps; ++tap) *to++ = of_taps[tap * 16 + j];
      }
    }
  }
}

}  // namespace

bool IsOfMatrixUnit(const Conv2dBackwardWeights& op, const Request& r) {
  if (MatrixUnit() == nullptr || !IsBfloat16(r.inputs[0])) return false;
  return op.kernel_h == op.kernel_w && op.kernel_h % 2 == 1 && op.kernel_h * op.kernel_w <= kMostTaps &&
         op.stride == 1 && op.padding == op.kernel_h / 2 && op.groups == 1 && !op.has_bias;
}

KernelOr MakeOfMatrixUnit(const Conv2dBackwardWeights& op, const Request& r) {
  const Shape &src = r.inputs[0].shape, &diff_dst = r.inputs[1].shape;
  const ConvolutionGradientShape shape = {
      .height = src[1], .width = src[2], .inputs = src[3], .outputs = diff_dst[3], .kernel = op.kernel_h};
  const int64_t images = src[0], row = r.outputs[0].row_elements();
  const auto bytes = static_cast<int64_t>(MatrixUnit()->gradient_bytes(shape));
  const int64_t pixel = 2 * shape.kernel * shape.kernel * shape.inputs * shape.outputs;  // operations
  Carver books(nullptr);
  books.Take<std::byte>(r.threads * bytes);
  books.Take<float>(r.threads * shape.sums());
  return MakeFunctionKernel(MatrixUnit()->name, books.bytes(), [=, threads = r.threads](const Operands& o) {
    Carver scratch(o.scratch);
    std::byte* const of_threads = scratch.Take<std::byte>(threads * bytes);
    float* const sums = scratch.Take<float>(threads * shape.sums());
    constexpr int64_t kOperations = 10'000'000;  // 20 us of a thread
    const int parts = ParallelFor(threads, shape.tiles(images), kOperations / (pixel * kGradientPixels) + 1,
                                  [&](int thread, int64_t first, int64_t last) {
                                    MatrixUnit()->backward_weights({.shape = shape,
                                                                    .images = images,
                                                                    .src = o.in<Bfloat16>(0),
                                                                    .diff_dst = o.in<Bfloat16>(1),
                                                                    .sums = sums + thread * shape.sums(),
                                                                    .scratch = of_threads + thread * bytes,
                                                                    .first = first,
                                                                    .last = last});
                                  });
    ParallelFor(threads, shape.output_tiles(), GrainOf(shape.sums() / shape.output_tiles() * 2),
                [&](int, int64_t begin, int64_t end) {
                  for (int64_t t = begin; t < end; ++t) AddParts(shape, sums, parts, t, o.out<float>(0), row);
                });
  });
}

}  // namespace mathnas::kernels::cpu
