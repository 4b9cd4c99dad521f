// ReLU, convolution, batch normalisation: the convolution of NAS-Bench-201 (spec/search-spaces.md 2.2).
#ifndef MATHNAS_BLOCKS_RELU_CONV_BN_H_
#define MATHNAS_BLOCKS_RELU_CONV_BN_H_

#include <string_view>

#include "blocks/batch_norm.h"

namespace mathnas::blocks {

// x{N,H,W,C} -> {N,H/stride,W/stride,channels}; kernel 1 or 3, padding kernel/2. Parameters PREFIX.op.1.weight and,
// since a convolution has a bias only when its normalisation is not affine, PREFIX.op.1.bias; normalisation
// PREFIX.op.2.
kernels::Value ReluConvBn(kernels::Graph& g, kernels::Value x, std::string_view prefix, int64_t channels, int kernel,
                          int stride, Mode mode, const NormOptions& norm);

}  // namespace mathnas::blocks

#endif  // MATHNAS_BLOCKS_RELU_CONV_BN_H_
