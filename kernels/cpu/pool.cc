// Average pooling.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/primitive_kernel.h"
#include "kernels/cpu/zero_outputs.h"

namespace mathnas::kernels::cpu {
namespace {

using onednn::Dense;
using onednn::Dims;
using onednn::Md;
using onednn::Tag;

Md Image(const Shape& nhwc, DType type = DType::kF32) {
  return Dense({nhwc[0], nhwc[3], nhwc[1], nhwc[2]}, Tag::nhwc, type);
}

template <typename Pool>
onednn::Window MakeWindow(const Pool& op, const Shape& src, const Shape& dst) {
  return {{op.stride, op.stride},
          {op.padding, op.padding},
          {(dst[1] - 1) * op.stride + op.kernel - src[1] - op.padding,
           (dst[2] - 1) * op.stride + op.kernel - src[2] - op.padding}};
}

}  // namespace

KernelOr Make(const AvgPool2d& op, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  const Shape &src = r.inputs[0].shape, &dst = r.outputs[0].shape;
  const DType type = r.inputs[0].dtype;
  return onednn::Guard(r.threads, [&]() -> KernelOr {
    const auto pd = onednn::AvgPoolForward(Image(src, type), Image(dst, type), {op.kernel, op.kernel},
                                           MakeWindow(op, src, dst), op.include_padding);
    auto kernel = std::make_shared<PrimitiveKernel>(r.threads);
    kernel->Add(pd, {{DNNL_ARG_SRC, PrimitiveKernel::Input(0, Image(src, type))},
                     {DNNL_ARG_DST, PrimitiveKernel::Output(0, Image(dst, type))}});
    return kernel;
  });
}

KernelOr Make(const AvgPool2dBackward& op, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  const Shape &diff_dst = r.inputs[0].shape, &diff_src = r.outputs[0].shape;
  return onednn::Guard(r.threads, [&]() -> KernelOr {
    const auto pd = onednn::AvgPoolBackward(Image(diff_src), Image(diff_dst), {op.kernel, op.kernel},
                                            MakeWindow(op, diff_src, diff_dst), op.include_padding);
    auto kernel = std::make_shared<PrimitiveKernel>(r.threads);
    kernel->Add(pd, {{DNNL_ARG_DIFF_DST, PrimitiveKernel::Input(0, Image(diff_dst))},
                     {DNNL_ARG_DIFF_SRC, PrimitiveKernel::Output(0, Image(diff_src))}});
    return kernel;
  });
}

}  // namespace mathnas::kernels::cpu
