// The transformer block of NASViT (spec/search-spaces.md 5.3) over a map of pixels, elastic in width.
#ifndef MATHNAS_BLOCKS_VIT_BLOCK_H_
#define MATHNAS_BLOCKS_VIT_BLOCK_H_

#include <cstdint>
#include <string_view>

#include "blocks/drop_path.h"
#include "kernels/graph.h"

namespace mathnas::blocks {

// Pixels of a side of the largest map whose relative positions have a bias.
inline constexpr int kVitWindow = 18;
// Channels of a head, of queries and keys; values have four times as many.
inline constexpr int64_t kVitHeadSize = 8, kVitValueRatio = 4;
// Rows of the tables of scales: by active depth, and by the number of pixels modulo the second.
inline constexpr int64_t kVitDepths = 10, kVitPhases = 8;

struct VitBlockOptions {
  int64_t stored_channels;        // of the tensors, of which x has the leading ones
  int depth;                      // of the stage, with all blocks that run
  DropPath* drop_path = nullptr;  // of the three branches, each for itself
};

// x{N,H,W,C} -> {N,H,W,C}:
//   x += scale_attn attention(norm1(x));  x += scale_mlp mlp2(norm3(x));  x += scale_mlp mlp1(norm2(x)),
// where norm is over pixels and channels together, an mlp two linear layers with swish between, and the attention
// kernels::TalkingHeads over q, k and a depthwise 3x3 of v, then swish and a linear layer. A scale is row [depth,
// pixels mod 8] of its table times 8 / C. Parameters PREFIX.{norm1,norm2,norm3,attn,mlp1,mlp2}.*,
// PREFIX.{rescale_attn,rescale_mlp}, all as stored, whatever C is.
kernels::Value VitBlock(kernels::Graph& g, kernels::Value x, std::string_view prefix, const VitBlockOptions& options);

}  // namespace mathnas::blocks

#endif  // MATHNAS_BLOCKS_VIT_BLOCK_H_
