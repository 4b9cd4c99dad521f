#include "blocks/squeeze_excite.h"

#include "blocks/elastic.h"
#include "fmt/format.h"

namespace mathnas::blocks {

using kernels::Graph;
using kernels::Linear;
using kernels::Value;

Value SqueezeExcite(Graph& g, Value x, std::string_view prefix, int64_t hidden, const SqueezeWidths& stored) {
  if (!x.valid()) return x;
  const int64_t channels = g.desc(x).shape[3];
  const auto name = [&](std::string_view rest) { return fmt::format("{}.fc.{}", prefix, rest); };
  const Value reduce =
      LeadingParameter(g, name("reduce.weight"), {stored.hidden, stored.channels, 1, 1}, hidden, channels);
  const Value reduce_bias = LeadingParameter(g, name("reduce.bias"), {stored.hidden}, hidden);
  const Value expand =
      LeadingParameter(g, name("expand.weight"), {stored.channels, stored.hidden, 1, 1}, channels, hidden);
  const Value expand_bias = LeadingParameter(g, name("expand.bias"), {stored.channels}, channels);

  const Value mean = g.Apply(kernels::GlobalAvgPool{}, {x})[0];
  const Value squeezed = g.Apply(Linear{}, {mean, reduce, reduce_bias})[0];
  const Value excited = g.Apply(Linear{}, {g.Apply(kernels::Relu{}, {squeezed})[0], expand, expand_bias})[0];
  return g.Apply(kernels::ScaleChannels{}, {x, g.Apply(kernels::HardSigmoid{}, {excited})[0]})[0];
}

}  // namespace mathnas::blocks
