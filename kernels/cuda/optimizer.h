// The updates of a device (Device::SgdStep ..) for tensors of float32 that kernels reach.
#ifndef MATHNAS_KERNELS_CUDA_OPTIMIZER_H_
#define MATHNAS_KERNELS_CUDA_OPTIMIZER_H_

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/queue.h"
#include "kernels/optimizer_kernels.h"
#include "kernels/tensor.h"

namespace mathnas::kernels::cuda {

// As in optimizer_kernels.h: a launch for some 50 to 100 tensors.
absl::Status EnqueueSgdStep(Queue& queue, absl::Span<const SgdUpdate<TensorView>> updates);
absl::Status EnqueueAdamStep(Queue& queue, absl::Span<const AdamUpdate<TensorView>> updates);
absl::Status EnqueueCombineGradients(Queue& queue, absl::Span<const GradientPair<TensorView>> pairs);
absl::Status EnqueueMoveAverage(Queue& queue, double decay, absl::Span<const AveragedWeight<TensorView>> weights);

// The products of many pairs, with the memory that their sums need. Thread-safe.
class DotProductSums {
 public:
  using Pairs = absl::Span<const std::pair<TensorView, TensorView>>;
  // Waits once, for all of them.
  absl::StatusOr<std::vector<double>> Of(Pairs pairs, Gpu& gpu, Updates& updates);

 private:
  std::mutex mutex_;
  std::shared_ptr<void> parts_;  // of the device
  std::shared_ptr<void> sums_;   // of the host
  size_t capacity_ = 0;          // pairs that they have room for
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OPTIMIZER_H_
