// NASViT's attention (search-spaces.md 5.3): over all pixels of an image, with a bias by relative position, and with
// heads that are mixed before and after the softmax (Shazeer et al., Talking-Heads Attention, 2020). Nothing of the
// size pixels x pixels is stored: the gradient computes it again.
#ifndef MATHNAS_KERNELS_OPS_TALKING_HEADS_H_
#define MATHNAS_KERNELS_OPS_TALKING_HEADS_H_

#include <cstdint>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// With h the heads, and q, k, v of each its E / h or F / h channels:
//   scores[h] = q[h] k[h]^T / sqrt(E / h) + bias[h],   logits[g] = sum_h before[g,h] scores[h] + before_bias[g],
//   p[g] = softmax over the keys of logits[g],         mixed[g] = sum_h after[g,h] p[h] + after_bias[g],
//   y[g] = mixed[g] v[g].
// bias[h] of the query at (r,c) for the key at (r',c') = table[(r - r' + window - 1) (2 window - 1) + c - c' + window -
// 1, h], so images have at most window x window pixels.
// Inputs: q{B,H,W,E}, k{B,H,W,E}, v{B,H,W,F}, table{(2 window - 1)^2,h}, before{h,h}, before_bias{h}, after{h,h},
// after_bias{h}. Output: y{B,H,W,F}.
struct TalkingHeads {
  int32_t window = 1;

  static constexpr std::string_view kName = "talking_heads";
  template <typename V>
  void Visit(V&& v) {
    v("window", window);
  }
  bool operator==(const TalkingHeads&) const = default;
};

// Inputs: those of TalkingHeads, diff_y. Outputs: the gradients of its inputs, in their order.
struct TalkingHeadsBackward {
  int32_t window = 1;

  static constexpr std::string_view kName = "talking_heads_backward";
  template <typename V>
  void Visit(V&& v) {
    v("window", window);
  }
  bool operator==(const TalkingHeadsBackward&) const = default;
};

// The extents that both are about.
struct TalkingHeadsShape {
  int64_t images, height, width, heads, window;
  int64_t key_channels, value_channels;  // E, F

  TalkingHeadsShape(int32_t window, DescSpan inputs);
  int64_t pixels() const { return height * width; }
  int64_t key_size() const { return key_channels / heads; }
  int64_t value_size() const { return value_channels / heads; }
  // The row of the table for a query and the key at (0,0); the key at (r,c) has row - r (2 window - 1) - c.
  int64_t TableRow(int64_t query) const {
    return (query / width + window - 1) * (2 * window - 1) + query % width + window - 1;
  }
};

absl::StatusOr<Descs> InferOutputs(const TalkingHeads& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const TalkingHeadsBackward& op, DescSpan inputs);
Gradients Gradient(const TalkingHeads& op, const GradientRequest& request);
// Products of queries with keys, mixing of heads, and products of probabilities with values.
Counts Count(const TalkingHeads& op, DescSpan inputs, DescSpan outputs);
// Two products for each of the forward's; what it computes again is not counted.
Counts Count(const TalkingHeadsBackward& op, DescSpan inputs, DescSpan outputs);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_TALKING_HEADS_H_
