// Embeddings and their gradient (ops/embedding.h) on the GPU. All float32.
#ifndef MATHNAS_KERNELS_CUDA_OWN_EMBEDDING_H_
#define MATHNAS_KERNELS_CUDA_OWN_EMBEDDING_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// A block to an id.
struct EmbeddingArgs {
  const long long* ids = nullptr;
  const float* table = nullptr;
  float* y = nullptr;
  long long rows, features, stride;  // of the table
  float scale;
};
constexpr OwnKernel<EmbeddingArgs> kEmbedding = {"embedding", false};

// sum[id] += scale * y over the places of each id, in their order. A block to a place and, by blockIdx.y, to as many
// features as it has threads: kThreads.
struct AddRowsArgs {
  static constexpr int kThreads = 256;
  const long long* ids = nullptr;
  const float* y = nullptr;
  float* sum = nullptr;
  long long places;
  long long rows, features, stride;  // of the sum
  float scale;
  int padding;
};
constexpr OwnKernel<AddRowsArgs> kAddRows = {"add_rows", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_EMBEDDING_H_
