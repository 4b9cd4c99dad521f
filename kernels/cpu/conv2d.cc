// Convolutions: NHWC activations, weights in whatever layout the primitive asks for (a plain layout runs oneDNN's
// reference kernel, seen in 2.6.3 and 3.7.2). The masters are plain OIHW.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/primitive_kernel.h"
#include "kernels/cpu/zero_outputs.h"

namespace mathnas::kernels::cpu {
namespace {

using onednn::Any;
using onednn::Dense;
using onednn::Dims;
using onednn::Md;
using onednn::Strided;
using onednn::Tag;

// oneDNN's logical order is NCHW whatever the layout.
Dims ImageDims(const Shape& nhwc) { return {nhwc[0], nhwc[3], nhwc[1], nhwc[2]}; }
Md Image(const Shape& nhwc, DType type = DType::kF32) { return Dense(ImageDims(nhwc), Tag::nhwc, type); }

Dims WeightDims(const Shape& oihw, int64_t groups) {
  if (groups == 1) return {oihw[0], oihw[1], oihw[2], oihw[3]};
  return {groups, oihw[0] / groups, oihw[1], oihw[2], oihw[3]};
}
// Of a slice, too.
Md PlainWeights(const TensorDesc& oihw, int64_t groups) {
  const Dims dims = WeightDims(oihw.shape, groups);
  if (oihw.dense()) return Dense(dims, groups == 1 ? Tag::oihw : Tag::goihw, oihw.dtype);
  const int64_t row = oihw.row_stride, kh = oihw.shape[2], kw = oihw.shape[3];
  Dims strides = {row, kh * kw, kw, 1};
  if (groups > 1) strides.insert(strides.begin(), dims[1] * row);
  return Strided(dims, strides, oihw.dtype);
}

// The padding on the right is what makes the last window end where it does.
onednn::Window MakeWindow(const Shape& src, const Shape& dst, int64_t kh, int64_t kw, int64_t stride, int64_t padding) {
  return {{stride, stride},
          {padding, padding},
          {(dst[1] - 1) * stride + kh - src[1] - padding, (dst[2] - 1) * stride + kw - src[2] - padding}};
}

}  // namespace

KernelOr Make(const Conv2d& op, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  if (IsWinograd(op, r)) return MakeWinograd(op, r);
  const Shape &src = r.inputs[0].shape, &weights = r.inputs[1].shape, &dst = r.outputs[0].shape;
  const DType type = r.inputs[0].dtype;  // that weights are packed as, whatever they are
  return onednn::Guard(r.threads, [&]() -> KernelOr {
    const Md bias = op.has_bias ? Dense({weights[0]}, Tag::a) : Md();
    const auto pd =
        onednn::ConvolutionForward(Image(src, type), Any(WeightDims(weights, op.groups), type), bias, Image(dst, type),
                                   MakeWindow(src, dst, weights[2], weights[3], op.stride, op.padding),
                                   onednn::Attributes(op.has_addend, op.activation));
    auto kernel = std::make_shared<PrimitiveKernel>(r.threads);
    PrimitiveKernel::Arguments arguments = {
        {DNNL_ARG_SRC, PrimitiveKernel::Input(0, Image(src, type))},
        {DNNL_ARG_WEIGHTS, kernel->Packed(1, PlainWeights(r.inputs[1], op.groups), pd.weights_desc())},
        {DNNL_ARG_DST, PrimitiveKernel::Output(0, Image(dst, type))}};
    if (op.has_bias) arguments.emplace_back(DNNL_ARG_BIAS, PrimitiveKernel::Input(2, bias));
    kernel->Add(pd, std::move(arguments));
    return kernel;
  });
}

KernelOr Make(const Conv2dBackwardData& op, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  if (IsWinograd(op, r)) return MakeWinograd(op, r);
  const Shape &diff_dst = r.inputs[0].shape, &weights = r.inputs[1].shape, &diff_src = r.outputs[0].shape;
  const DType type = r.inputs[0].dtype;
  return onednn::Guard(r.threads, [&]() -> KernelOr {
    const auto pd = onednn::ConvolutionBackwardData(
        Image(diff_src, type), Any(WeightDims(weights, op.groups), type), Image(diff_dst, type),
        MakeWindow(diff_src, diff_dst, weights[2], weights[3], op.stride, op.padding));
    auto kernel = std::make_shared<PrimitiveKernel>(r.threads);
    kernel->Add(pd, {{DNNL_ARG_DIFF_DST, PrimitiveKernel::Input(0, Image(diff_dst, type))},
                     {DNNL_ARG_WEIGHTS, kernel->Packed(1, PlainWeights(r.inputs[1], op.groups), pd.weights_desc())},
                     {DNNL_ARG_DIFF_SRC, PrimitiveKernel::Output(0, Image(diff_src, type))}});
    return kernel;
  });
}

KernelOr Make(const Conv2dBackwardWeights& op, const Request& r) {
  if (r.inputs[0].elements() == 0 || r.inputs[1].elements() == 0) return ZeroOutputs(r);
  if (IsDepthwise(op, r)) return MakeDepthwise(op, r);
  if (IsOfMatrixUnit(op, r)) return MakeOfMatrixUnit(op, r);
  if (IsWinograd(op, r)) return MakeWinograd(op, r);
  const Shape &src = r.inputs[0].shape, &diff_dst = r.inputs[1].shape, &weights = r.outputs[0].shape;
  const DType type = r.inputs[0].dtype;  // of the images: gradients of weights are float32
  return onednn::Guard(r.threads, [&]() -> KernelOr {
    const Md diff_bias = op.has_bias ? Dense({weights[0]}, Tag::a) : Md();
    const auto pd = onednn::ConvolutionBackwardWeights(
        Image(src, type), Any(WeightDims(weights, op.groups), type), Any(WeightDims(weights, op.groups)), diff_bias,
        Image(diff_dst, type), MakeWindow(src, diff_dst, weights[2], weights[3], op.stride, op.padding));
    auto kernel = std::make_shared<PrimitiveKernel>(r.threads);
    const Md plain = PlainWeights(r.outputs[0], op.groups);
    const bool is_plain = pd.diff_weights_desc() == plain;
    const PrimitiveKernel::Slot diff_weights =
        is_plain ? PrimitiveKernel::Output(0, plain) : kernel->Scratch(pd.diff_weights_desc());
    PrimitiveKernel::Arguments arguments = {{DNNL_ARG_SRC, PrimitiveKernel::Input(0, Image(src, type))},
                                            {DNNL_ARG_DIFF_DST, PrimitiveKernel::Input(1, Image(diff_dst, type))},
                                            {DNNL_ARG_DIFF_WEIGHTS, diff_weights}};
    if (op.has_bias) arguments.emplace_back(DNNL_ARG_DIFF_BIAS, PrimitiveKernel::Output(1, diff_bias));
    kernel->Add(pd, std::move(arguments));
    if (!is_plain) kernel->Unpack(diff_weights, 0, plain);
    return kernel;
  });
}

}  // namespace mathnas::kernels::cpu
