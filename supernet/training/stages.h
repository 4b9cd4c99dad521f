// Stage after stage of progressive shrinking (spec/search-spaces.md 3.8): what each begins with, and what it learns
// from.
#ifndef MATHNAS_SUPERNET_TRAINING_STAGES_H_
#define MATHNAS_SUPERNET_TRAINING_STAGES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "supernet/data/image_source.h"
#include "supernet/search_space.h"
#include "supernet/training/checkpoint.h"
#include "supernet/training/progressive_shrinking.h"
#include "supernet/training/trainer.h"

namespace mathnas::supernet {

struct RequestedStage {
  ShrinkingStage stage;
  std::optional<int64_t> epochs;  // none: the stage's own
};

// "full:20,kernel:10,depth,width": names of ProgressiveShrinking() in its order, some may lack; `depth` is depth1 and
// depth2, `width` is expand1 and expand2, each with the epochs that are named. The first must be full: its largest
// network teaches the others. InvalidArgument names the entry.
absl::StatusOr<std::vector<RequestedStage>> ParseStages(std::string_view list);

// A stage over all resolutions of the space.
Shrinking ShrinkingOf(const SearchSpace& space, ShrinkingStage stage, SubnetRule rule);

// What the weights that the stage before has trained become before the first step: sorted where the stage asks for it.
absl::Status PrepareWeights(const SearchSpace& space, const ShrinkingStage& stage, kernels::TensorMap& weights);

// The own weights of the space's base network, for TrainingRun::teacher, of a checkpoint of that network or of a
// supernet.
absl::StatusOr<kernels::TensorMap> TeacherOf(const SearchSpace& space, const Checkpoint& checkpoint);

struct StagesRun {
  std::vector<TrainingRecipe> recipes;  // one per stage, each with `shrinking`
  std::vector<std::string> paths;       // of their checkpoints
  std::function<void(const ShrinkingStage&)> on_stage;
};

// Trains `weights` through all stages; each goes on from the one before, and learns from the largest network of the
// first. `run` is that of each stage but for checkpoint_path and teacher; with `resume`, finished stages are taken from
// their files; without, these are removed first. One checkpoint per stage, of which only the last has weights. Errors:
// those of Train, which name the file where a checkpoint is of another run.
absl::StatusOr<std::vector<Checkpoint>> TrainStages(std::shared_ptr<const SearchSpace> space,
                                                    std::shared_ptr<kernels::Device> device,
                                                    const ImageSourcePtr& images, kernels::TensorMap weights,
                                                    const StagesRun& stages, TrainingRun run);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_STAGES_H_
