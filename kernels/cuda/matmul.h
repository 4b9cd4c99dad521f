// Matrix products by cuBLASLt. Sums are float32, in the same order on every run.
#ifndef MATHNAS_KERNELS_CUDA_MATMUL_H_
#define MATHNAS_KERNELS_CUDA_MATMUL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "kernels/cuda/queue.h"
#include "kernels/tensor.h"

namespace mathnas::kernels::cuda {

// y{m,n} = alpha a{m,k} b{k,n} + beta y [+ bias{n}] [, then ReLU], of row-major matrices, `batch` times over: each next
// one begins a_batch, b_batch and y_batch elements further. Extents are at least 1.
struct Product {
  enum class Epilogue : uint8_t { kNone, kBias, kRelu, kBiasRelu };

  int64_t m, n, k;
  bool transpose_a = false;                 // in memory a is {k,m}
  bool transpose_b = false;                 // in memory b is {n,k}
  int64_t a_row = 0, b_row = 0, y_row = 0;  // elements from row to row in memory; 0: the rows are dense
  int64_t batch = 1, a_batch = 0, b_batch = 0, y_batch = 0;
  DType type = DType::kF32;    // of a and b
  DType y_type = DType::kF32;  // of y and of the bias, which cuBLASLt wants alike
  float alpha = 1, beta = 0;
  Epilogue epilogue = Epilogue::kNone;
};
// "128x64x32 of BF16 to F32", for messages.
std::string ToString(const Product& product);

// A product of certain addresses, with the algorithm for it.
class Matmul {
 public:
  // Of the device, for algorithms that split sums; 16-byte aligned.
  static constexpr size_t kWorkspaceBytes = size_t{4} << 20;
  // The bias must be 16-byte aligned. Nothing is read before Run.
  struct Addresses {
    const void* a;
    const void* b;
    const void* bias;  // null where the epilogue has none
    void* y;
    void* workspace;  // kWorkspaceBytes
  };

  // Chooses the algorithm. The queue's GPU has been entered. Unimplemented where cuBLASLt has none.
  static absl::StatusOr<Matmul> Create(Queue& queue, const Product& product, const Addresses& addresses);
  // Enqueues. The queue outlives this.
  absl::Status Run() const;

 private:
  template <typename T>
  using Owned = std::unique_ptr<T, cublasStatus_t (*)(T*)>;
  using Layout = Owned<std::remove_pointer_t<cublasLtMatrixLayout_t>>;
  using Description = Owned<std::remove_pointer_t<cublasLtMatmulDesc_t>>;

  Matmul(Queue& queue, const Product& product, const Addresses& addresses);
  absl::Status Describe();
  absl::StatusOr<Layout> MakeLayout(DType type, int64_t rows, int64_t columns, int64_t row, int64_t batch_stride) const;
  absl::Status Choose();
  absl::Status Check(cublasStatus_t status, std::string_view call) const;

  Queue* queue_;
  Product product_;
  Addresses addresses_;
  Description description_;
  Layout a_, b_, y_;
  cublasLtMatmulAlgo_t algorithm_ = {};
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_MATMUL_H_
