// Elementwise operators: ReLU, sums, scaling, zeros, and accumulation into a state.
#ifndef MATHNAS_KERNELS_OPS_ELEMENTWISE_H_
#define MATHNAS_KERNELS_OPS_ELEMENTWISE_H_

#include "kernels/ops/extents.h"
#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y = max(x, 0).
struct Relu {
  static constexpr std::string_view kName = "relu";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const Relu&) const = default;
};

// diff_x = y > 0 ? diff_y : 0. Inputs: y (the output of the ReLU), diff_y.
struct ReluBackward {
  static constexpr std::string_view kName = "relu_backward";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const ReluBackward&) const = default;
};

// y = x_0 + x_1 + .., added in this order; one input at least, all of one shape.
struct Add {
  static constexpr std::string_view kName = "add";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const Add&) const = default;
};

// y = factor * x.
struct Scale {
  double factor = 1;

  static constexpr std::string_view kName = "scale";
  template <typename V>
  void Visit(V&& v) {
    v("factor", factor);
  }
  bool operator==(const Scale&) const = default;
};

// y = 0 * x: zeros of the shape of x that depend on x. What lies before it gets a zero gradient, which is not the same
// as none (spec/training-golden.md 1): weight decay still moves its parameters.
struct Zero {
  static constexpr std::string_view kName = "zero";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const Zero&) const = default;
};

// A constant tensor, without inputs; of at most Extents::kMaxRank axes.
struct Fill {
  double value = 0;
  Extents shape;

  static constexpr std::string_view kName = "fill";
  template <typename V>
  void Visit(V&& v) {
    v("value", value), v("shape", shape);
  }
  bool operator==(const Fill&) const = default;
};

// state += x, in place. Inputs: state (of Graph::State), x. No outputs.
struct Accumulate {
  static constexpr std::string_view kName = "accumulate";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const Accumulate&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const Relu& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const ReluBackward& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const Add& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const Scale& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const Zero& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const Fill& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const Accumulate& op, DescSpan inputs);
Gradients Gradient(const Relu& op, const GradientRequest& request);
Gradients Gradient(const Add& op, const GradientRequest& request);
Gradients Gradient(const Scale& op, const GradientRequest& request);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_ELEMENTWISE_H_
