#include "blocks/relu_conv_bn.h"

#include "fmt/format.h"

namespace mathnas::blocks {

using kernels::Graph;
using kernels::Value;

Value ReluConvBn(Graph& g, Value x, std::string_view prefix, int64_t channels, int kernel, int stride, Mode mode,
                 const NormOptions& norm) {
  if (!x.valid()) return x;
  const Value relu = g.Apply(kernels::Relu{}, {x})[0];
  const Value weight =
      g.Parameter(fmt::format("{}.op.1.weight", prefix), {channels, g.desc(x).shape[3], kernel, kernel});
  const Value bias = norm.affine ? Value{} : g.Parameter(fmt::format("{}.op.1.bias", prefix), {channels});
  const Value conv = kernels::Convolve(g, relu, weight, bias, stride, kernel / 2);
  return BatchNorm(g, conv, fmt::format("{}.op.2", prefix), mode, norm);
}

}  // namespace mathnas::blocks
