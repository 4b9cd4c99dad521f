#include "blocks/residual_reduction.h"

#include "blocks/relu_conv_bn.h"
#include "fmt/format.h"

namespace mathnas::blocks {

using kernels::Graph;
using kernels::Value;

Value ResidualReduction(Graph& g, Value x, std::string_view prefix, int64_t channels, Mode mode, NormOptions norm) {
  if (!x.valid()) return x;
  norm.affine = norm.track = true;  // whatever the search cells do
  const Value conv_a = ReluConvBn(g, x, fmt::format("{}.conv_a", prefix), channels, 3, 2, mode, norm);
  const Value conv_b = ReluConvBn(g, conv_a, fmt::format("{}.conv_b", prefix), channels, 3, 1, mode, norm);
  const Value pool = g.Apply(kernels::AvgPool2d{.kernel = 2, .stride = 2}, {x})[0];
  const Value weight = g.Parameter(fmt::format("{}.downsample.1.weight", prefix), {channels, g.desc(x).shape[3], 1, 1});
  const Value downsample = kernels::Convolve(g, pool, weight, Value{}, 1, 0);
  return g.Apply(kernels::Add{}, {downsample, conv_b})[0];
}

}  // namespace mathnas::blocks
