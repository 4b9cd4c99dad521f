#include "kernels/ops/pool.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

absl::StatusOr<Shape> PooledShape(std::string_view op, const Shape& src, int32_t kernel, int32_t stride,
                                  int32_t padding) {
  // Padding of at most half a window: no window lies in the padding alone, so no divisor is zero.
  if (kernel < 1 || stride < 1 || padding < 0 || 2 * int64_t{padding} > kernel) {
    return OperatorError(op,
                         fmt::format("kernel {}, stride {}, padding {}: expected kernel and stride of at least 1 and "
                                     "padding of at most half the kernel",
                                     kernel, stride, padding));
  }
  const int64_t h = src[1] + 2 * int64_t{padding} - kernel, w = src[2] + 2 * int64_t{padding} - kernel;
  if (src[1] < 1 || src[2] < 1 || h < 0 || w < 0) {
    return OperatorError(
        op, fmt::format("source {} is smaller than the kernel {} with padding {}", ToString(src), kernel, padding));
  }
  return Shape{src[0], h / stride + 1, w / stride + 1, src[3]};
}

}  // namespace

absl::StatusOr<Descs> InferOutputs(const AvgPool2d& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4}); !s.ok()) return s;
  auto dst = PooledShape(op.kName, inputs[0].shape, op.kernel, op.stride, op.padding);
  if (!dst.ok()) return dst.status();
  return Descs{{inputs[0].dtype, *std::move(dst)}};
}

absl::StatusOr<Descs> InferOutputs(const AvgPool2dBackward& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4}); !s.ok()) return s;
  const Shape& diff_dst = inputs[0].shape;
  const Shape src = {diff_dst[0], op.height, op.width, diff_dst[3]};
  auto dst = PooledShape(op.kName, src, op.kernel, op.stride, op.padding);
  if (!dst.ok()) return dst.status();
  if (auto s = CheckSame(op.kName, "diff_dst", diff_dst, *dst); !s.ok()) return s;
  return Descs{{inputs[0].dtype, src}};
}

absl::StatusOr<Descs> InferOutputs(const GlobalAvgPool& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {4}); !s.ok()) return s;
  const Shape& src = inputs[0].shape;
  if (src[1] * src[2] == 0) return OperatorError(op.kName, fmt::format("source {} has no pixels", ToString(src)));
  return Descs{{inputs[0].dtype, {src[0], src[3]}}};
}

absl::StatusOr<Descs> InferOutputs(const GlobalAvgPoolBackward& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {2}); !s.ok()) return s;
  if (op.height < 1 || op.width < 1) return OperatorError(op.kName, "expected a positive height and width");
  return Descs{{inputs[0].dtype, {inputs[0].shape[0], op.height, op.width, inputs[0].shape[1]}}};
}

Gradients Gradient(const AvgPool2d& op, const GradientRequest& r) {
  const Shape& src = r.graph.desc(r.inputs[0]).shape;
  return {r.graph.Apply(AvgPool2dBackward{op.kernel, op.stride, op.padding, op.include_padding,
                                          static_cast<int32_t>(src[1]), static_cast<int32_t>(src[2])},
                        {r.output_gradients[0]})[0]};
}

Gradients Gradient(const GlobalAvgPool&, const GradientRequest& r) {
  const Shape& src = r.graph.desc(r.inputs[0]).shape;
  return {r.graph.Apply(GlobalAvgPoolBackward{static_cast<int32_t>(src[1]), static_cast<int32_t>(src[2])},
                        {r.output_gradients[0]})[0]};
}

}  // namespace mathnas::kernels
