// Mixup (Zhang et al., 2018) and CutMix (Yun et al., 2019) of a batch with itself in reverse, as timm mixes batches
// (spec/search-spaces.md 5.8).
#ifndef MATHNAS_SUPERNET_DATA_MIXING_H_
#define MATHNAS_SUPERNET_DATA_MIXING_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "kernels/tensor.h"
#include "supernet/data/resample.h"

namespace mathnas::supernet {

struct MixingOptions {
  // The share that images keep is drawn from a beta distribution with both parameters this, once a batch: 0.01 leaves
  // nearly all batches as they are, or turned round; 1 is uniform. 0: not done.
  double mixup = 0, cutmix = 0;
  double switch_probability = 0.5;  // that a batch is for cutmix, where both are done

  bool any() const { return mixup > 0 || cutmix > 0; }
  bool operator==(const MixingOptions&) const = default;
};

// InvalidArgument names the option that is out of range: 0 to 100 for the parameters, 0 to 1 for the probability.
absl::Status Check(const MixingOptions& options);

// How the images of a batch are mixed, all alike.
struct MixingDraw {
  bool cutmix = false;
  double kept = 1;  // the share of an image's own label, with cutmix that of the area which is left of it
  Rectangle cut;    // with cutmix: what comes from the other image
};

// Depends on (seed, epoch, batch) and the size of the images alone. 0 <= epoch < 2^24, 0 <= batch < 2^32.
MixingDraw DrawMixing(const MixingOptions& options, uint64_t seed, int64_t epoch, int64_t batch, int64_t height,
                      int64_t width);

// In place: image n of images{N,H,W,C} f32 with image N - 1 - n.
void MixImages(const MixingDraw& draw, const kernels::TensorView& images);
// targets{N,K} f32: for row n `kept` times label n and the rest label N - 1 - n, each smoothed: 1 - smoothing for its
// class and smoothing / K more for every one. Labels must be in 0 .. K-1.
void MixLabels(const MixingDraw& draw, std::span<const int64_t> labels, double smoothing,
               const kernels::TensorView& targets);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_MIXING_H_
