// The stream of a workspace (kernels/stream.h) on a GPU, and what its contexts run: directly the first time, recorded
// as a CUDA graph the second, replayed from then on.
#ifndef MATHNAS_KERNELS_CUDA_CUDA_STREAM_H_
#define MATHNAS_KERNELS_CUDA_CUDA_STREAM_H_

#include <memory>
#include <vector>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/queue.h"
#include "kernels/stream.h"

namespace mathnas::kernels::cuda {

// The updates of a device (Device::SgdStep ..), in their order with the runs of contexts. Thread-safe.
class Updates {
 public:
  static absl::StatusOr<std::unique_ptr<Updates>> Create(const std::shared_ptr<Gpu>& gpu);
  ~Updates();

  // Calls enqueue(Queue&), which enqueues an update, alone.
  template <typename F>
  absl::Status Enqueue(const F& enqueue) {
    const std::lock_guard lock(mutex_);
    if (auto s = queue_->gpu().Enter(); !s.ok()) return s;
    pending_ = true;
    if (auto s = enqueue(*queue_); !s.ok()) return s;
    return Record();
  }
  // What `stream` is given from now on begins when all updates so far are done.
  absl::Status Precede(CUstream stream);
  // Updates from now on begin when the run whose end `event` marks is done.
  absl::Status Follow(CUevent event);
  absl::Status Wait();

 private:
  Updates() = default;
  absl::Status Record();

  std::mutex mutex_;
  std::unique_ptr<Queue> queue_;
  CUevent done_ = nullptr;
  bool pending_ = false;
};

class CudaStream : public Stream {
 public:
  CudaStream(std::unique_ptr<Queue> queue, std::shared_ptr<Updates> updates)
      : queue_(std::move(queue)), updates_(std::move(updates)) {}
  ~CudaStream() override;

  absl::StatusOr<std::byte*> Reserve(size_t bytes) override;
  absl::StatusOr<std::byte*> ReserveHost(size_t bytes) override;
  size_t bytes() const override { return device_.bytes; }
  uint64_t moves() const override { return moves_; }
  absl::StatusOr<std::unique_ptr<Execution>> Prepare(std::vector<Transfer> before,
                                                     absl::Span<const std::unique_ptr<BoundKernel>> kernels,
                                                     std::vector<Transfer> after) override;
  absl::Status CopyRows(void* to, size_t to_stride, const void* from, size_t from_stride, size_t row_bytes,
                        size_t rows) override {
    return queue_->CopyRows(to, to_stride, from, from_stride, row_bytes, rows);
  }
  absl::Status Wait() override { return queue_->Wait(); }

  Queue& queue() { return *queue_; }
  Updates& updates() { return *updates_; }

 private:
  struct Arena {
    std::shared_ptr<void> memory;
    size_t bytes = 0;
  };
  absl::StatusOr<std::byte*> Grow(Arena& arena, Gpu::Memory kind, size_t bytes);

  std::unique_ptr<Queue> queue_;
  std::shared_ptr<Updates> updates_;
  Arena device_, host_;
  uint64_t moves_ = 0;
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_CUDA_STREAM_H_
