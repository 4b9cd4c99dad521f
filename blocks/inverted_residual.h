// The block of MobileNetV3 with elastic kernel, width and expansion (spec/search-spaces.md 3.1 and 3.2).
#ifndef MATHNAS_BLOCKS_INVERTED_RESIDUAL_H_
#define MATHNAS_BLOCKS_INVERTED_RESIDUAL_H_

#include <string_view>

#include "blocks/batch_norm.h"
#include "blocks/drop_path.h"
#include "kernels/graph.h"

namespace mathnas::blocks {

struct InvertedResidualOptions {
  int64_t mid = 0;      // channels between the expansion and the projection
  int64_t out = 0;      // channels
  int64_t squeeze = 0;  // channels within squeeze-excite; 0: none
  int kernel = 3;
  int stride = 1;
  bool expand = true;  // without, mid is the width of the input
  kernels::Activation activation = kernels::Activation::kRelu;
  bool transformed = true;        // smaller kernels are made by matrices; otherwise they are centres (NASViT, 5.2)
  bool shortcut = true;           // the input is added where its shape is that of the output
  DropPath* drop_path = nullptr;  // of what it is added to
};

// The sizes of the supernet's tensors, of which a block uses the leading parts.
struct StoredInvertedResidual {
  int64_t in = 0, mid = 0, squeeze = 0;
  int kernel = 7;
  int64_t out = 0;  // 0: that of the block
};

// x{N,H,W,C} -> {N,ceil(H/stride),ceil(W/stride),out}: 1x1 convolution to `mid`, depthwise kernel x kernel,
// squeeze-excite, 1x1 convolution to `out`; each convolution is normalised, the first two activated. The input is added
// where stride is 1 and out is C, unless `shortcut` is off.
//
// Parameters PREFIX.{inverted_bottleneck,depth_conv,point_linear}.conv.weight with .bn.*, and PREFIX.depth_conv.se.*.
// With `stored` the names have a second level (.conv.conv.weight, .bn.bn.*), and a kernel smaller than the stored one
// is made of its centre by PREFIX.depth_conv.conv.{7to5,5to3}_matrix.
kernels::Value InvertedResidual(kernels::Graph& g, kernels::Value x, std::string_view prefix,
                                const InvertedResidualOptions& options, const StoredInvertedResidual* stored, Mode mode,
                                const NormOptions& norm);

// The depthwise kernels {channels,1,kernel,kernel} of such a block, from PREFIX.conv.conv.weight{C,1,K,K} and, if
// `transformed`, the matrices beside it.
kernels::Value ElasticKernel(kernels::Graph& g, std::string_view prefix, int64_t stored_channels, int stored_kernel,
                             int64_t channels, int kernel, bool transformed = true);

}  // namespace mathnas::blocks

#endif  // MATHNAS_BLOCKS_INVERTED_RESIDUAL_H_
