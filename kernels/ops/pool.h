// Average pooling and global average pooling, with their gradients.
#ifndef MATHNAS_KERNELS_OPS_POOL_H_
#define MATHNAS_KERNELS_OPS_POOL_H_

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// dst{N,Ho,Wo,C} = mean over kernel x kernel windows of src{N,H,W,C}. With include_padding the divisor is always
// kernel * kernel, without it the number of real pixels in the window (NAS-Bench-201, spec/search-spaces.md 2.2).
struct AvgPool2d {
  int32_t kernel = 1;
  int32_t stride = 1;
  int32_t padding = 0;
  bool include_padding = false;

  static constexpr std::string_view kName = "avg_pool2d";
  template <typename V>
  void Visit(V&& v) {
    v("kernel", kernel), v("stride", stride), v("padding", padding), v("include_padding", include_padding);
  }
  bool operator==(const AvgPool2d&) const = default;
};

// diff_src{N,height,width,C} from diff_dst{N,Ho,Wo,C}.
struct AvgPool2dBackward {
  int32_t kernel = 1;
  int32_t stride = 1;
  int32_t padding = 0;
  bool include_padding = false;
  int32_t height = 0;
  int32_t width = 0;

  static constexpr std::string_view kName = "avg_pool2d_backward";
  template <typename V>
  void Visit(V&& v) {
    v("kernel", kernel), v("stride", stride), v("padding", padding), v("include_padding", include_padding);
    v("height", height), v("width", width);
  }
  bool operator==(const AvgPool2dBackward&) const = default;
};

// dst{N,C} = mean over H and W of src{N,H,W,C}.
struct GlobalAvgPool {
  static constexpr std::string_view kName = "global_avg_pool";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const GlobalAvgPool&) const = default;
};

// diff_src{N,height,width,C} from diff_dst{N,C}.
struct GlobalAvgPoolBackward {
  int32_t height = 0;
  int32_t width = 0;

  static constexpr std::string_view kName = "global_avg_pool_backward";
  template <typename V>
  void Visit(V&& v) {
    v("height", height), v("width", width);
  }
  bool operator==(const GlobalAvgPoolBackward&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const AvgPool2d& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const AvgPool2dBackward& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const GlobalAvgPool& op, DescSpan inputs);
absl::StatusOr<Descs> InferOutputs(const GlobalAvgPoolBackward& op, DescSpan inputs);
Gradients Gradient(const AvgPool2d& op, const GradientRequest& request);
Gradients Gradient(const GlobalAvgPool& op, const GradientRequest& request);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_POOL_H_
