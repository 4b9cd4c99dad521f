// Weights of convolutions in the orders that kernels want them, and sums back into the order of the masters, which is
// {out, in of its group, tap}.
#ifndef MATHNAS_KERNELS_CUDA_OWN_CONV_WEIGHTS_H_
#define MATHNAS_KERNELS_CUDA_OWN_CONV_WEIGHTS_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// Where a weight lies: distances in elements between groups, channels of the result within one, channels of the
// source, taps.
struct WeightOrder {
  long long group, out, in, tap;

#ifndef __CUDACC__
  bool operator==(const WeightOrder&) const = default;
#endif
};

// Reads in the order of the masters.
struct PackWeightsArgs {
  const void* masters;
  void* packed;
  long long out, in, taps, group_out;
  long long row;  // elements from one channel of the result to the next in the masters, of which these may be a slice
  WeightOrder order;
};
constexpr OwnKernel<PackWeightsArgs> kPackWeights = {"conv_pack"};  // from and to this type
// Typed by the 16 bits.
constexpr OwnKernel<PackWeightsArgs> kNarrowWeights = {"conv_pack_narrow"};  // from float32
constexpr OwnKernel<PackWeightsArgs> kWidenWeights = {"conv_pack_wide"};     // to float32
constexpr OwnKernel<PackWeightsArgs> kRoundWeights = {"conv_pack_rounded"};  // float32 to its values, in float32

// masters = the sum of `parts` packed tensors, `part` elements apart, in the order of their numbers.
struct UnpackWeightsArgs {
  const float* packed;
  float* masters;
  long long out, in, taps, group_out;
  WeightOrder order;
  long long parts, part;
};
constexpr OwnKernel<UnpackWeightsArgs> kUnpackWeights = {"conv_unpack", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_CONV_WEIGHTS_H_
