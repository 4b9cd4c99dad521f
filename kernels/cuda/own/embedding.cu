#include "kernels/cuda/own/embedding.h"
#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {
namespace {

__device__ void Embedding(const EmbeddingArgs& a) {
  const long long id = a.ids[blockIdx.x];
  const bool known = id >= 0 && id < a.rows;
  const float* row = a.table + (known ? id * a.stride : 0);
  float* y = a.y + blockIdx.x * a.features;
  for (long long k = threadIdx.x; k < a.features; k += blockDim.x) y[k] = known ? a.scale * row[k] : NAN;
}

// No two blocks add to one row, so nothing depends on their order: the block of the first place of an id adds all of
// them, and the others end when they meet an earlier one. Places are looked through as many at once as there are
// threads.
__device__ void AddRows(const AddRowsArgs& a) {
  constexpr int kWarps = AddRowsArgs::kThreads / kWarp;
  __shared__ unsigned same[kWarps];  // a bit for each place of those looked at
  const long long own = blockIdx.x, id = a.ids[own];
  if (id < 0 || id >= a.rows || id == a.padding) return;
  const long long feature = static_cast<long long>(blockIdx.y) * blockDim.x + threadIdx.x;
  const bool has_feature = feature < a.features;
  float* to = a.sum + id * a.stride + feature;
  float sum = has_feature ? *to : 0.f;
  for (long long begin = 0; begin < a.places; begin += blockDim.x) {
    const long long place = begin + threadIdx.x;
    const unsigned bits = __ballot_sync(kAllLanes, place < a.places && a.ids[place] == id);
    if (threadIdx.x % kWarp == 0) same[threadIdx.x / kWarp] = bits;
    __syncthreads();
    for (int warp = 0; warp < kWarps; ++warp) {
      for (unsigned left = same[warp]; left != 0; left &= left - 1) {
        const long long found = begin + warp * kWarp + __ffs(static_cast<int>(left)) - 1;
        if (found < own) return;  // in all threads of the block
        if (has_feature) sum += a.scale * a.y[found * a.features + feature];
      }
    }
    __syncthreads();  // `same` may be written again
  }
  if (has_feature) *to = sum;
}

}  // namespace

MATHNAS_CUDA_KERNEL(embedding, EmbeddingArgs, Embedding)
MATHNAS_CUDA_KERNEL(add_rows, AddRowsArgs, AddRows)

}  // namespace mathnas::kernels::cuda
