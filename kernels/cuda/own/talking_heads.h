// What attention with mixed heads (ops/talking_heads.h) needs besides the kernels of own/attention.h, on the GPU. Maps
// are {images at a time, heads, pixels, pixels}.
#ifndef MATHNAS_KERNELS_CUDA_OWN_TALKING_HEADS_H_
#define MATHNAS_KERNELS_CUDA_OWN_TALKING_HEADS_H_

#include "kernels/cuda/own/attention.h"

namespace mathnas::kernels::cuda {

// attention.p = scaled scores and their bias by position. Tiles of maps.
struct PositionedScoresArgs {
  AttentionArgs attention;
  const float* table;
  long long width, window;
};
constexpr OwnKernel<PositionedScoresArgs> kPositionedScores = {"positioned_scores", false};

// y[g] = sum over h of weights[g,h] x[h], or of weights[h,g] if transposed, plus bias[g] if there is one, in maps of
// `elements` for each head. Tiles of {heads,elements} for each image.
struct MixHeadsArgs {
  const float* x;
  float* y;
  const float* weights;
  const float* bias;  // null: none
  bool transposed;
  long long heads, elements;
};
constexpr OwnKernel<MixHeadsArgs> kMixHeads = {"mix_heads", false};

// diff_s = diff_y v^T. Tiles of maps.
constexpr OwnKernel<AttentionArgs> kDiffMixed = {"diff_mixed", false};

// x = p (x - the sum of x p over the row). A block for each row of `length` elements.
struct SoftmaxBackwardArgs {
  float* x;
  const float* p;
  long long length;
};
constexpr OwnKernel<SoftmaxBackwardArgs> kSoftmaxBackward = {"softmax_backward_rows", false};

// sums{images,parts,heads,heads + 1}[..,g,h] = the sum of x[g] y[h] over a part of the elements, part_elements of them;
// in the last column that of x[g]. Tiles of {heads,heads + 1} for each part of each image.
struct HeadProductsArgs {
  const float *x, *y;
  float* sums;
  long long heads, elements, parts, part_elements;
};
constexpr OwnKernel<HeadProductsArgs> kHeadProducts = {"head_products", false};

// diff_table = the sums of diff_scores{heads,pixels,pixels} by relative position, added to what is there if `add`. A
// loop over the table.
struct PositionSumsArgs {
  const float* diff_scores;
  float* diff_table;
  long long heads, height, width, window;
  bool add;
};
constexpr OwnKernel<PositionSumsArgs> kPositionSums = {"position_sums", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_TALKING_HEADS_H_
