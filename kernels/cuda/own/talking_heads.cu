#include "kernels/cuda/own/attention_head.h"
#include "kernels/cuda/own/talking_heads.h"

namespace mathnas::kernels::cuda {
namespace {

__device__ void PositionedScores(const PositionedScoresArgs& args) {
  const AttentionArgs& a = args.attention;
  const Tile tile(a.queries, a.keys);
  const Head head(a, tile.batch);
  TileSums sums = {};
  AddScores(a, head, tile, sums);
  const long long h = head.index % a.heads, side = 2 * args.window - 1, middle = args.window - 1;
  ForEachSum(tile, [&](long long t, long long s, int i, int j) {
    const long long down = t / args.width - s / args.width + middle, right = t % args.width - s % args.width + middle;
    a.p[head.map + t * a.keys + s] = a.scale * sums[i][j] + args.table[(down * side + right) * a.heads + h];
  });
}

__device__ void MixHeads(const MixHeadsArgs& a) {
  const Tile tile(a.heads, a.elements);
  const long long image = tile.batch * a.heads * a.elements;
  const auto x = [&](long long element, long long h) { return a.x[image + h * a.elements + element]; };
  TileSums sums = {};
  if (a.transposed) {
    AddProducts<Along::kResult, Along::kResult>(
        tile, a.heads, [&](long long g, long long h) { return a.weights[h * a.heads + g]; }, x, sums);
  } else {
    AddProducts<Along::kTerms, Along::kResult>(
        tile, a.heads, [&](long long g, long long h) { return a.weights[g * a.heads + h]; }, x, sums);
  }
  ForEachSum(tile, [&](long long g, long long element, int i, int j) {
    a.y[image + g * a.elements + element] = sums[i][j] + (a.bias == nullptr ? 0.f : a.bias[g]);
  });
}

__device__ void DiffMixed(const AttentionArgs& a) {
  const Tile tile(a.queries, a.keys);
  const Head head(a, tile.batch);
  TileSums sums = {};
  AddValueProducts(a, head, tile, sums);
  ForEachSum(tile, [&](long long t, long long s, int i, int j) { a.diff_s[head.map + t * a.keys + s] = sums[i][j]; });
}

__device__ void SoftmaxBackward(const SoftmaxBackwardArgs& a) {
  float* x = a.x + blockIdx.x * a.length;
  const float* p = a.p + blockIdx.x * a.length;
  float sum = 0;
  for (long long i = threadIdx.x; i < a.length; i += blockDim.x) sum += x[i] * p[i];
  sum = BlockSum(sum);
  for (long long i = threadIdx.x; i < a.length; i += blockDim.x) x[i] = p[i] * (x[i] - sum);
}

__device__ void HeadProducts(const HeadProductsArgs& a) {
  const Tile tile(a.heads, a.heads + 1);
  const long long image = tile.batch / a.parts, begin = tile.batch % a.parts * a.part_elements;
  const long long left = a.elements - begin, count = left < a.part_elements ? left : a.part_elements;
  const float *x = a.x + image * a.heads * a.elements + begin, *y = a.y + image * a.heads * a.elements + begin;
  TileSums sums = {};
  AddProducts<Along::kTerms, Along::kTerms>(
      tile, count, [&](long long g, long long element) { return x[g * a.elements + element]; },
      [&](long long h, long long element) { return h == a.heads ? 1.f : y[h * a.elements + element]; }, sums);
  float* to = a.sums + tile.batch * a.heads * (a.heads + 1);
  ForEachSum(tile, [&](long long g, long long h, int i, int j) { to[g * (a.heads + 1) + h] = sums[i][j]; });
}

__device__ void PositionSums(const PositionSumsArgs& a) {
  const long long side = 2 * a.window - 1, pixels = a.height * a.width;
  for (long long i = GridIndex(); i < side * side * a.heads; i += GridStride()) {
    // From a key to its query.
    const long long row = i / a.heads, down = row / side - (a.window - 1), right = row % side - (a.window - 1);
    const float* map = a.diff_scores + i % a.heads * pixels * pixels;
    float sum = 0;
    for (long long r = down > 0 ? down : 0; r < a.height && r - down < a.height; ++r) {
      for (long long c = right > 0 ? right : 0; c < a.width && c - right < a.width; ++c) {
        sum += map[(r * a.width + c) * pixels + (r - down) * a.width + c - right];
      }
    }
    a.diff_table[i] = a.add ? a.diff_table[i] + sum : sum;
  }
}

}  // namespace

MATHNAS_CUDA_KERNEL(positioned_scores, PositionedScoresArgs, PositionedScores)
MATHNAS_CUDA_KERNEL(mix_heads, MixHeadsArgs, MixHeads)
MATHNAS_CUDA_KERNEL(diff_mixed, AttentionArgs, DiffMixed)
MATHNAS_CUDA_KERNEL(softmax_backward_rows, SoftmaxBackwardArgs, SoftmaxBackward)
MATHNAS_CUDA_KERNEL(head_products, HeadProductsArgs, HeadProducts)
MATHNAS_CUDA_KERNEL(position_sums, PositionSumsArgs, PositionSums)

}  // namespace mathnas::kernels::cuda
