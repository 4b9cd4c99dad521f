// Batch normalisation with its four tensors, in the form that a graph is built for.
#ifndef MATHNAS_BLOCKS_BATCH_NORM_H_
#define MATHNAS_BLOCKS_BATCH_NORM_H_

#include <string_view>

#include "kernels/graph.h"

namespace mathnas::blocks {

// What a graph is for. Training normalises with the batch's statistics, inference with the running ones.
enum class Mode : uint8_t { kTraining, kInference };

// spec/search-spaces.md 1.1. With affine off there is no gamma and beta; with track off training leaves the running
// statistics alone (inference needs them all the same, from recalibration).
struct NormOptions {
  bool affine = true;
  bool track = true;
  double epsilon = 1e-5;
  double momentum = 0.1;
  int64_t stored_channels = 0;  // of the tensors, where x has the leading ones of more; 0: as many as x
};

// Normalises x{..,C}. Parameters PREFIX.weight, PREFIX.bias (affine); states PREFIX.running_mean, PREFIX.running_var.
kernels::Value BatchNorm(kernels::Graph& g, kernels::Value x, std::string_view prefix, Mode mode,
                         const NormOptions& norm);

}  // namespace mathnas::blocks

#endif  // MATHNAS_BLOCKS_BATCH_NORM_H_
