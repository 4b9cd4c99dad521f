// Linear layers as matrix products over plain weights.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/primitive_kernel.h"
#include "kernels/cpu/zero_outputs.h"

namespace mathnas::kernels::cpu {

using onednn::Dense;
using onednn::Md;
using onednn::Strided;
using onednn::Tag;

KernelOr Make(const Linear& op, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  const int64_t n = RowsOf(r.inputs[0].shape), in = r.inputs[1].shape[1], out = r.inputs[1].shape[0];
  return onednn::Guard(r.threads, [&]() -> KernelOr {
    const Md src = Dense({n, in}, Tag::ab), dst = Dense({n, out}, Tag::ab);
    const Md transposed = Strided({in, out}, {1, r.inputs[1].row_elements()});
    const Md bias = op.has_bias ? Dense({1, out}, Tag::ab) : Md();
    auto kernel = std::make_shared<PrimitiveKernel>(r.threads);
    PrimitiveKernel::Arguments arguments = {{DNNL_ARG_SRC, PrimitiveKernel::Input(0, src)},
                                            {DNNL_ARG_WEIGHTS, PrimitiveKernel::Input(1, transposed)},
                                            {DNNL_ARG_DST, PrimitiveKernel::Output(0, dst)}};
    if (op.has_bias) arguments.emplace_back(DNNL_ARG_BIAS, PrimitiveKernel::Input(2, bias));
    kernel->Add(onednn::Matmul(src, transposed, bias, dst), std::move(arguments));
    return kernel;
  });
}

KernelOr Make(const LinearBackwardData&, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  const int64_t n = RowsOf(r.inputs[0].shape), out = r.inputs[1].shape[0], in = r.inputs[1].shape[1];
  return onednn::Guard(r.threads, [&]() -> KernelOr {
    const Md diff_dst = Dense({n, out}, Tag::ab), weights = Strided({out, in}, {r.inputs[1].row_elements(), 1}),
             diff_src = Dense({n, in}, Tag::ab);
    auto kernel = std::make_shared<PrimitiveKernel>(r.threads);
    kernel->Add(onednn::Matmul(diff_dst, weights, Md(), diff_src),
                {{DNNL_ARG_SRC, PrimitiveKernel::Input(0, diff_dst)},
                 {DNNL_ARG_WEIGHTS, PrimitiveKernel::Input(1, weights)},
                 {DNNL_ARG_DST, PrimitiveKernel::Output(0, diff_src)}});
    return kernel;
  });
}

KernelOr Make(const LinearBackwardWeights& op, const Request& r) {
  if (r.inputs[0].elements() == 0 || r.inputs[1].elements() == 0) return ZeroOutputs(r);
  const int64_t n = RowsOf(r.inputs[0].shape), in = r.inputs[0].shape.back(), out = r.inputs[1].shape.back();
  return onednn::Guard(r.threads, [&]() -> KernelOr {
    const Md src = Dense({n, in}, Tag::ab), diff_dst = Dense({n, out}, Tag::ab),
             diff_weights = Dense({out, in}, Tag::ab);
    const Md diff_bias = op.has_bias ? Dense({out}, Tag::a) : Md();
    auto kernel = std::make_shared<PrimitiveKernel>(r.threads);
    PrimitiveKernel::Arguments arguments = {{DNNL_ARG_SRC, PrimitiveKernel::Input(0, src)},
                                            {DNNL_ARG_DIFF_DST, PrimitiveKernel::Input(1, diff_dst)},
                                            {DNNL_ARG_DIFF_WEIGHTS, PrimitiveKernel::Output(0, diff_weights)}};
    if (op.has_bias) arguments.emplace_back(DNNL_ARG_DIFF_BIAS, PrimitiveKernel::Output(1, diff_bias));
    kernel->Add(onednn::LinearBackwardWeights(src, diff_weights, diff_bias, diff_dst), std::move(arguments));
    return kernel;
  });
}

}  // namespace mathnas::kernels::cpu
