#include "blocks/inverted_residual.h"

#include <string>

#include "blocks/elastic.h"
#include "blocks/squeeze_excite.h"
#include "fmt/format.h"

namespace mathnas::blocks {

using kernels::Activation;
using kernels::Graph;
using kernels::Value;

namespace {

Value Activate(Graph& g, Value x, Activation activation) {
  if (activation == Activation::kRelu) return g.Apply(kernels::Relu{}, {x})[0];
  if (activation == Activation::kHardSwish) return g.Apply(kernels::HardSwish{}, {x})[0];
  if (activation == Activation::kSwish) return g.Apply(kernels::Swish{}, {x})[0];
  return x;
}

class Builder {
 public:
  Builder(Graph& g, std::string_view prefix, const InvertedResidualOptions& options,
          const StoredInvertedResidual* stored, Mode mode, const NormOptions& norm)
      : g_(g), prefix_(prefix), options_(options), elastic_(stored != nullptr), mode_(mode), norm_(norm) {
    if (elastic_) stored_ = *stored;
  }

  Value Build(Value x) {
    const int64_t in = g_.desc(x).shape[3];
    if (!elastic_) stored_ = {.in = in, .mid = options_.mid, .squeeze = options_.squeeze, .kernel = options_.kernel};
    Value y = x;
    if (options_.expand) {
      y = Pointwise(y, "inverted_bottleneck", stored_.mid, stored_.in, options_.mid);
      y = Activate(g_, y, options_.activation);
    }
    y = Activate(g_, Depthwise(y), options_.activation);
    if (options_.squeeze > 0) {
      y = SqueezeExcite(g_, y, Name("depth_conv.se"), options_.squeeze, {stored_.mid, stored_.squeeze});
    }
    y = Pointwise(y, "point_linear", stored_.out > 0 ? stored_.out : options_.out, stored_.mid, options_.out);
    if (!options_.shortcut || options_.stride != 1 || in != options_.out) return y;
    if (options_.drop_path != nullptr) y = options_.drop_path->Branch(y);
    return g_.Apply(kernels::Add{}, {y, x})[0];
  }

 private:
  std::string Name(std::string_view rest) const { return fmt::format("{}.{}", prefix_, rest); }

  Value Pointwise(Value x, std::string_view part, int64_t stored_out, int64_t stored_in, int64_t out) {
    if (!x.valid()) return x;
    const Value weight = LeadingParameter(g_, Name(part) + (elastic_ ? ".conv.conv.weight" : ".conv.weight"),
                                          {stored_out, stored_in, 1, 1}, out, g_.desc(x).shape[3]);
    return Norm(kernels::Convolve(g_, x, weight, Value{}, 1, 0), part, stored_out);
  }

  Value Depthwise(Value x) {
    if (!x.valid()) return x;
    const int64_t channels = g_.desc(x).shape[3];
    const int kernel = options_.kernel;
    const Value weight = elastic_ ? ElasticKernel(g_, Name("depth_conv"), stored_.mid, stored_.kernel, channels, kernel,
                                                  options_.transformed)
                                  : g_.Parameter(Name("depth_conv.conv.weight"), {channels, 1, kernel, kernel});
    const Value y =
        kernels::Convolve(g_, x, weight, Value{}, options_.stride, kernel / 2, static_cast<int32_t>(channels));
    return Norm(y, "depth_conv", stored_.mid);
  }

  Value Norm(Value x, std::string_view part, int64_t stored_channels) {
    NormOptions norm = norm_;
    norm.stored_channels = stored_channels;
    return BatchNorm(g_, x, Name(part) + (elastic_ ? ".bn.bn" : ".bn"), mode_, norm);
  }

  Graph& g_;
  std::string_view prefix_;
  const InvertedResidualOptions& options_;
  bool elastic_;
  StoredInvertedResidual stored_;
  Mode mode_;
  const NormOptions& norm_;
};

}  // namespace

Value ElasticKernel(Graph& g, std::string_view prefix, int64_t stored_channels, int stored_kernel, int64_t channels,
                    int kernel, bool transformed) {
  Value weight = LeadingParameter(g, fmt::format("{}.conv.conv.weight", prefix),
                                  {stored_channels, 1, stored_kernel, stored_kernel}, channels);
  if (!transformed && kernel < stored_kernel) {
    return g.Apply(kernels::KernelTransform{.kernel = kernel, .has_matrix = false}, {weight})[0];
  }
  for (int from = stored_kernel; from > kernel; from -= 2) {
    const int to = from - 2;
    const Value matrix =
        g.Parameter(fmt::format("{}.conv.{}to{}_matrix", prefix, from, to), {int64_t{to} * to, int64_t{to} * to});
    weight = g.Apply(kernels::KernelTransform{.kernel = to}, {weight, matrix})[0];
  }
  return weight;
}

Value InvertedResidual(Graph& g, Value x, std::string_view prefix, const InvertedResidualOptions& options,
                       const StoredInvertedResidual* stored, Mode mode, const NormOptions& norm) {
  if (!x.valid()) return x;
  return Builder(g, prefix, options, stored, mode, norm).Build(x);
}

}  // namespace mathnas::blocks
