// Training of translation networks (spec/search-spaces.md 4.6): a network of the supernet per update, or one alone.
#ifndef MATHNAS_SUPERNET_TRANSLATION_TRAINER_H_
#define MATHNAS_SUPERNET_TRANSLATION_TRAINER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/lower_precision.h"
#include "supernet/supertransformer/space.h"
#include "supernet/text/encoded_pairs.h"
#include "supernet/training/checkpoint.h"
#include "supernet/training/schedule.h"
#include "supernet/training/trainer.h"

namespace mathnas::supernet {

struct TranslationRecipe {
  int64_t updates = 1500;
  int64_t tokens = 2048;   // of a batch, padding counted, on its longer side (LengthBuckets)
  int64_t accumulate = 1;  // batches of one update
  UpdateSchedule schedule = {};
  double beta1 = 0.9, beta2 = 0.98, epsilon = 1e-8;
  double weight_decay = 0;
  double clip_norm = 0;  // of the gradients together, per token; 0: none
  double label_smoothing = 0.1;
  double dropout = 0.1, attention_dropout = 0;
  kernels::Precision precision = kernels::Precision::kFloat32;  // StepOptions
  std::string vocabulary;  // what tells apart the ones of other runs; for the record
  uint64_t seed = 0;
};

// WMT and IWSLT: the reference's, of a supernet or of one network alone. Small: this project's, ten minutes on two
// cores.
TranslationRecipe PublishedRecipe(supertransformer::Task task, bool one_network);
std::string ToJson(const TranslationRecipe& recipe);
// InvalidArgument names the field that makes no sense.
absl::Status Check(const TranslationRecipe& recipe);

// Trains the supernet (no `own`), or one network with own weights, in place; `weights` are initialised by the caller
// and replaced when resuming. An update is of one network: the reference's draw for its number (4.6), where the space
// has not all pairs of widths with one that it has in place of the drawn one. Epochs are of pairs; progress and records
// count tokens of the target, losses are means over these, and accuracies fractions of them. Returns the final state.
// Errors: as Train (training/trainer.h).
absl::StatusOr<Checkpoint> TrainTranslation(const SuperTransformerMacro& macro, std::shared_ptr<kernels::Device> device,
                                            const EncodedPairs& pairs, const std::optional<Choice>& own,
                                            kernels::TensorMap weights, const TranslationRecipe& recipe,
                                            const TrainingRun& run);

// The network of update `update` of a supernet.
Choice DrawnNetwork(const SearchSpace& space, const SuperTransformerMacro& macro, uint64_t update);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRANSLATION_TRAINER_H_
