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

// Typed by what is read; another kernel for each type that is written.
struct PackWeightsArgs {
  const void* masters;
  void* packed;
  long long out, in, taps, group_out;
  long long row;  // elements from one channel of the result to the next in the masters, of which these may be a slice
  WeightOrder order;
  int rounds;  // to the values of bfloat16
};
constexpr OwnKernel<PackWeightsArgs> kPackWeightsToF32 = {"conv_pack_f32"};
constexpr OwnKernel<PackWeightsArgs> kPackWeightsToBf16 = {"conv_pack_bf16"};

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
