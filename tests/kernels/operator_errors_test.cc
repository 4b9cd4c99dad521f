// Shape rules: what they refuse, and whether the message says what was wrong and what was expected.
#include <cmath>
#include <string>

#include "gtest/gtest.h"
#include "kernels/graph.h"
#include "kernels/ops/operator.h"
#include "kernels/status.h"

namespace mathnas::kernels {
namespace {

struct ErrorCase {
  const char* name;
  Operator op;
  std::vector<TensorDesc> inputs;
  std::vector<std::string> words;  // that the message must have
};

TensorDesc F(const Shape& shape) { return {DType::kF32, shape}; }
TensorDesc I(const Shape& shape) { return {DType::kI64, shape}; }

std::vector<ErrorCase> Cases() {
  return {
      {"ScaleChannelsScale", ScaleChannels{}, {F({2, 4, 4, 8}), F({2, 4})}, {"scale_channels", "2x4", "expected 2x8"}},
      {"ScaleChannelsBackward",
       ScaleChannelsBackwardScale{},
       {F({2, 4, 4, 8}), F({2, 4, 3, 8})},
       {"scale_channels_backward_scale", "2x4x3x8", "expected 2x4x4x8"}},
      {"HardSwishBackward", HardSwishBackward{}, {F({4}), F({5})}, {"hard_swish_backward", "diff_y", "expected 4"}},
      {"KernelTransformEven", KernelTransform{4}, {F({8, 1, 7, 7}), F({16, 16})}, {"8x1x7x7", "4 x 4", "Cx1xKxK"}},
      {"KernelTransformLarge", KernelTransform{9}, {F({8, 1, 7, 7}), F({81, 81})}, {"8x1x7x7", "9 x 9"}},
      {"KernelTransformDense", KernelTransform{5}, {F({8, 2, 7, 7}), F({25, 25})}, {"8x2x7x7", "Cx1xKxK"}},
      {"KernelTransformMatrix", KernelTransform{5}, {F({8, 1, 7, 7}), F({9, 9})}, {"matrix is 9x9", "expected 25x25"}},
      {"KernelTransformBackwardWeights",
       KernelTransformBackwardWeights{4},
       {F({8, 1, 3, 3}), F({9, 9})},
       {"8x1x4x4", "3 x 3"}},
      {"KernelTransformBackwardMatrix",
       KernelTransformBackwardMatrix{},
       {F({8, 1, 5, 5}), F({7, 1, 3, 3})},
       {"diff_y is 7x1x3x3", "expected 8x1x3x3"}},
      {"ConvInputs", Conv2d{}, {F({1, 4, 4, 8})}, {"conv2d", "1 inputs", "expected 2"}},
      {"ConvRank", Conv2d{}, {F({4, 4, 8}), F({8, 8, 1, 1})}, {"conv2d", "input 0", "4x4x8", "rank 4"}},
      {"ConvChannels", Conv2d{}, {F({1, 4, 4, 8}), F({8, 4, 1, 1})}, {"conv2d", "8x4x1x1", "8 channels"}},
      {"ConvGroups", Conv2d{.groups = 3}, {F({1, 4, 4, 9}), F({8, 3, 1, 1})}, {"conv2d", "3 groups"}},
      {"ConvNoGroups", Conv2d{.groups = 0}, {F({1, 4, 4, 8}), F({8, 8, 1, 1})}, {"conv2d", "groups 0", "at least 1"}},
      {"ConvStride", Conv2d{.stride = 0}, {F({1, 4, 4, 8}), F({8, 8, 1, 1})}, {"conv2d", "stride 0"}},
      {"ConvPadding", Conv2d{.padding = -1}, {F({1, 4, 4, 8}), F({8, 8, 1, 1})}, {"conv2d", "padding -1"}},
      {"ConvSmall", Conv2d{}, {F({1, 2, 4, 8}), F({8, 8, 3, 3})}, {"conv2d", "1x2x4x8", "smaller", "3x3"}},
      {"ConvKernel", Conv2d{}, {F({1, 2, 4, 8}), F({8, 8, 0, 3})}, {"conv2d", "0x3"}},
      {"ConvBias", Conv2d{.has_bias = true}, {F({1, 4, 4, 8}), F({4, 8, 1, 1}), F({8})}, {"bias is 8", "expected 4"}},
      {"ConvAddend",
       Conv2d{.has_addend = true},
       {F({1, 4, 4, 8}), F({4, 8, 1, 1}), F({1, 4, 4, 8})},
       {"addend is 1x4x4x8", "expected 1x4x4x4"}},
      {"ConvBackwardData",
       Conv2dBackwardData{.height = 4, .width = 4},
       {F({1, 3, 4, 8}), F({8, 8, 1, 1})},
       {"conv2d_backward_data", "1x3x4x8", "expected 1x4x4x8"}},
      {"ConvBackwardDataGroups",
       Conv2dBackwardData{.groups = 3, .height = 4, .width = 4},
       {F({1, 4, 4, 8}), F({8, 8, 1, 1})},
       {"conv2d_backward_data", "3 groups"}},
      {"ConvBackwardDataNoImage",
       Conv2dBackwardData{.padding = 1, .height = 0, .width = 0},
       {F({1, 2, 2, 8}), F({8, 8, 1, 1})},
       {"conv2d_backward_data", "height 0"}},
      {"ConvBackwardWeights",
       Conv2dBackwardWeights{},
       {F({2, 4, 4, 8}), F({1, 4, 4, 8})},
       {"conv2d_backward_weights", "1x4x4x8", "expected 2x4x4x8"}},
      {"ConvBackwardWeightsGroupsOfSource",
       Conv2dBackwardWeights{.groups = 3},
       {F({2, 4, 4, 8}), F({2, 4, 4, 9})},
       {"conv2d_backward_weights", "groups"}},
      {"ConvBackwardWeightsGroupsOfResult",
       Conv2dBackwardWeights{.groups = 3},
       {F({2, 4, 4, 9}), F({2, 4, 4, 8})},
       {"conv2d_backward_weights", "groups"}},
      {"ConvBackwardWeightsKernel",
       Conv2dBackwardWeights{.kernel_h = 0},
       {F({2, 4, 4, 8}), F({2, 5, 4, 8})},
       {"conv2d_backward_weights", "0x1"}},
      {"BatchNormGamma",
       BatchNormTraining{.track = false},
       {F({1, 2, 2, 8}), F({4}), F({8})},
       {"batch_norm_training", "input 1 is 4", "expected 8"}},
      {"BatchNormInputs", BatchNormTraining{}, {F({1, 2, 2, 8})}, {"batch_norm_training", "1 inputs", "expected 5"}},
      {"BatchNormScalar", BatchNormTraining{.affine = false, .track = false}, {F({})}, {"scalar"}},
      {"BatchNormEmpty", BatchNormTraining{.affine = false, .track = false}, {F({0, 2, 2, 8})}, {"empty batch"}},
      {"BatchNormMomentsInputs",
       BatchNormMoments{},
       {F({1, 2, 2, 8})},
       {"batch_norm_moments", "1 inputs", "expected 3"}},
      {"BatchNormMomentsEmpty", BatchNormMoments{.track = false}, {F({0, 2, 2, 8})}, {"empty batch"}},
      {"NormalizedSumTerms",
       NormalizedSum{.terms = 0, .affine = false},
       {F({2, 8}), F({8}), F({8})},
       {"normalized_sum", "0 terms", "expected 1"}},
      {"NormalizedSumInputs",
       NormalizedSum{.terms = 2, .affine = false},
       {F({2, 8}), F({8}), F({8}), F({2, 8})},
       {"normalized_sum", "4 inputs", "at least 6"}},
      {"NormalizedSumMean",
       NormalizedSum{.affine = false},
       {F({2, 8}), F({4}), F({8})},
       {"normalized_sum", "input 1 is 4", "expected 8"}},
      {"NormalizedSumAddend",
       NormalizedSum{.affine = false},
       {F({2, 8}), F({8}), F({8}), F({8})},
       {"normalized_sum", "input 3 is 8", "expected 2x8"}},
      {"NormalizedSumSwish",
       NormalizedSum{.affine = false, .activation = Activation::kSwish},
       {F({2, 8}), F({8}), F({8}), F({2, 8})},
       {"normalized_sum", "addends with swish"}},
      {"NormalizedSumBackwardFlow",
       NormalizedSumBackward{.affine = false, .activation = Activation::kRelu},
       {F({2, 8}), F({8}), F({8})},
       {"normalized_sum_backward", "3 inputs", "at least 4"}},
      {"NormalizedSumBackwardResult",
       NormalizedSumBackward{.affine = false, .activation = Activation::kRelu, .has_total = true},
       {F({2, 8}), F({8}), F({8}), F({2, 8})},
       {"normalized_sum_backward", "4 inputs", "at least 5"}},
      {"BatchNormBackwardDiff",
       BatchNormBackward{.affine = false},
       {F({1, 2, 2, 8}), F({1, 2, 2, 4}), F({8}), F({8})},
       {"batch_norm_backward", "diff_y is 1x2x2x4", "expected 1x2x2x8"}},
      {"BatchNormInference",
       BatchNormInference{.affine = false},
       {F({1, 2, 2, 8}), F({8}), F({7})},
       {"batch_norm_inference", "input 2 is 7", "expected 8"}},
      {"ReluBackward", ReluBackward{}, {F({4}), F({5})}, {"relu_backward", "diff_y is 5", "expected 4"}},
      {"ReluInputs", Relu{}, {F({4}), F({4})}, {"relu", "2 inputs", "expected 1"}},
      {"AddShapes", Add{}, {F({4}), F({4}), F({2, 2})}, {"add", "input 2 is 2x2", "expected 4"}},
      {"AddNothing", Add{}, {}, {"add", "no inputs"}},
      {"FillInputs", Fill{}, {F({1})}, {"fill", "1 inputs", "expected 0"}},
      {"FillNegative", Fill{.shape = {2, -1}}, {}, {"fill", "2x-1"}},
      {"FillRank", Fill{.shape = {1, 1, 1, 1, 1, 1, 1, 1, 1}}, {}, {"fill", "rank 9", "at most 8"}},
      {"Accumulate", Accumulate{}, {F({4}), F({3})}, {"accumulate", "3", "expected 4"}},
      {"PoolPadding", AvgPool2d{.kernel = 3, .padding = 2}, {F({1, 4, 4, 8})}, {"avg_pool2d", "padding 2", "half"}},
      {"PoolKernel", AvgPool2d{.kernel = 0}, {F({1, 4, 4, 8})}, {"avg_pool2d", "kernel 0", "at least 1"}},
      {"PoolSmall", AvgPool2d{.kernel = 5}, {F({1, 4, 4, 8})}, {"avg_pool2d", "1x4x4x8", "smaller"}},
      {"PoolNoPixels", AvgPool2d{.kernel = 2, .padding = 1}, {F({1, 0, 4, 8})}, {"avg_pool2d", "1x0x4x8"}},
      {"PoolBackward",
       AvgPool2dBackward{.kernel = 2, .stride = 2, .height = 4, .width = 4},
       {F({1, 4, 4, 8})},
       {"avg_pool2d_backward", "1x4x4x8", "expected 1x2x2x8"}},
      {"GlobalPoolNoPixels", GlobalAvgPool{}, {F({1, 0, 4, 8})}, {"global_avg_pool", "no pixels"}},
      {"GlobalPoolBackward", GlobalAvgPoolBackward{}, {F({1, 8})}, {"global_avg_pool_backward", "positive height"}},
      {"LinearWeights",
       Linear{.has_bias = false},
       {F({2, 8}), F({3, 7})},
       {"linear", "weights is 3x7", "expected 3x8"}},
      {"LinearBias", Linear{}, {F({2, 8}), F({3, 8}), F({2})}, {"linear", "bias is 2", "expected 3"}},
      {"LinearBackwardData",
       LinearBackwardData{},
       {F({2, 4}), F({3, 8})},
       {"linear_backward_data", "2x4", "expected 2x3"}},
      {"LinearBackwardWeights",
       LinearBackwardWeights{},
       {F({2, 8}), F({3, 4})},
       {"linear_backward_weights", "3x4", "expected 2x4"}},
      {"LossLabels",
       SoftmaxCrossEntropy{},
       {F({2, 8}), I({3})},
       {"softmax_cross_entropy", "labels is 3", "expected 2"}},
      {"LossLabelType", SoftmaxCrossEntropy{}, {F({2, 8}), F({2})}, {"input 1 is F32", "expected I64"}},
      {"LossSmoothing", SoftmaxCrossEntropy{.label_smoothing = 1}, {F({2, 8}), I({2})}, {"label_smoothing 1"}},
      {"LossEmpty", SoftmaxCrossEntropy{}, {F({0, 8}), I({0})}, {"mean over nothing"}},
      {"LossBackward",
       SoftmaxCrossEntropyBackward{},
       {F({2, 8}), I({2}), F({1})},
       {"softmax_cross_entropy_backward", "input 2", "rank 0"}},
      {"AdaptiveTeacher", AdaptiveTargets{}, {F({2, 8}), F({2, 7})}, {"adaptive_targets", "teacher", "expected 2x8"}},
      {"AdaptiveClip", AdaptiveTargets{.clip = 0}, {F({2, 8}), F({2, 8})}, {"adaptive_targets", "clip 0"}},
      {"LossRows", SoftmaxCrossEntropy{}, {F({}), I({})}, {"softmax_cross_entropy", "scalar"}},
      {"SwishBackward", SwishBackward{}, {F({4}), F({5})}, {"swish_backward", "diff_y", "expected 4"}},
      {"LayerNormAxes", LayerNorm{.axes = 3}, {F({2, 8}), F({8}), F({8})}, {"layer_norm", "axes 3", "2x8"}},
      {"LayerNormNothing", LayerNorm{.axes = 2}, {F({2, 0, 8}), F({8}), F({8})}, {"layer_norm", "2x0x8"}},
      {"LayerNormBeta", LayerNorm{}, {F({2, 8}), F({8}), F({7})}, {"layer_norm", "beta is 7", "expected 8"}},
      {"LayerNormBackwardMean",
       LayerNormBackward{},
       {F({3, 8}), F({3, 8}), F({2}), F({3}), F({8})},
       {"layer_norm_backward", "mean is 2", "expected 3"}},
      {"LayerScaleRow", LayerScale{.row = 6}, {F({2, 4}), F({2, 3, 5})}, {"layer_scale", "row 6", "2x3x5"}},
      {"LayerScaleNarrow", LayerScale{}, {F({2, 4}), F({2, 3})}, {"layer_scale", "2x3", "2x4"}},
      {"LayerScaleTable",
       LayerScaleBackwardTable{.shape = {2, 3}},
       {F({2, 4}), F({2, 4})},
       {"layer_scale_backward_table", "2x3"}},
      {"EmbeddingIds", Embedding{}, {F({2, 4}), F({5, 8})}, {"embedding", "input 0 is F32", "expected I64"}},
      {"EmbeddingTable", Embedding{}, {I({2, 4}), F({5, 8, 1})}, {"embedding", "5x8x1", "rank 2"}},
      {"EmbeddingRows", EmbeddingBackward{.rows = 0}, {I({2}), F({2, 8})}, {"embedding_backward", "rows 0"}},
      {"AccumulateRowsDiff",
       AccumulateRows{},
       {F({5, 8}), I({2}), F({2, 7})},
       {"accumulate_rows", "diff_y is 2x7", "expected 2x8"}},
      {"EmbeddingDiff", EmbeddingBackward{.rows = 4}, {I({2}), F({3, 8})}, {"diff_y is 3x8", "expected 2x8"}},
      {"PositionsIds", SinusoidalPositions{}, {F({2, 4})}, {"sinusoidal_positions", "input 0 is F32", "expected I64"}},
      {"PositionsWidth", SinusoidalPositions{.width = 7}, {I({2})}, {"sinusoidal_positions", "width 7", "even"}},
      {"PositionsNarrow", SinusoidalPositions{.columns = 1, .width = 2}, {I({2})}, {"width 2", "at least 4"}},
      {"PositionsColumns", SinusoidalPositions{.columns = 5}, {I({2})}, {"columns 5", "1 to the width, 4"}},
      {"PositionsNoColumns", SinusoidalPositions{.columns = 0}, {I({2})}, {"columns 0"}},
      {"PositionsRows", SinusoidalPositions{.rows = 0}, {I({2})}, {"rows 0", "at least 1"}},
      {"PositionsLarge", SinusoidalPositions{.width = 1 << 24, .rows = 1 << 24}, {I({2})}, {"rows 16777216"}},
      {"PositionsPadding", SinusoidalPositions{.rows = 4, .padding = 4}, {I({2})}, {"padding 4", "0 to 3"}},
      {"PositionsTokens", SinusoidalPositions{.from_tokens = true}, {I({})}, {"tokens are a scalar"}},
      {"DropoutRate", Dropout{.rate = 1}, {F({2, 4}), I({1})}, {"dropout", "rate 1", "below 1"}},
      {"DropoutNegative", Dropout{.rate = -0.1}, {F({2, 4}), I({1})}, {"dropout", "rate -0.1", "at least 0"}},
      {"DropoutNaN", Dropout{.rate = std::nan("")}, {F({2, 4}), I({1})}, {"dropout", "rate nan"}},
      {"DropoutStream", Dropout{.stream = -1}, {F({2, 4}), I({1})}, {"dropout", "stream -1", "at least 0"}},
      {"DropoutGroup", Dropout{.group = 3}, {F({2, 4}), I({1})}, {"group 3 does not divide the 8 elements of 2x4"}},
      {"DropoutNoGroup", Dropout{.group = 0}, {F({2, 4}), I({1})}, {"dropout", "group 0"}},
      {"DropoutSeed", Dropout{}, {F({2, 4}), I({2})}, {"dropout", "seed is 2", "expected 1"}},
      {"DropoutSeedType", Dropout{}, {F({2, 4}), F({1})}, {"dropout", "input 1 is F32", "expected I64"}},
      {"DropoutDraws", Dropout{}, {F({1 << 17, 1 << 17}), I({1})}, {"17179869184 draws", "at most 4294967296"}},
      {"StoreLong", Store{}, {F({2, 3, 8}), F({2, 4, 8}), I({1})}, {"store", "x is 2x4x8", "2xNx8", "at most 3"}},
      {"StoreBatch", Store{}, {F({2, 3, 8}), F({1, 1, 8}), I({1})}, {"store", "x is 1x1x8", "2xNx8"}},
      {"StoreAt", Store{}, {F({2, 3, 8}), F({2, 1, 8}), I({2})}, {"store", "at is 2", "expected 1"}},
      {"StoreAtType", Store{}, {F({2, 3, 8}), F({2, 1, 8}), F({1})}, {"store", "input 2 is F32", "expected I64"}},
      {"ConcatAxis", Concat{.axis = 2}, {F({2, 4})}, {"concat", "axis 2", "0 to 1"}},
      {"ConcatNothing", Concat{}, {}, {"concat", "no inputs"}},
      {"ConcatShapes", Concat{.axis = 1}, {F({2, 4}), F({3, 4})}, {"concat", "input 1 is 3x4", "expected 2x4"}},
      {"PartEnd", Part{.axis = 1, .begin = 3, .count = 2}, {F({2, 4})}, {"part", "2 from 3", "axis 1 of 2x4"}},
      {"ResizeNothing", Resize{.height = 0}, {F({1, 4, 4, 3})}, {"resize", "4x4 to 0x1", "at least one pixel"}},
      {"AttentionBatch",
       Attention{},
       {F({2, 3, 8}), F({3, 5, 8}), F({3, 5, 8})},
       {"k is 3x5x8", "divides that of q, 2"}},
      {"AttentionNoKeys", Attention{}, {F({2, 3, 8}), F({0, 5, 8}), F({0, 5, 8})}, {"k is 0x5x8", "of q, 2"}},
      {"AttentionKeys", Attention{}, {F({2, 3, 8}), F({2, 5, 6}), F({2, 5, 8})}, {"k is 2x5x6", "expected 2x5x8"}},
      {"AttentionCausal",
       Attention{.causal = true},
       {F({4, 3, 8}), F({2, 5, 8}), F({2, 5, 8})},
       {"4 rows of q share 2 of k", "causal"}},
      {"AttentionRate",
       Attention{.rate = 1},
       {F({2, 3, 8}), F({2, 5, 8}), F({2, 5, 8}), I({1})},
       {"attention", "rate 1"}},
      {"AttentionNegativeRate",
       Attention{.rate = -1},
       {F({2, 3, 8}), F({2, 5, 8}), F({2, 5, 8})},
       {"attention", "rate -1"}},
      {"AttentionSeed",
       Attention{.rate = 0.5},
       {F({2, 3, 8}), F({2, 5, 8}), F({2, 5, 8}), I({2})},
       {"seed is 2", "expected 1"}},
      {"AttentionNoSeed",
       Attention{.rate = 0.5},
       {F({2, 3, 8}), F({2, 5, 8}), F({2, 5, 8})},
       {"3 inputs", "expected 4"}},
      {"AttentionValues", Attention{}, {F({2, 3, 8}), F({2, 5, 8}), F({2, 4, 8})}, {"v is 2x4x8", "expected 2x5x8"}},
      {"AttentionHeads",
       Attention{.heads = 3},
       {F({2, 3, 8}), F({2, 5, 8}), F({2, 5, 9})},
       {"attention", "3 heads do not divide 8"}},
      {"AttentionIds",
       Attention{.masked = true},
       {F({2, 3, 8}), F({2, 5, 8}), F({2, 5, 8}), I({2, 4})},
       {"ids are 2x4", "2xR", "5 keys"}},
      {"AttentionBackward",
       AttentionBackward{},
       {F({2, 3, 8}), F({2, 5, 8}), F({2, 5, 8}), F({2, 3, 8}), F({2, 1, 4}), F({2, 3, 8})},
       {"attention_backward", "log_sums is 2x1x4", "expected 2x1x3"}},
      {"ExpandDepthwisePointwise",
       ExpandDepthwise{},
       {F({1, 4, 4, 3}), F({8, 3, 3, 3}), F({8}), F({8, 1, 3, 3}), F({8})},
       {"expand_depthwise", "expand is 8x3x3x3", "1x1"}},
      {"ExpandDepthwiseChannels",
       ExpandDepthwise{},
       {F({1, 4, 4, 3}), F({8, 3, 1, 1}), F({8}), F({9, 1, 3, 3}), F({9})},
       {"weights are 9x1x3x3", "expected 8x1"}},
      {"ExpandDepthwiseKernel",
       ExpandDepthwise{},
       {F({1, 4, 4, 3}), F({8, 3, 1, 1}), F({8}), F({8, 1, 5, 5}), F({8})},
       {"smaller than the kernel"}},
      {"TalkingHeadsWindow",
       TalkingHeads{.window = 3},
       {F({1, 4, 3, 8}), F({1, 4, 3, 8}), F({1, 4, 3, 8}), F({25, 1}), F({1, 1}), F({1}), F({1, 1}), F({1})},
       {"talking_heads", "4x3", "window of 3"}},
      {"TalkingHeadsTable",
       TalkingHeads{.window = 3},
       {F({1, 3, 3, 8}), F({1, 3, 3, 8}), F({1, 3, 3, 8}), F({9, 1}), F({1, 1}), F({1}), F({1, 1}), F({1})},
       {"table is 9x1", "expected 25x1"}},
      {"TalkingHeadsMix",
       TalkingHeads{.window = 3},
       {F({1, 3, 3, 8}), F({1, 3, 3, 8}), F({1, 3, 3, 8}), F({25, 2}), F({2, 2}), F({2}), F({2, 1}), F({2})},
       {"after is 2x1", "expected 2x2"}},
      {"TalkingHeadsHeads",
       TalkingHeads{.window = 3},
       {F({1, 3, 3, 8}), F({1, 3, 3, 8}), F({1, 3, 3, 8}), F({25, 3}), F({3, 3}), F({3}), F({3, 3}), F({3})},
       {"3 heads do not divide 8"}},
      {"LabelsAsNumbers", Relu{}, {I({2})}, {"relu", "input 0", "I64"}},
      {"LabelsAsBias", Linear{}, {F({2, 8}), F({3, 8}), I({3})}, {"linear", "input 2", "I64"}},
  };
}

class OperatorErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(OperatorErrors, SayWhatIsWrong) {
  const ErrorCase& c = GetParam();
  const auto outputs = std::visit([&](const auto& op) { return InferOutputs(op, c.inputs); }, c.op);
  ASSERT_FALSE(outputs.ok());
  EXPECT_EQ(outputs.status().code(), absl::StatusCode::kInvalidArgument);
  for (const std::string& word : c.words) {
    EXPECT_NE(Message(outputs.status()).find(word), std::string::npos)
        << "\"" << word << "\" is not in: " << Message(outputs.status());
  }
}

INSTANTIATE_TEST_SUITE_P(Operators, OperatorErrors, ::testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param.name; });

// A fused convolution exists for inference only.
TEST(OperatorGradients, FusedConvolutionHasNone) {
  Graph g;
  const Value x = g.Input("x", {1, 2, 2, 4}), w = g.Parameter("w", {4, 4, 1, 1});
  const Values y = g.Apply(Conv2d{.activation = Activation::kRelu}, {x, w});
  const Value dy = g.Input("dy", {1, 2, 2, 4});
  Gradient(Conv2d{.activation = Activation::kRelu}, GradientRequest{g, Values{x, w}, y, Values{dy}, {}});
  EXPECT_NE(Message(g.status()).find("before fusing"), std::string::npos) << Message(g.status());
}

// The statistics of a batch and the probabilities are outputs for the backward pass: a loss that reads them would get a
// wrong gradient, so it is refused.
TEST(OperatorGradients, SideOutputsCannotBeDifferentiated) {
  {
    Graph g;
    const Value x = g.Parameter("x", {4, 2, 2, 8}), dmean = g.Input("dmean", {8}), dy = g.Input("dy", {4, 2, 2, 8});
    const BatchNormTraining op = {.affine = false, .track = false};
    const Values y = g.Apply(op, {x});
    Gradient(op, GradientRequest{g, Values{x}, y, Values{dy, dmean, Value{}}, {}});
    EXPECT_NE(Message(g.status()).find("batch_norm_training"), std::string::npos) << Message(g.status());
  }
  {
    Graph g;
    const Value x = g.Parameter("x", {4, 8}), labels = g.Labels("labels", 4), dp = g.Input("dp", {4, 8});
    const SoftmaxCrossEntropy op;
    const Values y = g.Apply(op, {x, labels});
    Gradient(op, GradientRequest{g, Values{x, labels}, y, Values{Value{}, dp}, {}});
    EXPECT_NE(Message(g.status()).find("softmax_cross_entropy"), std::string::npos) << Message(g.status());
  }
}

TEST(OperatorErrors, StoreIntoWhatIsNoState) {
  const auto error = [](ValueKind kind, bool itself) {
    Graph g;
    const Value x = g.Input("x", {2, 3, 4}), at = g.Integers("at", {1});
    const Value state = kind == ValueKind::kState       ? g.State("s", {2, 3, 4})
                        : kind == ValueKind::kParameter ? g.Parameter("s", {2, 3, 4})
                        : kind == ValueKind::kInput     ? g.Input("s", {2, 3, 4})
                                                        : g.Apply(Relu{}, {x})[0];
    g.Apply(Store{}, {state, itself ? Leading(g, state, 2, 2) : x, at});
    return std::string(Message(g.status()));
  };
  EXPECT_EQ(error(ValueKind::kState, false), "");
  EXPECT_EQ(error(ValueKind::kParameter, false), "store: input 0 is no state");
  EXPECT_EQ(error(ValueKind::kInput, false), "store: input 0 is no state");
  EXPECT_EQ(error(ValueKind::kComputed, false), "store: input 0 is no state");
  EXPECT_EQ(error(ValueKind::kState, true), "store: x is a part of the state that it is stored in");
}

TEST(OperatorErrors, Slice) {
  const auto error = [](Slice op, Shape shape, bool leaf = true) {
    Graph g;
    const Value x = g.Parameter("x", std::move(shape));
    g.Apply(op, {leaf ? x : g.Apply(Relu{}, {x})[0]});
    return std::string(Message(g.status()));
  };
  EXPECT_EQ(error({.begin = 2, .rows = 3, .columns = 4}, {5, 4, 3}), "");
  EXPECT_EQ(error({.begin = 2, .rows = 4}, {5, 4}), "slice: rows 2 to 6 and columns to 0 (0: all) are not within 5x4");
  EXPECT_EQ(error({.rows = 0}, {5}), "slice: rows 0 to 0 and columns to 0 (0: all) are not within 5");
  EXPECT_EQ(error({.rows = 1, .columns = 1}, {5}), "slice: rows 0 to 1 and columns to 1 (0: all) are not within 5");
  EXPECT_EQ(error({.rows = 1}, {}), "slice: rows 0 to 1 and columns to 0 (0: all) are not within scalar");
  EXPECT_EQ(error({.rows = 1}, {5, 4}, false), "slice: a computed value, expected a parameter or a state");
}

}  // namespace
}  // namespace mathnas::kernels
