// One training step: gradients of any number of networks on a batch, then an update of what they touched.
#ifndef MATHNAS_SUPERNET_TRAINING_STEP_H_
#define MATHNAS_SUPERNET_TRAINING_STEP_H_

#include <array>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/lower_precision.h"
#include "kernels/plan.h"
#include "kernels/recompute.h"
#include "kernels/step_times.h"
#include "supernet/search_space.h"
#include "supernet/training/loss_scale.h"
#include "supernet/training/optimizer.h"

namespace mathnas::supernet {

struct StepOptions {
  Weights weights = Weights::kOwn;
  // Of the cross-entropy with labels, as kernels::SoftmaxCrossEntropy has them.
  double label_smoothing = 0;
  int32_t ignored_label = -1;
  bool sum = false;
  // GraphRequest: rates above 0 need the input "seed"{1}.
  double dropout = 0, attention_dropout = 0, drop_path = 0;
  OptimizerOptions optimizer = {};
  // What convolutions, linear layers and the activations between them are in, forward and backward; weights, their
  // gradients and the state of the optimizer are of the device's type. Of devices that compute in it alone
  // (kernels::Check).
  kernels::Precision precision = kernels::Precision::kFloat32;
  // What is not kept for the backward pass but computed again: less memory, the same bits. None: RecomputedByDefault.
  std::optional<kernels::Recomputed> recompute = {};
};

// What takes little time to be computed again, as measured: activations where each convolution has a normalisation and
// an activation of its own and there are few sums (mobilenetv3, supervit: half of the memory of activations for no time
// that can be measured), and in cells (nasbench201: a fifth for 4 to 9 %); else nothing.
kernels::Recomputed RecomputedByDefault(const SearchSpace& space);

// What a network learns from; the inputs of Backward that each needs besides those of the network.
enum class Loss : uint8_t {
  kLabels,                // cross-entropy with "labels"
  kSoftTargets,           // cross-entropy with "soft_targets"
  kLabelsAndSoftTargets,  // the sum of both (distillation)
  kAdaptive,              // AlphaNet's adaptive loss against "teacher_logits" (kernels::AdaptiveTargets)
};

// An input of a graph by its name: "image"{N,H,W,C} or "source"{N,S} and "previous"{N,T}; "labels"{N} or {N,T};
// "soft_targets" and "teacher_logits"{N,classes}. Images, targets and logits are of the device's type, all else int64.
struct StepInput {
  std::string_view name;
  kernels::TensorView view;
};

// What one network made of a batch.
struct BatchResult {
  double loss = 0;
  int64_t correct = 0;         // rows whose largest logit is the label's, of `rows`
  int64_t rows = 0;            // that have a label which is not ignored; without labels 0
  kernels::TensorView logits;  // valid until the next call of Backward or Start
};

struct UpdateOptions {
  double learning_rate = 0.1;
  double gradient_scale = 1;  // of all gradients, before anything else: 1 / tokens
  // Gradients whose norm, over all tensors together, is larger are scaled by clip_norm / (norm + 1e-6); 0: none are.
  double clip_norm = 0;
};

// How gradients become one with those set aside (spec/search-spaces.md 5.8).
struct CombineOptions {
  double clip_norm = 0;  // of the gradients before they are combined, as in UpdateOptions; those aside stay as they are
  // Gradients g of a tensor that point against those aside, h, are multiplied by 1 + a, a = clamp(-<g, h> / (1e-6 +
  // |g|^2), 0, 2), after clipping.
  bool strengthen = false;
};

// Works on `weights` in place. Not thread-safe; the device's threads do the work.
class TrainingStep {
 public:
  // `weights` must have every tensor that networks of the space use (AllocateWeights) and outlive this object.
  TrainingStep(std::shared_ptr<const SearchSpace> space, std::shared_ptr<kernels::Device> device,
               kernels::TensorMap& weights, StepOptions options);

  // Forward and backward in training mode; gradients are added to gradient sums, running statistics move. Without a
  // choice: the whole supernet, every node the mean of its candidates. The batch, the lengths of its rows and the side
  // of its images are those of the inputs; images of another side than the network's are resized by it where its space
  // does that (GraphRequest::image_size). Labels that the loss does not need are counted with all the same.
  // InvalidArgument names an input that is missing, that the graph has not, or has with another type or shape.
  absl::StatusOr<BatchResult> Backward(const std::optional<Choice>& choice, std::span<const StepInput> inputs,
                                       Loss loss = Loss::kLabels);
  // The same in two halves, so that a device need not wait for the host before the update: Start, Update, Result. The
  // labels must stay until Result, which FailedPrecondition refuses where nothing was started since the last one; a
  // Start that comes before it waits for the one before.
  absl::Status Start(const std::optional<Choice>& choice, std::span<const StepInput> inputs, Loss loss = Loss::kLabels);
  absl::StatusOr<BatchResult> Result();

