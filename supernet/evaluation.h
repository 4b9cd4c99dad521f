// How good a network is: accuracy and loss on images it has not seen.
#ifndef MATHNAS_SUPERNET_EVALUATION_H_
#define MATHNAS_SUPERNET_EVALUATION_H_

#include <atomic>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/fold.h"
#include "kernels/lower_precision.h"
#include "supernet/data/image_source.h"
#include "supernet/data/loader.h"
#include "supernet/search_space.h"

namespace mathnas::supernet {

struct Evaluation {
  double accuracy = 0;  // in %
  double loss = 0;      // mean cross-entropy
  int64_t images = 0;

  // What lower precision costs: the same images by the same network in float32.
  struct Reference {
    double accuracy = 0;  // in %
    double loss = 0;
    double largest_deviation = 0;  // of a logit
    double largest_logit = 0;      // in size, in float32
    int64_t other_classes = 0;     // images that are classified otherwise
  };
  std::optional<Reference> float32 = {};  // where the network ran in another precision
};

struct EvaluationOptions {
  int64_t batch = 0;  // images at once; 0: so many that their pixels are a million, at most 256
  ReadingOptions reading = {};
  kernels::Precision precision = kernels::Precision::kFloat32;
  const std::atomic<bool>* cancel = nullptr;
};

// Runs a network with own weights, folded as it will be deployed, over all of `images` (network_input.h). Files are
// decoded as their batch comes up. In 16 bits it runs in float32 too, to compare. Unimplemented where the device does
// not compute in the precision that is asked for.
absl::StatusOr<Evaluation> Evaluate(const SearchSpace& space, const Choice& choice,
                                    const kernels::TensorMap& own_weights,
                                    const std::shared_ptr<kernels::Device>& device, const ImageSourcePtr& images,
                                    const EvaluationOptions& options = {});

// A network folded for inference, with outputs {"logits"}, and in this precision.
absl::StatusOr<kernels::FoldedGraph> FoldedNetwork(const SearchSpace& space, const Choice& choice,
                                                   const kernels::TensorMap& own_weights, int64_t batch,
                                                   kernels::Precision precision = kernels::Precision::kFloat32);
// The same, but tensors that stay as they are are taken out of `own_weights` instead of being copied.
absl::StatusOr<kernels::FoldedGraph> FoldedNetwork(const SearchSpace& space, const Choice& choice,
                                                   kernels::TensorMap&& own_weights, int64_t batch,
                                                   kernels::Precision precision = kernels::Precision::kFloat32);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_EVALUATION_H_
