#include "blocks/vit_block.h"

#include <string>

#include "blocks/elastic.h"
#include "fmt/format.h"

namespace mathnas::blocks {

using kernels::Graph;
using kernels::Value;

namespace {

class Builder {
 public:
  Builder(Graph& g, std::string_view prefix, const VitBlockOptions& options, int64_t pixels, int64_t channels)
      : g_(g), prefix_(prefix), stored_(options.stored_channels), channels_(channels), drop_path_(options.drop_path) {
    row_ = options.depth * kVitPhases + pixels % kVitPhases;
  }

  Value Build(Value x) {
    x = AddScaled(x, Attention(Norm(x, "norm1")), "rescale_attn");
    x = AddScaled(x, Mlp(Norm(x, "norm3"), "mlp2"), "rescale_mlp");
    return AddScaled(x, Mlp(Norm(x, "norm2"), "mlp1"), "rescale_mlp");
  }

 private:
  std::string Name(std::string_view rest) const { return fmt::format("{}.{}", prefix_, rest); }

  Value Norm(Value x, std::string_view part) {
    const Value gamma = LeadingParameter(g_, Name(part) + ".weight", {stored_}, channels_);
    const Value beta = LeadingParameter(g_, Name(part) + ".bias", {stored_}, channels_);
    return g_.Apply(kernels::LayerNorm{.axes = 3}, {x, gamma, beta})[0];
  }

  // From `in` to `out` times the channels.
  Value Linear(Value x, std::string_view part, int64_t in, int64_t out) {
    const Value weight = LeadingParameter(g_, Name(part) + ".linear.weight", {out * stored_, in * stored_},
                                          out * channels_, in * channels_);
    const Value bias = LeadingParameter(g_, Name(part) + ".linear.bias", {out * stored_}, out * channels_);
    return g_.Apply(kernels::Linear{}, {x, weight, bias})[0];
  }

  Value Swish(Value x) { return g_.Apply(kernels::Swish{}, {x})[0]; }

  Value Mlp(Value x, std::string_view part) {
    x = Swish(Linear(x, fmt::format("{}.linear1", part), 1, 1));
    return Linear(x, fmt::format("{}.linear2", part), 1, 1);
  }

  Value Attention(Value x) {
    const int64_t stored_heads = stored_ / kVitHeadSize, heads = channels_ / kVitHeadSize;
    const int64_t values = kVitValueRatio * channels_;
    const Value q = Linear(x, "attn.q", 1, 1), k = Linear(x, "attn.k", 1, 1);
    const Value kernel = LeadingParameter(g_, Name("attn.vconv.weight"), {kVitValueRatio * stored_, 1, 3, 3}, values);
    const Value v = kernels::Convolve(g_, Linear(x, "attn.v", 1, kVitValueRatio), kernel, Value{}, 1, 1,
                                      static_cast<int32_t>(values));
    constexpr int64_t kSide = 2 * kVitWindow - 1;
    kernels::Values operands = {q, k, v,
                                LeadingParameter(g_, Name("attn.relative_position_bias_table"),
                                                 {kSide * kSide, stored_heads}, kSide * kSide, heads)};
    for (const char* mix : {"attn.proj_l", "attn.proj_w"}) {
      operands.push_back(
          LeadingParameter(g_, Name(mix) + ".linear.weight", {stored_heads, stored_heads}, heads, heads));
      operands.push_back(LeadingParameter(g_, Name(mix) + ".linear.bias", {stored_heads}, heads));
    }
    const Value y = g_.Apply(kernels::TalkingHeads{kVitWindow}, operands)[0];
    return Linear(Swish(y), "attn.proj", kVitValueRatio, 1);
  }

  Value AddScaled(Value x, Value branch, std::string_view table) {
    const Value scales = g_.Parameter(Name(table), {kVitDepths, kVitPhases, stored_});
    const kernels::LayerScale scale = {static_cast<int32_t>(row_),
                                       static_cast<double>(kVitHeadSize) / static_cast<double>(channels_)};
    branch = g_.Apply(scale, {branch, scales})[0];
    if (drop_path_ != nullptr) branch = drop_path_->Branch(branch);
    return g_.Apply(kernels::Add{}, {x, branch})[0];
  }

  Graph& g_;
  std::string_view prefix_;
  int64_t stored_, channels_, row_;
  DropPath* drop_path_;
};

}  // namespace

Value VitBlock(Graph& g, Value x, std::string_view prefix, const VitBlockOptions& options) {
  if (!x.valid()) return x;
  const kernels::Shape shape = g.desc(x).shape;
  return Builder(g, prefix, options, shape[1] * shape[2], shape[3]).Build(x);
}

}  // namespace mathnas::blocks
