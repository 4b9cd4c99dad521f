// The block between the stages of NAS-Bench-201 (spec/search-spaces.md 2.3).
#ifndef MATHNAS_BLOCKS_RESIDUAL_REDUCTION_H_
#define MATHNAS_BLOCKS_RESIDUAL_REDUCTION_H_

#include <string_view>

#include "blocks/batch_norm.h"

namespace mathnas::blocks {

// out = downsample(x) + conv_b(conv_a(x)): x{N,H,W,C} -> {N,H/2,W/2,channels}. conv_a has stride 2, conv_b stride 1,
// both ReluConvBn with kernel 3 and affine normalisation; downsample is a 2x2 average and a 1x1 convolution without
// normalisation. No ReLU after the sum. Names PREFIX.conv_a, PREFIX.conv_b, PREFIX.downsample.1.weight.
// The reference pools without padding, so an odd side has no downsample of conv_a's size: such a size is an error.
kernels::Value ResidualReduction(kernels::Graph& g, kernels::Value x, std::string_view prefix, int64_t channels,
                                 Mode mode, NormOptions norm);

}  // namespace mathnas::blocks

#endif  // MATHNAS_BLOCKS_RESIDUAL_REDUCTION_H_
