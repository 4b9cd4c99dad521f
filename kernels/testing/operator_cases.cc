#include "kernels/testing/operator_cases.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "kernels/ops/element_types.h"

namespace mathnas::kernels::testing {
namespace {

using Role = InputSpec::Role;

// The words "bfloat16" and "float16" are these keys and their number.
constexpr std::string_view kBfloatKey = "bfloat", kFloatKey = "float";

constexpr std::string_view kConvKeys = "n h w c o k kh kw s p g bias addend relu hard_swish swish";

// n, h, w: the source. c, o: channels. k (or kh and kw): kernel. s: stride, p: padding, g: groups.
struct ConvShape {
  Conv2d op;
  Shape src, weights, dst;
};

Activation ActivationOf(const ShapeLine& l) {
  return l.Has("swish")        ? Activation::kSwish
         : l.Has("hard_swish") ? Activation::kHardSwish
         : l.Has("relu")       ? Activation::kRelu
                               : Activation::kNone;
}

ConvShape ConvOf(const ShapeLine& l) {
  const int64_t kh = l.Get("kh", l.Get("k", 1)), kw = l.Get("kw", l.Get("k", 1));
  ConvShape c;
  c.op = {.stride = static_cast<int32_t>(l.Get("s", 1)),
          .padding = static_cast<int32_t>(l.Get("p", 0)),
          .groups = static_cast<int32_t>(l.Get("g", 1)),
          .has_bias = l.Has("bias"),
          .has_addend = l.Has("addend"),
          .activation = ActivationOf(l)};
  c.src = {l.Get("n", 1), l.Get("h", 1), l.Get("w", 1), l.Get("c", 1)};
  c.weights = {l.Get("o", 1), c.src[3] / c.op.groups, kh, kw};
  c.dst = {c.src[0], (c.src[1] + 2 * c.op.padding - kh) / c.op.stride + 1,
           (c.src[2] + 2 * c.op.padding - kw) / c.op.stride + 1, c.weights[0]};
  return c;
}

Problem BuildConv2d(const ShapeLine& l) {
  const ConvShape c = ConvOf(l);
  Problem p = {c.op, {{Role::kActivation, c.src}, {Role::kParameter, c.weights}}};
  if (c.op.has_bias) p.inputs.push_back({Role::kParameter, {c.weights[0]}});
  if (c.op.has_addend) p.inputs.push_back({Role::kActivation, c.dst});
  return p;
}

Problem BuildConv2dBackwardData(const ShapeLine& l) {
  const ConvShape c = ConvOf(l);
  return {Conv2dBackwardData{c.op.stride, c.op.padding, c.op.groups, static_cast<int32_t>(c.src[1]),
                             static_cast<int32_t>(c.src[2])},
          {{Role::kActivation, c.dst}, {Role::kParameter, c.weights}}};
}

Problem BuildConv2dBackwardWeights(const ShapeLine& l) {
  const ConvShape c = ConvOf(l);
  return {Conv2dBackwardWeights{c.op.stride, c.op.padding, c.op.groups, static_cast<int32_t>(c.weights[2]),
                                static_cast<int32_t>(c.weights[3]), c.op.has_bias},
          {{Role::kActivation, c.src}, {Role::kActivation, c.dst}}};
}

constexpr std::string_view kExpandDepthwiseKeys = "n h w c m k s p relu hard_swish swish linear";

Problem BuildExpandDepthwise(const ShapeLine& l) {
  const Activation activation = ConvOf(l).op.activation;
  const ExpandDepthwise op = {.stride = static_cast<int32_t>(l.Get("s", 1)),
                              .padding = static_cast<int32_t>(l.Get("p", 0)),
                              .expand_activation = activation,
                              .activation = l.Has("linear") ? Activation::kNone : activation};
  const int64_t m = l.Get("m", 1), i = l.Get("c", 1), k = l.Get("k", 3);
  return {op,
          {{Role::kActivation, {l.Get("n", 1), l.Get("h", 1), l.Get("w", 1), i}},
           {Role::kParameter, {m, i, 1, 1}},
           {Role::kParameter, {m}},
           {Role::kParameter, {m, 1, k, k}},
           {Role::kParameter, {m}}}};
}

constexpr std::string_view kBatchNormKeys = "n h w c affine track relu offset";

Shape Image(const ShapeLine& l) { return {l.Get("n", 1), l.Get("h", 1), l.Get("w", 1), l.Get("c", 1)}; }

// offset: added to x, to see what a mean far from zero does to the variance.
InputSpec BatchNormSource(const ShapeLine& l) {
  const double offset = l.Number("offset", 0);
  return {Role::kActivation, Image(l), offset - 1, offset + 1};
}

Problem BuildBatchNormTraining(const ShapeLine& l) {
  const BatchNormTraining op = {.affine = l.Get("affine", 1) != 0, .track = l.Get("track", 1) != 0};
  Problem p = {op, {BatchNormSource(l)}};
  const Shape c = {l.Get("c", 1)};
  if (op.affine) p.inputs.insert(p.inputs.end(), {{Role::kParameter, c, 0.5, 1.5}, {Role::kParameter, c}});
  if (op.track) p.inputs.insert(p.inputs.end(), {{Role::kState, c}, {Role::kState, c, 0.5, 1.5}});
  return p;
}

Problem BuildBatchNormMoments(const ShapeLine& l) {
  const BatchNormMoments op = {.track = l.Get("track", 1) != 0};
  Problem p = {op, {BatchNormSource(l)}};
  const Shape c = {l.Get("c", 1)};
  if (op.track) p.inputs.insert(p.inputs.end(), {{Role::kState, c}, {Role::kState, c, 0.5, 1.5}});
  return p;
}

constexpr std::string_view kNormalizedSumKeys = "n h w c affine terms addends flows total relu hard_swish swish";

std::vector<InputSpec> NormalizedTerms(const ShapeLine& l, bool affine) {
  std::vector<InputSpec> inputs;
  const Shape x = Image(l), c = {x[3]};
  for (int64_t t = 0; t < l.Get("terms", 1); ++t) {
    inputs.insert(inputs.end(),
                  {{Role::kActivation, x, -2, 2}, {Role::kActivation, c}, {Role::kActivation, c, 0.5, 2}});
    if (affine) inputs.insert(inputs.end(), {{Role::kParameter, c, 0.5, 1.5}, {Role::kParameter, c}});
  }
  return inputs;
}

Problem BuildNormalizedSum(const ShapeLine& l) {
  const NormalizedSum op = {static_cast<int32_t>(l.Get("terms", 1)), l.Get("affine", 1) != 0, ActivationOf(l)};
  Problem p = {op, NormalizedTerms(l, op.affine)};
  p.inputs.insert(p.inputs.end(), static_cast<size_t>(l.Get("addends", 0)), {Role::kActivation, Image(l)});
  return p;
}

// flows: tensors that flow in. The total is asked for with several, and where there are addends.
Problem BuildNormalizedSumBackward(const ShapeLine& l) {
  const NormalizedSumBackward op = {static_cast<int32_t>(l.Get("terms", 1)), l.Get("affine", 1) != 0, ActivationOf(l),
                                    l.Has("total")};
  Problem p = {op, NormalizedTerms(l, op.affine)};
  const size_t more = op.first_flow() - p.inputs.size() + static_cast<size_t>(l.Get("flows", 1));
  p.inputs.insert(p.inputs.end(), more, {Role::kActivation, Image(l)});
  return p;
}

// The gradient of a normalised sum takes mean and inv_std for functions of x: fuse_test.cc has it.
bool Never(const Operator&) { return false; }

Problem BuildBatchNormBackward(const ShapeLine& l) {
  const BatchNormBackward op = {.affine = l.Get("affine", 1) != 0};
  const Shape c = {l.Get("c", 1)};
  const double offset = l.Number("offset", 0);
  Problem p = {op,
               {BatchNormSource(l),
                {Role::kActivation, Image(l)},
                {Role::kActivation, c, offset - 0.5, offset + 0.5},
                {Role::kActivation, c, 0.5, 2}}};
  if (op.affine) p.inputs.push_back({Role::kParameter, c, 0.5, 1.5});
  return p;
}

Problem BuildBatchNormInference(const ShapeLine& l) {
  const BatchNormInference op = {.affine = l.Get("affine", 1) != 0, .relu = l.Has("relu")};
  const Shape c = {l.Get("c", 1)};
  Problem p = {op, {BatchNormSource(l)}};
  if (op.affine) p.inputs.insert(p.inputs.end(), {{Role::kParameter, c, 0.5, 1.5}, {Role::kParameter, c}});
  p.inputs.insert(p.inputs.end(), {{Role::kParameter, c}, {Role::kParameter, c, 0.5, 1.5}});
  return p;
}

constexpr std::string_view kElementwiseKeys = "n h w c terms factor";

Problem BuildRelu(const ShapeLine& l) { return {Relu{}, {{Role::kActivation, Image(l), -1, 1, 0.1}}}; }
Problem BuildReluBackward(const ShapeLine& l) {
  return {ReluBackward{}, {{Role::kActivation, Image(l)}, {Role::kActivation, Image(l)}}};
}
Problem BuildAdd(const ShapeLine& l) {
  return {Add{}, std::vector<InputSpec>(static_cast<size_t>(l.Get("terms", 2)), {Role::kActivation, Image(l)})};
}
Problem BuildScale(const ShapeLine& l) {
  return {Scale{.factor = l.Number("factor", 0.1)}, {{Role::kActivation, Image(l)}}};
}
Problem BuildZero(const ShapeLine& l) { return {Zero{}, {{Role::kActivation, Image(l)}}}; }
Problem BuildFill(const ShapeLine& l) { return {Fill{.value = l.Number("factor", 0.1), .shape = Image(l)}, {}}; }
Problem BuildAccumulate(const ShapeLine& l) {
  return {Accumulate{}, {{Role::kState, Image(l)}, {Role::kActivation, Image(l)}}};
}

// An activation that saturates at -3 and 3; 6 is beyond both.
Problem BuildHardSwish(const ShapeLine& l) { return {HardSwish{}, {{Role::kActivation, Image(l), -6, 6, 0, 3}}}; }
Problem BuildHardSwishBackward(const ShapeLine& l) {
  return {HardSwishBackward{}, {{Role::kActivation, Image(l), -6, 6}, {Role::kActivation, Image(l)}}};
}
Problem BuildHardSigmoid(const ShapeLine& l) { return {HardSigmoid{}, {{Role::kActivation, Image(l), -6, 6, 0, 3}}}; }
Problem BuildHardSigmoidBackward(const ShapeLine& l) {
  return {HardSigmoidBackward{}, {{Role::kActivation, Image(l), -6, 6}, {Role::kActivation, Image(l)}}};
}
Problem BuildSwish(const ShapeLine& l) { return {Swish{}, {{Role::kActivation, Image(l), -12, 12}}}; }
Problem BuildSwishBackward(const ShapeLine& l) {
  return {SwishBackward{}, {{Role::kActivation, Image(l), -12, 12}, {Role::kActivation, Image(l)}}};
}
Problem BuildScaleChannels(const ShapeLine& l) {
  const Shape x = Image(l);
  return {ScaleChannels{}, {{Role::kActivation, x}, {Role::kActivation, {x[0], x[3]}}}};
}
Problem BuildScaleChannelsBackwardScale(const ShapeLine& l) {
  return {ScaleChannelsBackwardScale{}, {{Role::kActivation, Image(l)}, {Role::kActivation, Image(l)}}};
}

constexpr std::string_view kKernelTransformKeys = "c k source matrix";

// c: channels. k: the kernel that is made, source: the one that it is the centre of.
struct KernelTransformShape {
  int64_t k, source;
  Shape weights, matrix, transformed;
};

KernelTransformShape KernelTransformOf(const ShapeLine& l) {
  const int64_t c = l.Get("c", 1), k = l.Get("k", 1), source = l.Get("source", 1);
  return {k, source, {c, 1, source, source}, {k * k, k * k}, {c, 1, k, k}};
}
Problem BuildKernelTransform(const ShapeLine& l) {
  const KernelTransformShape t = KernelTransformOf(l);
  const bool matrix = l.Get("matrix", 1) != 0;
  Problem p = {KernelTransform{static_cast<int32_t>(t.k), matrix}, {{Role::kParameter, t.weights}}};
  if (matrix) p.inputs.push_back({Role::kParameter, t.matrix});
  return p;
}
Problem BuildKernelTransformBackwardWeights(const ShapeLine& l) {
  const KernelTransformShape t = KernelTransformOf(l);
  const bool matrix = l.Get("matrix", 1) != 0;
  Problem p = {KernelTransformBackwardWeights{static_cast<int32_t>(t.source), matrix},
               {{Role::kActivation, t.transformed}}};
  if (matrix) p.inputs.push_back({Role::kParameter, t.matrix});
  return p;
}
Problem BuildKernelTransformBackwardMatrix(const ShapeLine& l) {
  const KernelTransformShape t = KernelTransformOf(l);
  return {KernelTransformBackwardMatrix{}, {{Role::kParameter, t.weights}, {Role::kActivation, t.transformed}}};
}

constexpr std::string_view kPoolKeys = "n h w c k s p include_padding";

AvgPool2d PoolOf(const ShapeLine& l) {
  return {static_cast<int32_t>(l.Get("k", 1)), static_cast<int32_t>(l.Get("s", 1)), static_cast<int32_t>(l.Get("p", 0)),
          l.Has("include_padding")};
}
Problem BuildAvgPool2d(const ShapeLine& l) { return {PoolOf(l), {{Role::kActivation, Image(l)}}}; }
Problem BuildAvgPool2dBackward(const ShapeLine& l) {
  const AvgPool2d op = PoolOf(l);
  const Shape src = Image(l);
  const Shape dst = {src[0], (src[1] + 2 * op.padding - op.kernel) / op.stride + 1,
                     (src[2] + 2 * op.padding - op.kernel) / op.stride + 1, src[3]};
  return {AvgPool2dBackward{op.kernel, op.stride, op.padding, op.include_padding, static_cast<int32_t>(src[1]),
                            static_cast<int32_t>(src[2])},
          {{Role::kActivation, dst}}};
}
Problem BuildGlobalAvgPool(const ShapeLine& l) { return {GlobalAvgPool{}, {{Role::kActivation, Image(l)}}}; }
Problem BuildGlobalAvgPoolBackward(const ShapeLine& l) {
  const Shape src = Image(l);
  return {GlobalAvgPoolBackward{static_cast<int32_t>(src[1]), static_cast<int32_t>(src[2])},
          {{Role::kActivation, {src[0], src[3]}}}};
}

constexpr std::string_view kLinearKeys = "n t i o bias wide";

// Rows of features: {n,features}, or {n,t,features} where t is given.
Shape Rows(const ShapeLine& l, int64_t features) {
  if (l.Has("t")) return {l.Get("n", 1), l.Get("t", 1), features};
  return {l.Get("n", 1), features};
}

Problem BuildLinear(const ShapeLine& l) {
  const int64_t i = l.Get("i", 1), o = l.Get("o", 1);
  Problem p = {Linear{l.Has("bias"), l.Has("wide")}, {{Role::kActivation, Rows(l, i)}, {Role::kParameter, {o, i}}}};
  if (l.Has("bias")) p.inputs.push_back({Role::kParameter, {o}});
  return p;
}
Problem BuildLinearBackwardData(const ShapeLine& l) {
  const int64_t i = l.Get("i", 1), o = l.Get("o", 1);
  return {LinearBackwardData{}, {{Role::kActivation, Rows(l, o)}, {Role::kParameter, {o, i}}}};
}
Problem BuildLinearBackwardWeights(const ShapeLine& l) {
  const int64_t i = l.Get("i", 1), o = l.Get("o", 1);
  return {LinearBackwardWeights{l.Has("bias")}, {{Role::kActivation, Rows(l, i)}, {Role::kActivation, Rows(l, o)}}};
}

constexpr std::string_view kLayerNormKeys = "n h w c axes offset";

Problem BuildLayerNorm(const ShapeLine& l) {
  const Shape c = {l.Get("c", 1)};
  return {LayerNorm{.axes = static_cast<int32_t>(l.Get("axes", 1))},
          {BatchNormSource(l), {Role::kParameter, c, 0.5, 1.5}, {Role::kParameter, c}}};
}
Problem BuildLayerNormBackward(const ShapeLine& l) {
  const auto axes = static_cast<int32_t>(l.Get("axes", 1));
  const double offset = l.Number("offset", 0);
  const Shape x = Image(l), groups = {NumElements(x) / std::max<int64_t>(LayerNormGroup(x, axes), 1)};
  return {LayerNormBackward{axes},
          {BatchNormSource(l),
           {Role::kActivation, x},
           {Role::kActivation, groups, offset - 0.5, offset + 0.5},
           {Role::kActivation, groups, 0.5, 2},
           {Role::kParameter, {l.Get("c", 1)}, 0.5, 1.5}}};
}

constexpr std::string_view kLayerScaleKeys = "n h w c rows d row factor";

Problem BuildLayerScale(const ShapeLine& l) {
  return {LayerScale{static_cast<int32_t>(l.Get("row", 0)), l.Number("factor", 1)},
          {{Role::kActivation, Image(l)}, {Role::kParameter, {l.Get("rows", 1), l.Get("d", 1)}}}};
}
Problem BuildLayerScaleBackwardTable(const ShapeLine& l) {
  return {LayerScaleBackwardTable{
              static_cast<int32_t>(l.Get("row", 0)), l.Number("factor", 1), {l.Get("rows", 1), l.Get("d", 1)}},
          {{Role::kActivation, Image(l)}, {Role::kActivation, Image(l)}}};
}

constexpr std::string_view kEmbeddingKeys = "n t rows d padding scale";

// Ids are those of labels: any row of the table.
InputSpec Ids(const ShapeLine& l) { return {Role::kLabels, {l.Get("n", 1), l.Get("t", 1)}, 0, l.Number("rows", 1)}; }
Problem BuildEmbedding(const ShapeLine& l) {
  // With a row that nothing flows into the rule would not be the derivative: EmbeddingBackward is tested with one.
  return {Embedding{.scale = l.Number("scale", 1)}, {Ids(l), {Role::kParameter, {l.Get("rows", 1), l.Get("d", 1)}}}};
}
Problem BuildEmbeddingBackward(const ShapeLine& l) {
  return {EmbeddingBackward{l.Number("scale", 1), static_cast<int32_t>(l.Get("padding", -1)),
                            static_cast<int32_t>(l.Get("rows", 1))},
          {Ids(l), {Role::kActivation, {l.Get("n", 1), l.Get("t", 1), l.Get("d", 1)}}}};
}

Problem BuildAccumulateRows(const ShapeLine& l) {
  return {AccumulateRows{l.Number("scale", 1), static_cast<int32_t>(l.Get("padding", -1))},
          {{Role::kState, {l.Get("rows", 1), l.Get("d", 1)}},
           Ids(l),
           {Role::kActivation, {l.Get("n", 1), l.Get("t", 1), l.Get("d", 1)}}}};
}

constexpr std::string_view kPositionsKeys = "n t columns width rows padding tokens";

// Tokens are few, so that some are padding; then no position is beyond the rows.
Problem BuildSinusoidalPositions(const ShapeLine& l) {
  const auto rows = static_cast<int32_t>(l.Get("rows", 1));
  return {SinusoidalPositions{static_cast<int32_t>(l.Get("columns", 4)), static_cast<int32_t>(l.Get("width", 4)), rows,
                              static_cast<int32_t>(l.Get("padding", 0)), l.Has("tokens")},
          {{Role::kLabels, {l.Get("n", 1), l.Get("t", 1)}, 0, l.Number("tokens", rows)}}};
}

constexpr std::string_view kDropoutKeys = "n h w c rate stream path";

// path: whole images are dropped.
Problem BuildDropout(const ShapeLine& l) {
  const Shape x = Image(l);
  return {Dropout{.rate = l.Number("rate", 0),
                  .stream = static_cast<int32_t>(l.Get("stream", 0)),
                  .group = static_cast<int32_t>(l.Has("path") ? x[1] * x[2] * x[3] : 1)},
          {{Role::kActivation, x}, {Role::kLabels, {1}, 0, 1e9}}};
}

constexpr std::string_view kStoreKeys = "b l t e";

Problem BuildStore(const ShapeLine& l) {
  const int64_t b = l.Get("b", 1), room = l.Get("l", 1), t = l.Get("t", 1), e = l.Get("e", 1);
  return {Store{},
          {{Role::kState, {b, room, e}},
           {Role::kActivation, {b, t, e}},
           {Role::kLabels, {1}, 0, static_cast<double>(room - t + 1)}}};
}

constexpr std::string_view kConcatKeys = "n h w c axis terms growth begin count";

Problem BuildConcat(const ShapeLine& l) {
  Problem p = {Concat{static_cast<int32_t>(l.Get("axis", 0))}, {}};
  Shape shape = Image(l);
  for (int64_t i = 0; i < l.Get("terms", 2); ++i) {
    p.inputs.push_back({Role::kActivation, shape});
    shape[static_cast<size_t>(l.Get("axis", 0))] += l.Get("growth", 1);
  }
  return p;
}
Problem BuildPart(const ShapeLine& l) {
  return {Part{static_cast<int32_t>(l.Get("axis", 0)), static_cast<int32_t>(l.Get("begin", 0)),
               static_cast<int32_t>(l.Get("count", 1))},
          {{Role::kActivation, Image(l)}}};
}

constexpr std::string_view kResizeKeys = "n h w c to_h to_w";

Problem BuildResize(const ShapeLine& l) {
  return {Resize{static_cast<int32_t>(l.Get("to_h", 1)), static_cast<int32_t>(l.Get("to_w", 1))},
          {{Role::kActivation, Image(l)}}};
}

constexpr std::string_view kAttentionKeys = "b n t s heads e f causal r rate stream";

// q, k, v, ids and seed; of the 4 ids one masks its key. Queries are small, so that scores are.
std::vector<InputSpec> AttentionInputs(const ShapeLine& l) {
  const int64_t b = l.Get("b", 1), s = l.Get("s", 1), e = l.Get("e", 1);
  std::vector<InputSpec> inputs = {{Role::kActivation, {b * l.Get("n", 1), l.Get("t", 1), e}, -0.5, 0.5},
                                   {Role::kActivation, {b, s, e}},
                                   {Role::kActivation, {b, s, l.Get("f", 1)}}};
  if (l.Has("r")) inputs.push_back({Role::kLabels, {b, l.Get("r", 1)}, 0, 4});
  if (l.Number("rate", 0) > 0) inputs.push_back({Role::kLabels, {1}, 0, 1e9});
  return inputs;
}
Problem BuildAttention(const ShapeLine& l) {
  return {Attention{.heads = static_cast<int32_t>(l.Get("heads", 1)),
                    .causal = l.Has("causal"),
                    .masked = l.Has("r"),
                    .padding = 3,
                    .rate = l.Number("rate", 0),
                    .stream = static_cast<int32_t>(l.Get("stream", 0))},
          AttentionInputs(l)};
}
// The sums of exponentials are larger than those of the scores can be: probabilities are below 1.
Problem BuildAttentionBackward(const ShapeLine& l) {
  const auto heads = static_cast<int32_t>(l.Get("heads", 1));
  const int64_t b = l.Get("b", 1), n = l.Get("n", 1), t = l.Get("t", 1);
  const Shape y = {b * n, t, l.Get("f", 1)};
  Problem p = {AttentionBackward{.heads = heads,
                                 .causal = l.Has("causal"),
                                 .masked = l.Has("r"),
                                 .padding = 3,
                                 .rate = l.Number("rate", 0),
                                 .stream = static_cast<int32_t>(l.Get("stream", 0))},
               AttentionInputs(l)};
  p.inputs.insert(p.inputs.end(),
                  {{Role::kActivation, y}, {Role::kActivation, {b, heads, n * t}, 5, 6}, {Role::kActivation, y}});
  return p;
}

constexpr std::string_view kTalkingHeadsKeys = "n h w heads e f window";

Problem BuildTalkingHeads(const ShapeLine& l) {
  const int64_t n = l.Get("n", 1), h = l.Get("h", 1), w = l.Get("w", 1), heads = l.Get("heads", 1);
  const int64_t side = 2 * l.Get("window", 1) - 1;
  const Shape keys = {n, h, w, l.Get("e", 1)};
  return {TalkingHeads{static_cast<int32_t>(l.Get("window", 1))},
          {{Role::kActivation, keys},
           {Role::kActivation, keys},
           {Role::kActivation, {n, h, w, l.Get("f", 1)}},
           {Role::kParameter, {side * side, heads}},
           {Role::kParameter, {heads, heads}},
           {Role::kParameter, {heads}},
           {Role::kParameter, {heads, heads}},
           {Role::kParameter, {heads}}}};
}
Problem BuildTalkingHeadsBackward(const ShapeLine& l) {
  Problem p = BuildTalkingHeads(l);
  p.op = TalkingHeadsBackward{static_cast<int32_t>(l.Get("window", 1))};
  p.inputs.push_back({Role::kActivation, p.inputs[2].shape});
  return p;
}

constexpr std::string_view kLossKeys = "n t k smoothing range ignored sum";

// One for each row.
InputSpec RowLabels(const ShapeLine& l) {
  Shape shape = Rows(l, 1);
  shape.pop_back();
  return {Role::kLabels, shape, 0, l.Number("k", 2)};
}
Problem BuildSoftmaxCrossEntropy(const ShapeLine& l) {
  const double range = l.Number("range", 3);
  return {SoftmaxCrossEntropy{l.Number("smoothing", 0), static_cast<int32_t>(l.Get("ignored", -1)), l.Has("sum")},
          {{Role::kActivation, Rows(l, l.Get("k", 2)), -range, range}, RowLabels(l)}};
}
Problem BuildSoftmaxCrossEntropyBackward(const ShapeLine& l) {
  return {
      SoftmaxCrossEntropyBackward{l.Number("smoothing", 0), static_cast<int32_t>(l.Get("ignored", -1)), l.Has("sum")},
      {{Role::kActivation, Rows(l, l.Get("k", 2)), 0, 1}, RowLabels(l), {Role::kActivation, {}, 0.5, 2}}};
}

// Targets add up to at most 1. They are states here: constants, without gradient.
InputSpec Targets(int64_t n, int64_t k) { return {Role::kState, {n, k}, 0, 1 / static_cast<double>(k)}; }
Problem BuildSoftTargetCrossEntropy(const ShapeLine& l) {
  const int64_t n = l.Get("n", 1), k = l.Get("k", 2);
  const double range = l.Number("range", 3);
  return {SoftTargetCrossEntropy{}, {{Role::kActivation, {n, k}, -range, range}, Targets(n, k)}};
}
Problem BuildSoftTargetCrossEntropyBackward(const ShapeLine& l) {
  const int64_t n = l.Get("n", 1), k = l.Get("k", 2);
  return {SoftTargetCrossEntropyBackward{},
          {{Role::kActivation, {n, k}, 0, 1}, Targets(n, k), {Role::kActivation, {}, 0.5, 2}}};
}

Problem BuildAdaptiveTargets(const ShapeLine& l) {
  const int64_t n = l.Get("n", 1), k = l.Get("k", 2);
  const double range = l.Number("range", 3);
  return {AdaptiveTargets{}, {{Role::kActivation, {n, k}, -range, range}, {Role::kActivation, {n, k}, -range, range}}};
}

constexpr std::string_view kConvertKeys = "n h w c to_float";

Problem BuildConvert(const ShapeLine& l) {
  const bool widens = l.Has(kBfloatKey) || l.Has(kFloatKey);
  const DType narrow = l.Has("to_float") ? DType::kF16 : DType::kBf16;
  return {Convert{.to = widens ? DType::kF32 : narrow}, {{Role::kActivation, Image(l)}}};
}

bool IsUnfused(const Operator& op) {
  const auto& conv = std::get<Conv2d>(op);
  return !conv.has_addend && conv.activation == Activation::kNone;
}

}  // namespace

const std::vector<OperatorCase>& OperatorCases() {
  // Gradient steps: linear and bilinear operators are exact under any central difference, so the step is large there
  // and rounding small; the others lose h^2 times a third derivative of order 1 to truncation and 1e-16 / h to
  // rounding.
  constexpr double kLinear = 0.05, kSmooth = 1e-5;
  static const std::vector<OperatorCase> cases = {
      {"conv2d", "conv2d", kConvKeys, BuildConv2d, OfSums, {}, kLinear, IsUnfused},
      {"convert", "convert", kConvertKeys, BuildConvert, Exact, {}, kLinear},
      {"conv2d_backward_data", "conv2d", kConvKeys, BuildConv2dBackwardData, OfSums},
      {"conv2d_backward_weights", "conv2d", kConvKeys, BuildConv2dBackwardWeights, OfSums},
      {"expand_depthwise", "expand_depthwise", kExpandDepthwiseKeys, BuildExpandDepthwise, OfExpandDepthwise},
      {"batch_norm_training", "batch_norm", kBatchNormKeys, BuildBatchNormTraining, OfBatchNormTraining, {}, kSmooth},
      {"batch_norm_backward", "batch_norm", kBatchNormKeys, BuildBatchNormBackward, OfBatchNormBackward, {1}},
      {"batch_norm_moments", "batch_norm", kBatchNormKeys, BuildBatchNormMoments, OfBatchNormMoments},
      {"normalized_sum",
       "normalized_sum",
       kNormalizedSumKeys,
       BuildNormalizedSum,
       OfNormalizedSum,
       {0},
       kSmooth,
       Never},
      {"normalized_sum_backward",
       "normalized_sum",
       kNormalizedSumKeys,
       BuildNormalizedSumBackward,
       OfNormalizedSumBackward,
       {0}},
      {"batch_norm_inference",
       "batch_norm_inference",
       kBatchNormKeys,
       BuildBatchNormInference,
       OfBatchNormInference,
       {0}},
      {"relu", "elementwise", kElementwiseKeys, BuildRelu, Exact, {0}, kLinear},
      {"relu_backward", "elementwise", kElementwiseKeys, BuildReluBackward, Exact, {1}},
      {"add", "elementwise", kElementwiseKeys, BuildAdd, OfSums, {0}, kLinear},
      {"scale", "elementwise", kElementwiseKeys, BuildScale, Rounded, {0}, kLinear},
      {"zero", "elementwise", kElementwiseKeys, BuildZero, Exact},
      {"fill", "elementwise", kElementwiseKeys, BuildFill, Rounded},
      {"accumulate", "elementwise", kElementwiseKeys, BuildAccumulate, OfSums},
      {"hard_swish", "elementwise", kElementwiseKeys, BuildHardSwish, RoundedOften, {0}, kSmooth},
      {"hard_swish_backward", "elementwise", kElementwiseKeys, BuildHardSwishBackward, RoundedOften, {1}},
      {"hard_sigmoid", "elementwise", kElementwiseKeys, BuildHardSigmoid, RoundedOften, {0}, kSmooth},
      {"hard_sigmoid_backward", "elementwise", kElementwiseKeys, BuildHardSigmoidBackward, RoundedOften, {1}},
      {"swish", "elementwise", kElementwiseKeys, BuildSwish, OfSwish, {0}, kSmooth},
      {"swish_backward", "elementwise", kElementwiseKeys, BuildSwishBackward, OfSwishBackward, {1}},
      {"layer_norm", "layer_norm", kLayerNormKeys, BuildLayerNorm, OfLayerNorm, {0}, kSmooth},
      {"layer_norm_backward", "layer_norm", kLayerNormKeys, BuildLayerNormBackward, OfLayerNormBackward, {1}},
      {"layer_scale", "layer_scale", kLayerScaleKeys, BuildLayerScale, RoundedOften, {0}, kLinear},
      {"layer_scale_backward_table", "layer_scale", kLayerScaleKeys, BuildLayerScaleBackwardTable, OfSums},
      {"attention", "attention", kAttentionKeys, BuildAttention, OfAttention, {}, kSmooth},
      {"attention_backward", "attention", kAttentionKeys, BuildAttentionBackward, OfAttentionBackward},
      {"talking_heads", "talking_heads", kTalkingHeadsKeys, BuildTalkingHeads, OfTalkingHeads, {}, kSmooth},
      {"talking_heads_backward", "talking_heads", kTalkingHeadsKeys, BuildTalkingHeadsBackward, OfTalkingHeadsBackward},
      {"embedding", "embedding", kEmbeddingKeys, BuildEmbedding, Rounded, {}, kLinear},
      {"embedding_backward", "embedding", kEmbeddingKeys, BuildEmbeddingBackward, OfSums},
      {"accumulate_rows", "embedding", kEmbeddingKeys, BuildAccumulateRows, OfSums},
      {"sinusoidal_positions", "positions", kPositionsKeys, BuildSinusoidalPositions, Rounded},
      {"dropout", "dropout", kDropoutKeys, BuildDropout, Rounded, {0}, kLinear},
      {"store", "store", kStoreKeys, BuildStore, Exact},
      {"concat", "concat", kConcatKeys, BuildConcat, Exact, {}, kLinear},
      {"part", "concat", kConcatKeys, BuildPart, Exact},
      {"resize", "resize", kResizeKeys, BuildResize, OfResize},
      {"scale_channels", "elementwise", kElementwiseKeys, BuildScaleChannels, Rounded, {0}, kLinear},
      {"scale_channels_backward_scale", "elementwise", kElementwiseKeys, BuildScaleChannelsBackwardScale, OfSums},
      {"kernel_transform", "kernel_transform", kKernelTransformKeys, BuildKernelTransform, OfSums, {}, kLinear},
      {"kernel_transform_backward_weights", "kernel_transform", kKernelTransformKeys,
       BuildKernelTransformBackwardWeights, OfSums},
      {"kernel_transform_backward_matrix", "kernel_transform", kKernelTransformKeys, BuildKernelTransformBackwardMatrix,
       OfSums},
      {"avg_pool2d", "avg_pool2d", kPoolKeys, BuildAvgPool2d, OfSums, {}, kLinear},
      {"avg_pool2d_backward", "avg_pool2d", kPoolKeys, BuildAvgPool2dBackward, OfSums},
      {"global_avg_pool", "global_avg_pool", kPoolKeys, BuildGlobalAvgPool, OfSums, {}, kLinear},
      {"global_avg_pool_backward", "global_avg_pool", kPoolKeys, BuildGlobalAvgPoolBackward, OfSums},
      {"linear", "linear", kLinearKeys, BuildLinear, OfSums, {}, kLinear},
      {"linear_backward_data", "linear", kLinearKeys, BuildLinearBackwardData, OfSums},
      {"linear_backward_weights", "linear", kLinearKeys, BuildLinearBackwardWeights, OfSums},
      {"softmax_cross_entropy",
       "softmax_cross_entropy",
       kLossKeys,
       BuildSoftmaxCrossEntropy,
       OfCrossEntropy,
       {},
       kSmooth},
      {"softmax_cross_entropy_backward", "softmax_cross_entropy", kLossKeys, BuildSoftmaxCrossEntropyBackward,
       OfCrossEntropyBackward},
      {"soft_target_cross_entropy",
       "softmax_cross_entropy",
       kLossKeys,
       BuildSoftTargetCrossEntropy,
       OfCrossEntropy,
       {},
       kSmooth},
      {"soft_target_cross_entropy_backward", "softmax_cross_entropy", kLossKeys, BuildSoftTargetCrossEntropyBackward,
       OfCrossEntropyBackward},
      {"adaptive_targets", "softmax_cross_entropy", kLossKeys, BuildAdaptiveTargets, OfAdaptiveTargets},
  };
  return cases;
}

Problem BuildProblem(const OperatorCase& entry, const ShapeLine& line) {
  Problem problem = entry.build(line);
  if (line.Has(kBfloatKey)) problem.compute = DType::kBf16;
  if (line.Has(kFloatKey)) problem.compute = DType::kF16;
  return problem;
}

std::string KeysOf(const OperatorCase& entry) { return fmt::format("{} {} {}", entry.keys, kBfloatKey, kFloatKey); }

Bounds BoundsOf(const OperatorCase& entry, const Problem& problem, const Tensors& inputs, const Tensors& results) {
  Bounds bounds = entry.bound(problem, inputs, results);
  const bool copies = entry.bound == Exact && !std::holds_alternative<Convert>(problem.op);
  return copies ? bounds : WithRounding(problem, std::move(bounds), results);
}

const OperatorCase* FindOperatorCase(std::string_view name) {
  const std::vector<OperatorCase>& cases = OperatorCases();
  const auto it = std::find_if(cases.begin(), cases.end(), [&](const OperatorCase& c) { return c.name == name; });
  return it == cases.end() ? nullptr : &*it;
}

absl::StatusOr<Problem> ParseProblem(std::string_view line, double most_bytes) {
  const size_t begin = std::min(line.find_first_not_of(" \t\r"), line.size());
  const size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
  const std::string name(line.substr(begin, end - begin));
  const OperatorCase* entry = FindOperatorCase(name);
  if (entry == nullptr) {
    std::string names;
    for (const OperatorCase& c : OperatorCases()) names.append(names.empty() ? "" : ", ").append(c.name);
    return absl::InvalidArgumentError(
        fmt::format("column {}: unknown operator \"{}\", expected one of {}", begin + 1, name, names));
  }
  auto shape = ShapeLine::Parse(line.substr(end), KeysOf(*entry), static_cast<int>(end) + 1);
  if (!shape.ok()) return shape.status();
  Problem problem = BuildProblem(*entry, *shape);
  if (problem.compute != DType::kF32 && !TakesLow(problem.op)) {
    return OperatorError(name, "expected neither bfloat16 nor float16, it has none");
  }
  if (shape->Has(kBfloatKey) && shape->Has(kFloatKey)) {
    return OperatorError(name, "bfloat16 and float16, expected one of the two");
  }
  if (auto s = CheckProblem(problem, most_bytes); !s.ok()) return s;
  return problem;
}

}  // namespace mathnas::kernels::testing
