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

int64_t SourceElements(const DepthwiseShape& s) { return s.height * s.width * s.channels; }
int64_t ResultElements(const DepthwiseShape& s) { return s.out_height * s.out_width * s.channels; }

// The sums of the taps over images, of the channels of a tile. Of floats, as they are.
void SumTile(const VectorKernels& v, const DepthwiseShape& s, const Operands& o, int64_t first, int64_t images,
             const Tile& tile, float* sums) {
  v.depthwise_backward_weights(s, o.in<float>(0) + first * SourceElements(s) + tile.channel,
                               o.in<float>(1) + first * ResultElements(s) + tile.channel, images, tile.width, sums);
}

// Of bfloat16: every tap reads each element once more, so the channels of an image are widened first, into `piece`,
// where they also lie next to one another.
void SumTileOfBfloat16(const VectorKernels& v, const DepthwiseShape& s, const Operands& o, int64_t first,
                       int64_t images, const Tile& tile, float* piece, float* sums) {
  const int64_t pixels = s.height * s.width, results = s.out_height * s.out_width, taps = int64_t{s.kernel} * s.kernel;
  DepthwiseShape dense = s;
  dense.channels = tile.width;
  float *src = piece, *diff = piece + pixels * tile.width, *of_image = diff + results * tile.width;
  std::fill_n(sums, taps * tile.width, 0.0F);
  for (int64_t n = first; n < first + images; ++n) {
    v.widen_columns(o.in<Bfloat16>(0) + n * SourceElements(s) + tile.channel, s.channels, pixels, tile.width, src);
    v.widen_columns(o.in<Bfloat16>(1) + n * ResultElements(s) + tile.channel, s.channels, results, tile.width, diff);
    v.depthwise_backward_weights(dense, src, diff, 1, tile.width, of_image);
    v.accumulate(of_image, sums, taps * tile.width);
  }
}

// Floats of `piece`.
int64_t PieceFloats(const DepthwiseShape& s) {
  return (s.height * s.width + s.out_height * s.out_width + int64_t{s.kernel} * s.kernel) * 16;
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
  // Where there are too few channels for all threads, or a few too many, they share the images.
  const bool even = count % r.threads == 0 || count >= 8 * r.threads;
  const int64_t parts = even ? 1 : std::min<int64_t>(r.threads, images);
  const bool low = IsBfloat16(r.inputs[0]);
  const int64_t piece = low ? PieceFloats(shape) : 0;  // of each thread
  const int64_t sum_floats = parts * shape.channels * taps;
  Carver books(nullptr);
  books.Take<float>(sum_floats);
  books.Take<float>(piece * r.threads);
  return MakeFunctionKernel(v.name, books.bytes(), [=, &v, threads = r.threads](const Operands& o) {
    Carver scratch(o.scratch);
    float *sums = scratch.Take<float>(sum_floats), *pieces = scratch.Take<float>(piece * threads);
    const int64_t grain = GrainOf(images / parts * shape.out_height * shape.out_width * taps * 16);
    ParallelFor(threads, parts * count, grain, [&](int thread, int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const Tile& tile = tiles[item % count];
        const int64_t part = item / count, first = images * part / parts, last = images * (part + 1) / parts;
        float* of_tile = sums + (part * shape.channels + tile.channel) * taps;
        if (low) {
          SumTileOfBfloat16(v, shape, o, first, last - first, tile, pieces + thread * piece, of_tile);
        } else {
          SumTile(v, shape, o, first, last - first, tile, of_tile);
        }
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
