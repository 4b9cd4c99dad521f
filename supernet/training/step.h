// One training step: gradients of any number of networks on a batch, then an update of what they touched.
#ifndef MATHNAS_SUPERNET_TRAINING_STEP_H_
#define MATHNAS_SUPERNET_TRAINING_STEP_H_

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/optimizer_kernels.h"
#include "kernels/plan.h"
#include "supernet/search_space.h"

namespace mathnas::supernet {

// What weight decay acts on: everything (NAS-Bench-201), or all but the tensors whose names contain "bn" or "bias"
// (once-for-all, spec/search-spaces.md 3.8).
enum class Decay : uint8_t { kAll, kWeights };

struct StepOptions {
  Weights weights = Weights::kOwn;
  int64_t batch = 64;
  double label_smoothing = 0;
  // Adds the cross-entropy against soft targets to the loss (distillation): Backward then needs them.
  bool soft_targets = false;
  Decay decay = Decay::kAll;
};

// What one network made of a batch.
struct BatchResult {
  double loss = 0;      // mean over the batch
  int64_t correct = 0;  // images whose largest logit is the label's
};

// Works on `weights` in place. Not thread-safe; the device's threads do the work.
class TrainingStep {
 public:
  // `weights` must have every tensor that networks of the space use (AllocateWeights) and outlive this object.
  TrainingStep(std::shared_ptr<const SearchSpace> space, std::shared_ptr<kernels::Device> device,
               kernels::TensorMap& weights, StepOptions options);

  // Forward and backward in training mode; gradients are added to gradient sums, running statistics move. Without a
  // choice: the whole supernet, every node the mean of its candidates. images{batch,H,W,C} of the device's type,
  // labels{batch} int64, soft targets{batch,classes} of the device's type if the options ask for them.
  absl::StatusOr<BatchResult> Backward(const std::optional<Choice>& choice, const kernels::TensorView& images,
                                       const kernels::TensorView& labels,
                                       const kernels::TensorView* soft_targets = nullptr);

  // One update of every parameter that took part since the last one; their gradient sums are zero afterwards. Others
  // stay as they are, their momentum too (spec/training-golden.md 1).
  void Update(const kernels::SgdParameters& parameters);

  // Gradient sums, by kernels::GradientName; and the parameters that took part since the last update.
  const kernels::TensorMap& gradients() const { return gradients_; }
  const std::set<std::string>& touched() const { return touched_; }
  // Momentum buffers by parameter name, of every parameter that ever took part.
  kernels::TensorMap& momentum() { return momentum_; }

  // Seconds spent so far on making graphs and plans, and on running them.
  double planning_seconds() const { return planning_seconds_; }
  double running_seconds() const { return running_seconds_; }

 private:
  struct Prepared {
    std::shared_ptr<const kernels::Plan> plan;
    std::vector<std::string> parameters;  // with a gradient
    std::vector<std::string> counters;    // num_batches_tracked of the normalisations that ran
  };
  using Key = std::optional<Choice>;

  absl::StatusOr<const Prepared*> Prepare(const Key& key);
  absl::Status Bind(const Key& key);

  std::shared_ptr<const SearchSpace> space_;
  std::shared_ptr<kernels::Device> device_;
  kernels::TensorMap& weights_;
  StepOptions options_;
  kernels::TensorMap gradients_;
  kernels::TensorMap momentum_;
  std::set<std::string> touched_;
  std::list<std::pair<Key, Prepared>> plans_;  // most recently used first
  kernels::Workspace workspace_;
  Key bound_;  // what context_ is for
  std::unique_ptr<kernels::Context> context_;
  double planning_seconds_ = 0;
  double running_seconds_ = 0;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_STEP_H_
