// The kernels of the CPU, one overload per operator: what std::visit in cpu_device.cc chooses from.
// Elementwise kernels may be called with an output that is one of the inputs' buffers (see InPlaceInput in plan.cc).
#ifndef MATHNAS_KERNELS_CPU_CPU_KERNELS_H_
#define MATHNAS_KERNELS_CPU_CPU_KERNELS_H_

#include <memory>

#include "kernels/device.h"

namespace mathnas::kernels::cpu {

// What a kernel is made for. Floating tensors are float32, or bfloat16 as ops/element_types.h says.
struct Request {
  DescSpan inputs;
  DescSpan outputs;
  int threads;
};

inline bool IsBfloat16(const TensorDesc& desc) { return desc.dtype == DType::kBf16; }

using KernelOr = absl::StatusOr<std::shared_ptr<const Kernel>>;

// oneDNN: conv2d.cc, pool.cc, linear.cc
KernelOr Make(const Conv2d& op, const Request& request);
KernelOr Make(const Conv2dBackwardData& op, const Request& request);
KernelOr Make(const Conv2dBackwardWeights& op, const Request& request);
KernelOr Make(const AvgPool2d& op, const Request& request);
KernelOr Make(const AvgPool2dBackward& op, const Request& request);
KernelOr Make(const Linear& op, const Request& request);
KernelOr Make(const LinearBackwardData& op, const Request& request);
KernelOr Make(const LinearBackwardWeights& op, const Request& request);

// depthwise.cc: a gradient that conv2d.cc hands over.
bool IsDepthwise(const Conv2dBackwardWeights& op, const Request& request);
KernelOr MakeDepthwise(const Conv2dBackwardWeights& op, const Request& request);

// winograd.cc: 3x3 convolutions of float32 that conv2d.cc hands over where they are faster than oneDNN's.
bool IsWinograd(const Conv2d& op, const Request& request);
bool IsWinograd(const Conv2dBackwardData& op, const Request& request);
bool IsWinograd(const Conv2dBackwardWeights& op, const Request& request);
KernelOr MakeWinograd(const Conv2d& op, const Request& request);
KernelOr MakeWinograd(const Conv2dBackwardData& op, const Request& request);
KernelOr MakeWinograd(const Conv2dBackwardWeights& op, const Request& request);

// matrix_unit_conv2d.cc, matrix_unit_linear.cc: what conv2d.cc and linear.cc hand over where the processor has a unit
// for products of matrices.
bool IsOfMatrixUnit(const Conv2dBackwardWeights& op, const Request& request);
bool IsOfMatrixUnit(const Linear& op, const Request& request);
bool IsOfMatrixUnit(const LinearBackwardData& op, const Request& request);
bool IsOfMatrixUnit(const LinearBackwardWeights& op, const Request& request);
KernelOr MakeOfMatrixUnit(const Conv2dBackwardWeights& op, const Request& request);
KernelOr MakeOfMatrixUnit(const Linear& op, const Request& request);
KernelOr MakeOfMatrixUnit(const LinearBackwardData& op, const Request& request);
KernelOr MakeOfMatrixUnit(const LinearBackwardWeights& op, const Request& request);

// Own code: activation.cc, attention.cc, batch_norm.cc, concat.cc, convert.cc, cross_entropy.cc, dropout.cc,
// elementwise.cc, embedding.cc, expand_depthwise.cc, global_avg_pool.cc, kernel_transform.cc, layer_norm.cc,
// layer_scale.cc, normalized_sum.cc, positions.cc, resize.cc, scale_channels.cc, store.cc, talking_heads.cc
KernelOr Make(const Convert& op, const Request& request);
KernelOr Make(const ExpandDepthwise& op, const Request& request);
KernelOr Make(const HardSwish& op, const Request& request);
KernelOr Make(const HardSwishBackward& op, const Request& request);
KernelOr Make(const HardSigmoid& op, const Request& request);
KernelOr Make(const HardSigmoidBackward& op, const Request& request);
KernelOr Make(const Swish& op, const Request& request);
KernelOr Make(const SwishBackward& op, const Request& request);
KernelOr Make(const ScaleChannels& op, const Request& request);
KernelOr Make(const ScaleChannelsBackwardScale& op, const Request& request);
KernelOr Make(const KernelTransform& op, const Request& request);
KernelOr Make(const KernelTransformBackwardWeights& op, const Request& request);
KernelOr Make(const KernelTransformBackwardMatrix& op, const Request& request);
KernelOr Make(const BatchNormTraining& op, const Request& request);
KernelOr Make(const BatchNormBackward& op, const Request& request);
KernelOr Make(const BatchNormInference& op, const Request& request);
KernelOr Make(const BatchNormMoments& op, const Request& request);
KernelOr Make(const NormalizedSum& op, const Request& request);
KernelOr Make(const NormalizedSumBackward& op, const Request& request);
KernelOr Make(const LayerNorm& op, const Request& request);
KernelOr Make(const LayerNormBackward& op, const Request& request);
KernelOr Make(const Embedding& op, const Request& request);
KernelOr Make(const EmbeddingBackward& op, const Request& request);
KernelOr Make(const AccumulateRows& op, const Request& request);
KernelOr Make(const SinusoidalPositions& op, const Request& request);
KernelOr Make(const Dropout& op, const Request& request);
KernelOr Make(const Store& op, const Request& request);
KernelOr Make(const Attention& op, const Request& request);
KernelOr Make(const AttentionBackward& op, const Request& request);
KernelOr Make(const TalkingHeads& op, const Request& request);
KernelOr Make(const TalkingHeadsBackward& op, const Request& request);
KernelOr Make(const LayerScale& op, const Request& request);
KernelOr Make(const LayerScaleBackwardTable& op, const Request& request);
KernelOr Make(const Concat& op, const Request& request);
KernelOr Make(const Part& op, const Request& request);
KernelOr Make(const Resize& op, const Request& request);
KernelOr Make(const Relu& op, const Request& request);
KernelOr Make(const ReluBackward& op, const Request& request);
KernelOr Make(const Add& op, const Request& request);
KernelOr Make(const Scale& op, const Request& request);
KernelOr Make(const Zero& op, const Request& request);
KernelOr Make(const Fill& op, const Request& request);
KernelOr Make(const Accumulate& op, const Request& request);
KernelOr Make(const GlobalAvgPool& op, const Request& request);
KernelOr Make(const GlobalAvgPoolBackward& op, const Request& request);
KernelOr Make(const SoftmaxCrossEntropy& op, const Request& request);
KernelOr Make(const SoftmaxCrossEntropyBackward& op, const Request& request);
KernelOr Make(const SoftTargetCrossEntropy& op, const Request& request);
KernelOr Make(const SoftTargetCrossEntropyBackward& op, const Request& request);
KernelOr Make(const AdaptiveTargets& op, const Request& request);

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_CPU_KERNELS_H_
