// Gradients of depthwise kernels: own vector code, since oneDNN takes its general convolution for kernels of 5 and 7 in
// NHWC (half of a training step of MobileNetV3).
#include <algorithm>
#include <vector>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// Neighbouring channels that are computed at once: 16, 8 or 1.
struct Tile {
  int64_t channel, width;
};

std::vector<Tile> TilesOf(int64_t channels) {
  std::vector<Tile> tiles;
  for (int64_t c = 0; c < channels; c += tiles.back().width) {
    const int64_t left = channels - c;
    tiles.push_back({c, left >= 16 ? 16 : left >= 8 ? 8 : 1});
  }
  return tiles;
}

}  // namespace

bool IsDepthwise(const Conv2dBackwardWeights& op, const Request& r) {
  const bool known = op.kernel_h == 3 || op.kernel_h == 5 || op.kernel_h == 7;
  return known && op.kernel_h == op.kernel_w && !op.has_bias && op.groups > 1 && op.groups == r.inputs[0].shape[3] &&
         op.groups == r.inputs[1].shape[3];
}

KernelOr MakeDepthwise(const Conv2dBackwardWeights& op, const Request& r) {
  const VectorKernels& v = Vector();
  const Shape &src = r.inputs[0].shape, &diff_dst = r.inputs[1].shape;
  const DepthwiseShape shape = {.height = src[1],
                                .width = src[2],
                                .out_height = diff_dst[1],
                                .out_width = diff_dst[2],
                                .channels = src[3],
                                .stride = op.stride,
                                .padding = op.padding,
                                .kernel = op.kernel_h};
  const int64_t images = src[0], taps = int64_t{op.kernel_h} * op.kernel_h;
  const std::vector<Tile> tiles = TilesOf(shape.channels);
  const auto count = static_cast<int64_t>(tiles.size());
  // Where there are too few channels for all threads, they share the images.
  const int64_t parts = std::clamp<int64_t>((r.threads + count - 1) / count, 1, images);
  Carver books(nullptr);
  books.Take<float>(parts * shape.channels * taps);
  return MakeFunctionKernel(v.name, books.bytes(), [=, &v, threads = r.threads](const Operands& o) {
    auto* sums = static_cast<float*>(o.scratch);
    const int64_t grain = GrainOf(images / parts * shape.out_height * shape.out_width * taps * 16);
    ParallelFor(threads, parts * count, grain, [&](int, int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const Tile& tile = tiles[item % count];
        const int64_t part = item / count, first = images * part / parts, last = images * (part + 1) / parts;
        v.depthwise_backward_weights(
            shape, o.in<float>(0) + first * shape.height * shape.width * shape.channels + tile.channel,
            o.in<float>(1) + first * shape.out_height * shape.out_width * shape.channels + tile.channel, last - first,
            tile.width, sums + (part * shape.channels + tile.channel) * taps);
      }
    });
    for (const Tile& tile : tiles) {
      for (int64_t j = 0; j < tile.width; ++j) {
        for (int64_t t = 0; t < taps; ++t) {
          float sum = 0;
          for (int64_t part = 0; part < parts; ++part) {
            sum += sums[(part * shape.channels + tile.channel) * taps + t * tile.width + j];
          }
          o.out<float>(0)[(tile.channel + j) * taps + t] = sum;
        }
      }
    }
  });
}

}  // namespace mathnas::kernels::cpu
