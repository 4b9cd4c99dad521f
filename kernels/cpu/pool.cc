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
  // Where windows overlap, their shares are added in the type of diff_src: bfloat16 would be rounded with each (seen in
  // jit:avx512_core of 2.6.3), so that they are added as floats.
  const DType type = r.inputs[0].dtype, sums = op.kernel > op.stride ? DType::kF32 : type;
  return onednn::Guard(r.threads, [&]() -> KernelOr {
    const Md from = Image(diff_dst, type), to = Image(diff_src, type);
    const Md wide_from = Image(diff_dst, sums), wide_to = Image(diff_src, sums);
    const auto pd = onednn::AvgPoolBackward(wide_to, wide_from, {op.kernel, op.kernel},
                                            MakeWindow(op, diff_src, diff_dst), op.include_padding);
    auto kernel = std::make_shared<PrimitiveKernel>(r.threads);
    const PrimitiveKernel::Slot source = kernel->Packed(0, from, wide_from);
    const PrimitiveKernel::Slot target = type == sums ? PrimitiveKernel::Output(0, to) : kernel->Scratch(wide_to);
    kernel->Add(pd, {{DNNL_ARG_DIFF_DST, source}, {DNNL_ARG_DIFF_SRC, target}});
    if (type != sums) kernel->Unpack(target, 0, to);
    return kernel;
  });
}

}  // namespace mathnas::kernels::cpu
