// The optimisers of the four recipes, over the whole tensors of a supernet (spec/training-golden.md 2).
#ifndef MATHNAS_SUPERNET_TRAINING_OPTIMIZER_H_
#define MATHNAS_SUPERNET_TRAINING_OPTIMIZER_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/tensor.h"

namespace mathnas::supernet {

// What weight decay acts on.
enum class Decay : uint8_t {
  kAll,       // everything (NAS-Bench-201, HAT)
  kWeights,   // all but the tensors whose names contain "bn" or "bias" (once-for-all, spec/search-spaces.md 3.8)
  kMatrices,  // tensors of rank 2 and more whose names have neither "rescale" nor "bn" and do not end in ".bias"
              // (NASViT, spec/training-golden.md 5)
};
// "all", "weights", "matrices".
std::string_view Name(Decay decay);
absl::StatusOr<Decay> ParseDecay(std::string_view name);
// Whether it acts on a tensor of this name and rank.
bool Decays(Decay decay, std::string_view name, size_t rank);

enum class Algorithm : uint8_t {
  kSgd,          // with momentum; weight decay is added to the gradient
  kAdam,         // weight decay apart from the gradient (AdamW)
  kFairseqAdam,  // the same with fairseq's epsilon (kernels::AdamForm)
};
// "sgd", "adamw", "fairseq-adam".
std::string_view Name(Algorithm algorithm);
absl::StatusOr<Algorithm> ParseAlgorithm(std::string_view name);

struct OptimizerOptions {
  Algorithm algorithm = Algorithm::kSgd;
  double weight_decay = 0;
  Decay decay = Decay::kAll;
  double momentum = 0.9;  // SGD
  bool nesterov = true;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // Adam
};

class Optimizer {
 public:
  explicit Optimizer(const OptimizerOptions& options) : options_(options) {}

  // By its name; both views are of the device's type and of one shape.
  struct Parameter {
    const std::string& name;
    kernels::TensorView weight, gradient;
  };
  // One step of each, with scale * gradient; gradients are zero afterwards. The state of a parameter begins with its
  // first step, and so do its steps: they are counted by parameter. The device may still be at it when this returns
  // (Device::Wait).
  absl::Status Step(std::span<const Parameter> parameters, double learning_rate, double scale, kernels::Device& device);

  // What a run needs to go on to the bit, by the names below and that of the tensor: momentum of SGD; the two moments
  // and the steps, an int64 scalar, of Adam.
  const kernels::TensorMap& state() const { return state_; }
  // A copy of what state() was. CheckState has looked at it.
  void Restore(const kernels::TensorMap& state) { state_ = state.Clone(); }

  static constexpr std::string_view kMomentum = "momentum.", kFirstMoment = "first_moment.",
                                    kSecondMoment = "second_moment.", kSteps = "steps.";
  // Whether this is the name of a tensor of a state.
  static bool IsState(std::string_view name);
  // InvalidArgument names the tensor of a state that belongs to no weight, or is not of its type and shape, and the
  // weight whose state is not complete.
  static absl::Status CheckState(const kernels::TensorMap& state, const kernels::TensorMap& weights);

 private:
  // The tensor of the state where the device reaches it; made, of zeros, when there is none.
  absl::StatusOr<kernels::TensorView> State(std::string_view kind, const std::string& name,
                                            const kernels::TensorDesc& desc, kernels::Device& device);

  OptimizerOptions options_;
  kernels::TensorMap state_;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_OPTIMIZER_H_
