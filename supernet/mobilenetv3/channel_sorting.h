// Channels in order of importance, before a narrower expansion is trained (spec/search-spaces.md 3.5): networks share
// the leading channels, so these should be the ones that matter.
#ifndef MATHNAS_SUPERNET_MOBILENETV3_CHANNEL_SORTING_H_
#define MATHNAS_SUPERNET_MOBILENETV3_CHANNEL_SORTING_H_

#include <span>

#include "absl/status/status.h"
#include "kernels/tensor.h"
#include "supernet/mobilenetv3/architecture.h"

namespace mathnas::supernet::mobilenetv3 {

// Permutes the middle channels of all 20 elastic blocks, and the hidden channels of their squeeze-excite, by descending
// importance: the sum of |weight| of point_linear, or of the expand convolution, over what reads the channel, in
// double. Equal ones keep their order. The largest network computes the same as before. `weights`: the supernet's, by
// the names of its state dict, f32 or f64, changed in place (nothing borrowed read-only); optimiser state has to be
// started anew.
//
// `stage` s > 0 keeps trained widths together. With the widths W_0 > W_1 > .. of `expansions` in descending order, the
// channels below W_s come first, then those from W_s to W_{s-1}, and so on, each group sorted in itself. (The reference
// subtracts 1e5 per group from the importance, which is the same while no importance comes near 1e5; in its float32
// that rounds the importances of all groups but the first to 1/128 or 1/64, here they keep their order.)
//
// InvalidArgument, with nothing changed: an expansion that the space does not have or one twice, a stage not in
// 0 .. expansions - 1, a tensor with another shape or type; NotFound names a tensor that is missing.
absl::Status SortChannels(const Widths& widths, int stage, std::span<const int> expansions,
                          kernels::TensorMap& weights);

}  // namespace mathnas::supernet::mobilenetv3

#endif  // MATHNAS_SUPERNET_MOBILENETV3_CHANNEL_SORTING_H_
