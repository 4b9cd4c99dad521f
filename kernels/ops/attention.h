// Scaled dot-product attention with several heads (Vaswani et al., 2017; search-spaces.md 4.2) and its gradient. The
// probabilities are never stored: the gradient computes them again (Dao et al., 2022).
#ifndef MATHNAS_KERNELS_OPS_ATTENTION_H_
#define MATHNAS_KERNELS_OPS_ATTENTION_H_

#include <cstdint>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// For every head, with q, k, v its E / heads or F / heads features: y = softmax(q k^T / sqrt(E / heads)) v.
// Inputs: q{nB,T,E}, k{B,S,E}, v{B,S,F}, ids{B,R} int64 if `masked`, where R divides S, and seed{1} int64 if rate > 0.
// Outputs: y{nB,T,F}, log_sums{B,heads,nT}, the logarithms of the sums of exponentials.
// Rows b n .. b n + n - 1 of q use keys b: hypotheses of a sentence share its memory. n is 1 for most, and where
// `causal`. Key s takes no part for query t where `causal` and s > t + S - T, or where `masked` and ids[b, s mod R] ==
// padding: keys of several memories one after the other share the ids of one. Nothing reads such a `masked` key or its
// value, so they may be anything, NaN too. Where no key takes part, y is 0. rate > 0 drops probabilities, as
// Dropout{rate, stream} does with the elements of a tensor{B,heads,nT,S} of them.
struct Attention {
  int32_t heads = 1;
  bool causal = false;
  bool masked = false;
  int32_t padding = 0;
  double rate = 0;
  int32_t stream = 0;

  static constexpr std::string_view kName = "attention";
  template <typename V>
  void Visit(V&& v) {
    v("heads", heads), v("causal", causal), v("masked", masked), v("padding", padding);
    v("rate", rate), v("stream", stream);
  }
  bool operator==(const Attention&) const = default;
};

// Inputs: q, k, v, ids if `masked`, seed if rate > 0, y, log_sums, diff_y. Outputs: diff_q, diff_k, diff_v. The dropped
// probabilities are drawn again.
struct AttentionBackward {
  int32_t heads = 1;
  bool causal = false;
  bool masked = false;
  int32_t padding = 0;
  double rate = 0;
  int32_t stream = 0;

  static constexpr std::string_view kName = "attention_backward";
  template <typename V>
  void Visit(V&& v) {
    v("heads", heads), v("causal", causal), v("masked", masked), v("padding", padding);
    v("rate", rate), v("stream", stream);
  }
  bool operator==(const AttentionBackward&) const = default;
};

// The extents that both are about. Rows of q that share keys lie behind each other, so they are more queries of one.
struct AttentionShape {
  int64_t batch, queries, keys, heads;   // B, nT, S
  int64_t key_features, value_features;  // E, F
  int64_t ids;                           // R; keys where there is no mask
  size_t seed_input;                     // where the seed is, if there is one
  size_t result_input;                   // where y is, in AttentionBackward

  template <typename Op>
  AttentionShape(const Op& op, DescSpan inputs) : AttentionShape(op.heads, op.masked, op.rate > 0, inputs) {}
  AttentionShape(int32_t heads, bool masked, bool has_seed, DescSpan inputs);
  int64_t key_size() const { return key_features / heads; }
  int64_t value_size() const { return value_features / heads; }
};

absl::StatusOr<Descs> InferOutputs(const Attention& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const AttentionBackward& op, DescSpan inputs);
Gradients Gradient(const Attention& op, const GradientRequest& request);
// Products of queries with keys and of probabilities with values, masked or not; scaled are the queries, and
// torchprofile counts three products of extents too.
Counts Count(const Attention& op, DescSpan inputs, DescSpan outputs);
// Two products for each of the forward's; that it computes the probabilities again is its own affair and not counted.
Counts Count(const AttentionBackward& op, DescSpan inputs, DescSpan outputs);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_ATTENTION_H_
