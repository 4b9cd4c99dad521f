// Training that can be left alone: progress, checkpoints, interruption, and a continuation that gives the same bits.
#ifndef MATHNAS_SUPERNET_TRAINING_TRAINER_H_
#define MATHNAS_SUPERNET_TRAINING_TRAINER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/lower_precision.h"
#include "kernels/recompute.h"
#include "supernet/data/image_source.h"
#include "supernet/data/loader.h"
#include "supernet/data/mixing.h"
#include "supernet/data/rand_augment.h"
#include "supernet/search_space.h"
#include "supernet/training/checkpoint.h"
#include "supernet/training/progressive_shrinking.h"
#include "supernet/training/sampling.h"
#include "supernet/training/schedule.h"
#include "supernet/training/step.h"

namespace mathnas::supernet {

// The networks of a step by progressive shrinking, in place of a sampling: for mobilenetv3.
struct Shrinking {
  ShrinkingStage stage;
  SubnetRule rule = SubnetRule::kRandom;
  std::vector<int> resolutions;  // of the space; all networks of a step have the same
  std::string after = {};        // the stages before it and their epochs (stages.h), for the record
};

// Defaults are the recipe of NAS-Bench-201 (spec/search-spaces.md 2.8), but for the number of epochs.
//
// With Sampling::kSandwich a step is NASViT's (5.8): the largest network learns from the labels (published teachers are
// not to be had), the others by the adaptive loss from its logits on the same images; their gradients are clipped,
// strengthened where they point against the largest one's in the epochs from `strengthen_from` on, and added to those.
// Loss and accuracy are those of the largest network.
struct TrainingRecipe {
  int64_t epochs = 12;
  int64_t batch = 256;
  double learning_rate = 0.1;
  double final_learning_rate = 0;
  int64_t warmup_epochs = 0;
  bool rate_per_step = false;  // LearningRateSchedule::per_step
  double warmup_rate = 0;      // LearningRateSchedule::warmup_rate
  Algorithm algorithm = Algorithm::kSgd;
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 5e-4;
  double label_smoothing = 0;
  Decay decay = Decay::kAll;
  double clip_norm = 0;                     // UpdateOptions, or of a sandwich CombineOptions; 0: none
  int64_t strengthen_from = 101;            // CombineOptions: the first epoch, counted from 0
  double drop_path = 0;                     // GraphRequest; every network of a step draws its own; 0: none
  double average = 0;                       // decay of the moving average of all weights (Checkpoint::average); 0: none
  Sampling sampling = Sampling::kUniform;   // of a supernet
  std::optional<Shrinking> shrinking = {};  // of a supernet
  bool augment = true;
  int crop_padding = -1;  // AugmentOptions
  // Only with `augment`. RandAugment is for images that are resized (network_input.h), and takes the place of their
  // brightness and saturation; images of a batch that are mixed have soft targets of their labels.
  RandAugmentOptions rand_augment = {};
  double erasing = 0;  // ErasingOptions::probability
  MixingOptions mixing = {};
  // Side of training images in a space that takes any; its networks resize them. 0: the side of the step's first one.
  int64_t image_size = 0;
  kernels::Precision precision = kernels::Precision::kFloat32;  // StepOptions; a teacher computes in float32
  uint64_t seed = 0;
};

struct TrainingProgress {
  int64_t epoch = 0, epochs = 0;   // counted from 0
  int64_t batch = 0, batches = 0;  // done in this epoch
  double loss = 0;                 // of the epoch so far
  double accuracy = 0;             // fraction
  double learning_rate = 0;
  double images_per_second = 0;  // over the last seconds
  double seconds_left = 0;
  double loader_wait_seconds = 0;  // what the CPU waited for images
  bool checkpointed = false;       // a checkpoint was written at this point
};

struct TrainingRun {
  // Where checkpoints go ("" = nowhere), and how often; one is always written at the end of an epoch and on
  // interruption.
  std::string checkpoint_path;
  double checkpoint_seconds = 60;
  // Go on from the file at checkpoint_path if there is one.
  bool resume = false;
  // Distillation: the own weights of the base network, whose softmax in training mode (without gradient) is a target
  // beside the labels (spec/search-spaces.md 3.8). Null: none.
  const kernels::TensorMap* teacher = nullptr;
  std::optional<kernels::Recomputed> recompute =
      {};  // StepOptions: changes no bit, so that a run may go on with another
  ReadingOptions reading = {};
  std::function<void(const TrainingProgress&)> progress;  // about once a second
  const std::atomic<bool>* cancel = nullptr;              // stop after the batch under way
};

// Trains the supernet (no `own`), or one network with own weights, in place; `weights` are initialised by the caller
// and replaced when resuming. Returns the final state. Errors: InvalidArgument for data that do not fit the space, a
// recipe that makes no sense, a checkpoint of another run; Cancelled when interrupted, after writing a checkpoint.
// Images that are resized (network_input.h) are brought to the size of each step's networks by random resized crops;
// grey ones become three channels where the space has three. Others are flipped, and cropped out of their padding.
absl::StatusOr<Checkpoint> Train(std::shared_ptr<const SearchSpace> space, std::shared_ptr<kernels::Device> device,
                                 const ImageSourcePtr& images, const std::optional<Choice>& own,
                                 kernels::TensorMap weights, const TrainingRecipe& recipe, const TrainingRun& run);

// NASViT's (spec/search-spaces.md 5.8) for this batch, but for the number of epochs and the teachers. Its RandAugment,
// random erasing and mixing are for `photographs`, images of any size; others have none of them.
TrainingRecipe NasVitRecipe(int64_t batch, bool photographs = false);
// The same step with rates and an average for some hundred of them, on inputs of 64 pixels: this project's.
TrainingRecipe SmallNasVitRecipe();

// That of a stage of progressive shrinking (spec/search-spaces.md 3.8) for this batch, warm-up and all.
TrainingRecipe ShrinkingRecipe(Shrinking shrinking, int64_t batch);

// The recipe as JSON, as checkpoints keep it.
std::string ToJson(const TrainingRecipe& recipe);
// InvalidArgument names the field that is out of range.
absl::Status Check(const TrainingRecipe& recipe);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_TRAINER_H_
