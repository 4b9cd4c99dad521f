// Where kernels of the backend are enqueued, and how a kernel is made of a function that enqueues.
#ifndef MATHNAS_KERNELS_CUDA_QUEUE_H_
#define MATHNAS_KERNELS_CUDA_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "kernels/cuda/libraries.h"
#include "kernels/cuda/own/fault.h"
#include "kernels/cuda/own/kernel.h"
#include "kernels/device.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cuda {

class Gpu;

// Blocks and threads of a launch, in one dimension each but where a kernel says otherwise.
struct Grid {
  unsigned blocks = 1;
  unsigned threads = 256;
  unsigned rows = 1;    // blockIdx.y
  unsigned planes = 1;  // blockIdx.z
  size_t shared_bytes = 0;
};

// Work on a stream of a GPU, in the order of the calls; nothing waits. Used by one thread at a time.
class Queue {
 public:
  static absl::StatusOr<std::unique_ptr<Queue>> Create(std::shared_ptr<Gpu> gpu);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // An own kernel for elements of `type`.
  template <typename Args>
  absl::Status Launch(const OwnKernel<Args>& kernel, DType type, const Grid& grid, const Args& args) {
    static_assert(std::is_trivially_copyable_v<Args>);
    return Launch(kernel.name, kernel.typed, type, grid, &args);
  }
  // Enough blocks for a loop over n elements, no more than keep the GPU busy.
  Grid Over(int64_t n) const;

  absl::Status Copy(void* to, const void* from, size_t bytes);
  absl::Status CopyRows(void* to, size_t to_stride, const void* from, size_t from_stride, size_t row_bytes,
                        size_t rows);
  absl::Status Zero(void* to, size_t bytes);
  // Until all of it is done. OutOfRange when a Store was given another place than it has.
  absl::Status Wait();

  // Where kernels say what is wrong with their operands; Wait tells.
  Fault* fault() const { return static_cast<Fault*>(fault_.get()); }
  Gpu& gpu() const { return *gpu_; }
  const Libraries& libraries() const;
  CUstream stream() const { return stream_; }
  cudnnHandle_t cudnn() const { return cudnn_; }
  cublasLtHandle_t cublaslt() const { return cublaslt_; }

 private:
  explicit Queue(std::shared_ptr<Gpu> gpu) : gpu_(std::move(gpu)) {}
  absl::Status Launch(const char* name, bool typed, DType type, const Grid& grid, const void* args);

  std::shared_ptr<Gpu> gpu_;
  std::shared_ptr<void> fault_;
  CUstream stream_ = nullptr;
  cudnnHandle_t cudnn_ = nullptr;
  cublasLtHandle_t cublaslt_ = nullptr;
};

// The queue of a stream that CudaDevice made.
Queue& QueueOf(Stream& stream);

// A kernel whose run enqueues: `run` is called as run(Queue&, const Operands&) and returns a status.
template <typename Function>
std::shared_ptr<const Kernel> MakeEnqueued(std::string implementation, size_t scratch_bytes, Function run) {
  return MakeFunctionKernel(std::move(implementation), scratch_bytes,
                            [run = std::move(run)](const Operands& o) { return run(QueueOf(*o.stream), o); });
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_QUEUE_H_
