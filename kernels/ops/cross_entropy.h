// Softmax cross-entropy: with labels and label smoothing, and with soft targets.
#ifndef MATHNAS_KERNELS_OPS_CROSS_ENTROPY_H_
#define MATHNAS_KERNELS_OPS_CROSS_ENTROPY_H_

#include <cstdint>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// loss{} = mean, or sum, over the rows of -sum_k target_k log softmax(logits)_k, target = (1 - smoothing) onehot +
// smoothing / K. Inputs: logits{..,K}, labels{..} int64 in 0 .. K-1 (others count as a loss of NaN: they must be
// checked before). Outputs: loss{}, probabilities{..,K}. Rows with `ignored_label` (search-spaces.md 4.6: padding) have
// no part, in the mean neither; -1: there is no such label. Of nothing but such rows, the loss is 0.
struct SoftmaxCrossEntropy {
  double label_smoothing = 0;
  int32_t ignored_label = -1;
  bool sum = false;

  static constexpr std::string_view kName = "softmax_cross_entropy";
  template <typename V>
  void Visit(V&& v) {
    v("label_smoothing", label_smoothing), v("ignored_label", ignored_label), v("sum", sum);
  }
  bool operator==(const SoftmaxCrossEntropy&) const = default;
};

// diff_logits{..,K} = diff_loss (probabilities - target), divided by the number of rows for a mean; 0 in ignored rows.
// Inputs: probabilities{..,K}, labels{..}, diff_loss{}.
struct SoftmaxCrossEntropyBackward {
  double label_smoothing = 0;
  int32_t ignored_label = -1;
  bool sum = false;

  static constexpr std::string_view kName = "softmax_cross_entropy_backward";
  template <typename V>
  void Visit(V&& v) {
    v("label_smoothing", label_smoothing), v("ignored_label", ignored_label), v("sum", sum);
  }
  bool operator==(const SoftmaxCrossEntropyBackward&) const = default;
};

// loss{} = mean over the batch of -sum_k target_k log softmax(logits)_k: distillation (Hinton et al., 2015, at
// temperature 1). Inputs: logits{N,K}, targets{N,K}, which are constants: nothing flows back into them. Outputs:
// loss{}, probabilities{N,K}.
struct SoftTargetCrossEntropy {
  static constexpr std::string_view kName = "soft_target_cross_entropy";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const SoftTargetCrossEntropy&) const = default;
};

// diff_logits{N,K} = diff_loss (probabilities_k sum_j target_j - target_k) / N. Inputs: probabilities{N,K},
// targets{N,K}, diff_loss{}.
struct SoftTargetCrossEntropyBackward {
  static constexpr std::string_view kName = "soft_target_cross_entropy_backward";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const SoftTargetCrossEntropyBackward&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const SoftTargetCrossEntropy& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const SoftTargetCrossEntropyBackward& op, DescSpan inputs);
Gradients Gradient(const SoftTargetCrossEntropy& op, const GradientRequest& request);
absl::StatusOr<Descs> InferOutputs(const SoftmaxCrossEntropy& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const SoftmaxCrossEntropyBackward& op, DescSpan inputs);
Gradients Gradient(const SoftmaxCrossEntropy& op, const GradientRequest& request);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_CROSS_ENTROPY_H_
