// A kernel's launches, one after the other.
#ifndef MATHNAS_KERNELS_CUDA_LAUNCHES_H_
#define MATHNAS_KERNELS_CUDA_LAUNCHES_H_

#include "kernels/cuda/own/tile_grid.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {

// Of kernels without a type of their own. After one that fails there are no more.
class Launches {
 public:
  explicit Launches(Queue& queue) : queue_(queue) {}

  // For all tiles (own/tile.h) of `batch` matrices{rows,columns}.
  template <typename Args>
  void Tiles(const OwnKernel<Args>& kernel, int64_t batch, int64_t rows, int64_t columns, const Args& args) {
    Run(kernel, {.blocks = static_cast<unsigned>(TileBlocks(batch, rows, columns)), .threads = kTileThreads}, args);
  }
  // A block for each of `rows` rows of `length` elements: a warp, more where they are long.
  template <typename Args>
  void Rows(const OwnKernel<Args>& kernel, int64_t rows, int64_t length, const Args& args) {
    Run(kernel, {.blocks = static_cast<unsigned>(rows), .threads = length > 256 ? 128U : 32U}, args);
  }
  // For a loop over n elements.
  template <typename Args>
  void Elements(const OwnKernel<Args>& kernel, int64_t n, const Args& args) {
    Run(kernel, queue_.Over(n), args);
  }
  // f(queue), which enqueues something else and returns a status.
  template <typename F>
  void Then(const F& f) {
    if (status_.ok()) status_ = f(queue_);
  }
  const absl::Status& status() const { return status_; }

 private:
  template <typename Args>
  void Run(const OwnKernel<Args>& kernel, const Grid& grid, const Args& args) {
    if (status_.ok()) status_ = queue_.Launch(kernel, DType::kF32, grid, args);
  }

  Queue& queue_;
  absl::Status status_;
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_LAUNCHES_H_
