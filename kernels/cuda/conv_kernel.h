// What the kernels of convolutions share.
#ifndef MATHNAS_KERNELS_CUDA_CONV_KERNEL_H_
#define MATHNAS_KERNELS_CUDA_CONV_KERNEL_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/carver.h"
#include "kernels/cuda/conv_choice.h"
#include "kernels/cuda/conv_weights.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {

// What runs one after the other.
class BoundSteps : public BoundKernel {
 public:
  using Step = std::function<absl::Status(Queue&)>;

  explicit BoundSteps(Queue& queue) : queue_(queue) {}
  absl::Status Run() override {
    for (const Step& step : steps_) {
      if (auto s = step(queue_); !s.ok()) return s;
    }
    return absl::OkStatus();
  }
  Queue& queue() { return queue_; }
  void Add(Step step) { steps_.push_back(std::move(step)); }
  // The address of weights (conv_weights.h), which a step packs if they change.
  absl::StatusOr<const void*> AddWeights(const Packing& packing, const KernelBuffers& buffers, void* scratch);

 private:
  Queue& queue_;
  std::vector<Step> steps_;
  std::vector<std::shared_ptr<const Tensor>> kept_;
};

// A convolution as it was chosen.
class ConvKernel : public Kernel {
 public:
  ConvKernel(const ConvProblem& problem, ConvChoice choice) : p_(problem), choice_(std::move(choice)) {}

  std::string implementation() const override;

 protected:
  using Path = ConvChoice::Path;
  // Of cuDNN, if it computes anything.
  std::byte* TakeWorkspace(Carver& scratch) const;
  bool widened() const { return choice_.path == Path::kWidened; }

  // Images as cuDNN takes them; those of 16 bits that it does not are converted into scratch.
  const void* Widened(BoundSteps& bound, const void* image, int64_t elements, float* scratch) const;
  // The plan of the queue, with the tensors of the graph that are not virtual.
  absl::Status AddPlan(BoundSteps& bound, absl::Span<void* const> tensors, void* workspace) const;

  const ConvProblem p_;
  const ConvChoice choice_;
};

// The choice for the GPU of a request. Unimplemented where only own kernels are left and rows are too long for them.
absl::StatusOr<ConvChoice> Choose(const Request& request, const ConvProblem& problem);

// Blocks along a row of `width` elements, and a row of blocks for each of `rows`, as kernels of own/conv_direct.h want
// them.
Grid DirectGrid(int64_t width, int64_t rows);

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_CONV_KERNEL_H_
