#include "blocks/batch_norm.h"

#include "blocks/elastic.h"
#include "fmt/format.h"

namespace mathnas::blocks {

using kernels::Graph;
using kernels::Shape;
using kernels::Value;
using kernels::Values;

Value BatchNorm(Graph& g, Value x, std::string_view prefix, Mode mode, const NormOptions& norm) {
  if (!x.valid()) return x;
  const int64_t channels = g.desc(x).shape.back();
  const Shape stored = {norm.stored_channels > 0 ? norm.stored_channels : channels};
  Values inputs = {x};
  if (norm.affine) {
    inputs.push_back(LeadingParameter(g, fmt::format("{}.weight", prefix), stored, channels));
    inputs.push_back(LeadingParameter(g, fmt::format("{}.bias", prefix), stored, channels));
  }
  if (mode == Mode::kInference || norm.track) {
    inputs.push_back(LeadingState(g, fmt::format("{}.running_mean", prefix), stored, channels));
    inputs.push_back(LeadingState(g, fmt::format("{}.running_var", prefix), stored, channels));
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
