#include "blocks/batch_norm.h"

#include "fmt/format.h"

namespace mathnas::blocks {

using kernels::Graph;
using kernels::Shape;
using kernels::Value;
using kernels::Values;

Value BatchNorm(Graph& g, Value x, std::string_view prefix, Mode mode, const NormOptions& norm) {
  if (!x.valid()) return x;
  const Shape channels = {g.desc(x).shape.back()};
  Values inputs = {x};
  if (norm.affine) {
    inputs.push_back(g.Parameter(fmt::format("{}.weight", prefix), channels));
    inputs.push_back(g.Parameter(fmt::format("{}.bias", prefix), channels));
  }
  if (mode == Mode::kInference || norm.track) {
    inputs.push_back(g.State(fmt::format("{}.running_mean", prefix), channels));
    inputs.push_back(g.State(fmt::format("{}.running_var", prefix), channels));
  }
  if (mode == Mode::kInference) {
    return g.Apply(kernels::BatchNormInference{.epsilon = norm.epsilon, .affine = norm.affine}, inputs)[0];
  }
  return g.Apply(
      kernels::BatchNormTraining{
          .epsilon = norm.epsilon, .momentum = norm.momentum, .affine = norm.affine, .track = norm.track},
      inputs)[0];
}

}  // namespace mathnas::blocks
