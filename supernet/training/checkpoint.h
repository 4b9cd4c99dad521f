// What a training run needs to go on as if it had never stopped, in one safetensors file: weights and running
// statistics by their names, the state of the optimiser by its (optimizer.h), averaged weights as "average.NAME", and
// the rest as metadata.
#ifndef MATHNAS_SUPERNET_TRAINING_CHECKPOINT_H_
#define MATHNAS_SUPERNET_TRAINING_CHECKPOINT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/tensor.h"
#include "supernet/safetensors.h"
#include "supernet/search_space.h"
#include "supernet/training/loss_scale.h"

namespace mathnas::supernet {

inline constexpr std::string_view kCheckpointFormat = "mathnas-checkpoint/1";

struct EpochRecord {
  double loss = 0;      // mean over the images of the epoch so far
  double accuracy = 0;  // fraction of images, training mode
  int64_t images = 0;
  double seconds = 0;
};

struct Checkpoint {
  std::string space;                  // "nasbench201"
  std::string macro;                  // SearchSpace::MacroJson
  std::optional<std::string> subnet;  // SearchSpace::SubnetJson of a network with own weights; none: a supernet
  std::string recipe;                 // JSON of the options that decide the result; a run resumes only under the same
  uint64_t seed = 0;                  // of the counter-based generator: with epoch and batch, its whole state
  int64_t epoch = 0;                  // where to go on: `batch` batches of `epoch` are done
  int64_t batch = 0;
  std::vector<EpochRecord> epochs;  // finished ones, then the one under way
  kernels::TensorMap weights;
  kernels::TensorMap optimizer;              // Optimizer::state
  std::optional<LossScale> loss_scale = {};  // of a run in float16
  // Moving averages by the names of the weights (TrainingRecipe::average), each of its weight's type and shape, or
  // none.
  kernels::TensorMap average;
};

// Writes complete or not at all; the checkpoint before stays when something fails (a full disk).
absl::Status SaveCheckpoint(const std::string& path, const Checkpoint& checkpoint);
// InvalidArgument names file, field and what was expected; Unimplemented: a version of the format that is not known.
absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& path);
// The same of a file that was opened to see what it is.
absl::StatusOr<Checkpoint> LoadCheckpoint(const SafetensorsFile& file);
// What training was for: the averages in place of the weights that have one, and neither averages nor the state of the
// optimiser and its loss scale any more. With this, evaluation, extraction, profiling and search begin; a run resumes
// with the other.
void TakeTrained(Checkpoint& checkpoint);
// LoadCheckpoint and TakeTrained.
absl::StatusOr<Checkpoint> LoadTrained(const std::string& path);

// The checkpoint at `path` to go on from; none if there is no such file. InvalidArgument names the first of space,
// macro parameters, subnet and recipe that are not those of `run`.
absl::StatusOr<std::optional<Checkpoint>> LoadToResume(const std::string& path, const Checkpoint& run);

// The space that a checkpoint belongs to.
absl::StatusOr<std::shared_ptr<const SearchSpace>> SpaceOf(const std::string& space, const std::string& macro);
// InvalidArgument names the tensors that the space's supernet (or the network) needs and `weights` lack, those that
// have another shape, and those that are too many: twenty of them and how many more. Finite values are not checked.
absl::Status CheckWeights(const SearchSpace& space, const std::optional<Choice>& own,
                          const kernels::TensorMap& weights);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_CHECKPOINT_H_