  // One update of every parameter that took part since the last one; their gradient sums are zero afterwards. Others
  // stay as they are, the state of their optimiser too (spec/training-golden.md 1). Returns the norm of all gradients
  // after scaling and before clipping, or 0 where nothing needs it. The device may still be at it when this returns
  // (Device::Wait).
  //
  // In float16 a norm that is not finite means that a gradient was too large for it: nothing is updated, the gradient
  // sums are zero, and the loss is scaled by half as much from now on. FailedPrecondition where it is not scaled up any
  // more.
  absl::StatusOr<double> Update(const UpdateOptions& options);

  // Sets the gradient sums since the last update aside, for Combine; new ones begin at zero. To be called once before
  // Combine.
  void SetAside();
  struct Combination {
    double norm = 0;                             // of the gradients that are not aside, before clipping
    std::map<std::string, double> strengthened;  // a by tensor, where it is not 0
  };
  // Makes the gradient of every parameter that took part since SetAside, or before it, the sum of its (clipped,
  // strengthened) gradient and the one set aside; nothing is aside afterwards.
  absl::StatusOr<Combination> Combine(const CombineOptions& options);

  // Gradient sums, by kernels::GradientName, in float16 those of the scaled loss; and the parameters that took part
  // since the last update.
  const kernels::TensorMap& gradients() const { return gradients_; }
  const std::set<std::string>& touched() const { return touched_; }
  const kernels::TensorMap& aside() const { return aside_; }
  const std::set<std::string>& aside_touched() const { return aside_touched_; }
  Optimizer& optimizer() { return optimizer_; }
  const Optimizer& optimizer() const { return optimizer_; }
  // Of float16. To be set between an update and a Backward: where a run goes on.
  LossScale& loss_scale() { return loss_scale_; }

  // Plans that are kept, least recently used out first; how often one was there.
  struct PlanStats {
    int64_t hits = 0, misses = 0, evictions = 0, size = 0, capacity = 0;
  };
  PlanStats plan_stats() const;
  // Forgets them: the next Backward plans as for a network that was not there before.
  void DropPlans();
  // Of activations and scratch, of the largest network so far.
  size_t activation_bytes() const { return workspace_.bytes(); }
  // Seconds spent so far on making graphs and plans, and on running them.
  double planning_seconds() const { return planning_seconds_; }
  double running_seconds() const { return running_seconds_; }
  // Takes the times of what Backward runs from now on; null: of nothing. They must outlive this object.
  void CollectTimes(kernels::StepTimes* times) { times_ = times; }

 private:
  struct Prepared {
    std::shared_ptr<const kernels::Plan> plan;
    std::vector<std::string> parameters;  // with a gradient
    std::vector<std::string> counters;    // num_batches_tracked of the normalisations that ran
    // Contexts whose work a device has recorded, by side_: a network that comes again replays it. None on the CPU.
    struct Recorded {
      std::shared_ptr<kernels::Context> context;
      uint64_t moves = 0;  // of the stream's memory when it was made
    };
    std::array<Recorded, 2> recorded;
  };
  // What a plan is for.
  struct Key {
    std::optional<Choice> choice;
    Loss loss;
    std::vector<std::pair<std::string, kernels::Shape>> inputs;

    bool operator==(const Key&) const = default;
  };

  absl::StatusOr<NetworkGraph> Network(const Key& key) const;
  absl::StatusOr<kernels::Value> AddLoss(const Key& key, NetworkGraph& network) const;
  absl::StatusOr<Prepared*> Prepare(const Key& key);
  absl::Status Bind(const Key& key);
  absl::Status WaitForStarted();
  static kernels::TensorView GradientOf(const kernels::TensorMap& gradients, const std::string& name);
  bool scales_loss() const { return options_.precision == kernels::Precision::kFloat16; }
  // What the gradient sums have to be multiplied by to be those of the loss.
  double unscale() const { return scales_loss() ? 1 / loss_scale_.value : 1; }
  // Makes the gradient sums of what took part zero.
  absl::Status DropGradients();
  // Puts the gradient of a weight into the map, zeros, where it has none.
  absl::Status AddGradient(kernels::TensorMap& gradients, const std::string& name) const;

  std::shared_ptr<const SearchSpace> space_;
  std::shared_ptr<kernels::Device> device_;
  kernels::TensorMap& weights_;
  bool placed_ = false;  // the weights are where the device reaches them
  StepOptions options_;
  kernels::TensorMap gradients_;
  Optimizer optimizer_;
  LossScale loss_scale_;
  std::set<std::string> touched_;
  kernels::TensorMap aside_;
  std::set<std::string> aside_touched_;
  size_t side_ = 0;                            // which of the two maps gradients_ is: SetAside changes them over
  kernels::Workspace workspace_;               // outlives the contexts
  std::list<std::pair<Key, Prepared>> plans_;  // most recently used first
  PlanStats plan_stats_;                       // without size and capacity
  std::optional<Key> bound_;                   // what context_ is for
  std::shared_ptr<kernels::Context> context_;
  // Of the batch that was started last.
  struct Started {
    std::shared_ptr<kernels::Context> context;
    std::optional<kernels::TensorView> labels;
  };
  std::optional<Started> started_;
  double planning_seconds_ = 0;
  double running_seconds_ = 0;
  kernels::StepTimes* times_ = nullptr;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_STEP_H_
