#include "tests/kernels/operator_cases.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/strings/str_split.h"
#include "fmt/format.h"
#include "kernels/status.h"

namespace mathnas::kernels::testing {
namespace {

using Role = InputSpec::Role;

constexpr std::string_view kConvKeys = "n h w i o k kh kw s p g bias addend relu hard_swish";

// n, h, w: the source. i, o: channels. k (or kh and kw): kernel. s: stride, p: padding, g: groups.
struct ConvShape {
  Conv2d op;
  Shape src, weights, dst;
};

ConvShape ConvOf(const ShapeLine& l) {
  const int64_t kh = l.Get("kh", l.Get("k", 1)), kw = l.Get("kw", l.Get("k", 1));
  ConvShape c;
  c.op = {.stride = static_cast<int32_t>(l.Get("s", 1)),
          .padding = static_cast<int32_t>(l.Get("p", 0)),
          .groups = static_cast<int32_t>(l.Get("g", 1)),
          .has_bias = l.Has("bias"),
          .has_addend = l.Has("addend"),
          .activation = l.Has("hard_swish") ? Activation::kHardSwish
                        : l.Has("relu")     ? Activation::kRelu
                                            : Activation::kNone};
  c.src = {l.Get("n", 1), l.Get("h", 1), l.Get("w", 1), l.Get("i", 1)};
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
Problem BuildScaleChannels(const ShapeLine& l) {
  const Shape x = Image(l);
  return {ScaleChannels{}, {{Role::kActivation, x}, {Role::kActivation, {x[0], x[3]}}}};
}
Problem BuildScaleChannelsBackwardScale(const ShapeLine& l) {
  return {ScaleChannelsBackwardScale{}, {{Role::kActivation, Image(l)}, {Role::kActivation, Image(l)}}};
}

constexpr std::string_view kKernelTransformKeys = "c k source";

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
  return {KernelTransform{static_cast<int32_t>(t.k)}, {{Role::kParameter, t.weights}, {Role::kParameter, t.matrix}}};
}
Problem BuildKernelTransformBackwardWeights(const ShapeLine& l) {
  const KernelTransformShape t = KernelTransformOf(l);
  return {KernelTransformBackwardWeights{static_cast<int32_t>(t.source)},
          {{Role::kActivation, t.transformed}, {Role::kParameter, t.matrix}}};
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

constexpr std::string_view kLinearKeys = "n i o bias";

Problem BuildLinear(const ShapeLine& l) {
  const int64_t n = l.Get("n", 1), i = l.Get("i", 1), o = l.Get("o", 1);
  Problem p = {Linear{l.Has("bias")}, {{Role::kActivation, {n, i}}, {Role::kParameter, {o, i}}}};
  if (l.Has("bias")) p.inputs.push_back({Role::kParameter, {o}});
  return p;
}
Problem BuildLinearBackwardData(const ShapeLine& l) {
  const int64_t n = l.Get("n", 1), i = l.Get("i", 1), o = l.Get("o", 1);
  return {LinearBackwardData{}, {{Role::kActivation, {n, o}}, {Role::kParameter, {o, i}}}};
}
Problem BuildLinearBackwardWeights(const ShapeLine& l) {
  const int64_t n = l.Get("n", 1), i = l.Get("i", 1), o = l.Get("o", 1);
  return {LinearBackwardWeights{l.Has("bias")}, {{Role::kActivation, {n, i}}, {Role::kActivation, {n, o}}}};
}

constexpr std::string_view kLossKeys = "n k smoothing range";

Problem BuildSoftmaxCrossEntropy(const ShapeLine& l) {
  const int64_t n = l.Get("n", 1), k = l.Get("k", 2);
  const double range = l.Number("range", 3);
  return {SoftmaxCrossEntropy{l.Number("smoothing", 0)},
          {{Role::kActivation, {n, k}, -range, range}, {Role::kLabels, {n}, 0, static_cast<double>(k)}}};
}
Problem BuildSoftmaxCrossEntropyBackward(const ShapeLine& l) {
  const int64_t n = l.Get("n", 1), k = l.Get("k", 2);
  return {SoftmaxCrossEntropyBackward{l.Number("smoothing", 0)},
          {{Role::kActivation, {n, k}, 0, 1},
           {Role::kLabels, {n}, 0, static_cast<double>(k)},
           {Role::kActivation, {}, 0.5, 2}}};
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
      {"conv2d_backward_data", "conv2d", kConvKeys, BuildConv2dBackwardData, OfSums},
      {"conv2d_backward_weights", "conv2d", kConvKeys, BuildConv2dBackwardWeights, OfSums},
      {"batch_norm_training", "batch_norm", kBatchNormKeys, BuildBatchNormTraining, OfBatchNormTraining, {}, kSmooth},
      {"batch_norm_backward", "batch_norm", kBatchNormKeys, BuildBatchNormBackward, OfBatchNormBackward, {1}},
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
  };
  return cases;
}

absl::StatusOr<ShapeLine> ShapeLine::Parse(std::string_view text, std::string_view keys) {
  ShapeLine line;
  const std::vector<std::string> known = absl::StrSplit(absl::string_view(keys.data(), keys.size()), ' ');
  const std::vector<std::string> words =
      absl::StrSplit(absl::string_view(text.data(), text.size()), absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    char* end = nullptr;
    const double value = equals == std::string::npos ? 0 : std::strtod(word.c_str() + equals + 1, &end);
    if (end == nullptr || *end != '\0' || end == word.c_str() + equals + 1 ||
        std::find(known.begin(), known.end(), key) == known.end()) {
      return absl::InvalidArgumentError(fmt::format("\"{}\": expected key=number with a key out of: {}", word, keys));
    }
    line.values_[key] = value;
    std::string part = word;
    part.erase(equals, 1);
    std::replace_if(
        part.begin(), part.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
    line.name_ += (line.name_.empty() ? "" : "_") + part;
  }
  return line;
}

double ShapeLine::Number(std::string_view key, double otherwise) const {
  const auto it = values_.find(key);
  return it == values_.end() ? otherwise : it->second;
}

absl::StatusOr<std::vector<ShapeLine>> ReadShapes(std::string_view name, std::string_view keys) {
  const std::string path = fmt::format("{}/{}.txt", MATHNAS_TEST_SHAPES, name);
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(fmt::format("{}: cannot be read", path));
  std::vector<ShapeLine> lines;
  std::string text;
  for (int number = 1; std::getline(file, text); ++number) {
    text = text.substr(0, text.find('#'));
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto line = ShapeLine::Parse(text, keys);
    if (!line.ok()) return Annotate(line.status(), fmt::format("{}:{}", path, number));
    lines.push_back(*std::move(line));
  }
  return lines;
}

std::vector<OperatorShape> AllOperatorShapes() {
  std::vector<OperatorShape> shapes;
  for (const OperatorCase& entry : OperatorCases()) {
    auto lines = ReadShapes(entry.shapes, entry.keys);
    if (!lines.ok()) continue;
    for (ShapeLine& line : *lines) shapes.push_back({&entry, std::move(line)});
  }
  return shapes;
}

std::vector<OperatorShape> DifferentiableShapes() {
  std::vector<OperatorShape> shapes = AllOperatorShapes();
  std::erase_if(shapes, [](const OperatorShape& s) {
    return s.entry->gradient_step == 0 || (s.entry->has_gradient != nullptr && !s.entry->has_gradient(s.problem().op));
  });
  return shapes;
}

}  // namespace mathnas::kernels::testing
