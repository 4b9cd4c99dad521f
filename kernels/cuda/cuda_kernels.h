// The kernels of the GPU, one overload per operator: what std::visit in cuda_device.cc chooses from.
// Elementwise kernels may be called with an output that is one of the inputs' buffers (see InPlaceInput in plan.cc).
#ifndef MATHNAS_KERNELS_CUDA_CUDA_KERNELS_H_
#define MATHNAS_KERNELS_CUDA_CUDA_KERNELS_H_

#include <memory>

#include "kernels/cuda/gpu.h"
#include "kernels/device.h"

namespace mathnas::kernels::cuda {

// What a kernel is made for. Floating tensors are float32, or bfloat16 or float16 as ops/element_types.h says.
struct Request {
  DescSpan inputs;
  DescSpan outputs;
  Gpu& gpu;
};

using KernelOr = absl::StatusOr<std::shared_ptr<const Kernel>>;

KernelOr Make(const Attention& op, const Request& request);
KernelOr Make(const AttentionBackward& op, const Request& request);
KernelOr Make(const Accumulate& op, const Request& request);
KernelOr Make(const Convert& op, const Request& request);
KernelOr Make(const Concat& op, const Request& request);
KernelOr Make(const Part& op, const Request& request);
KernelOr Make(const Store& op, const Request& request);
KernelOr Make(const SoftmaxCrossEntropy& op, const Request& request);
KernelOr Make(const SoftmaxCrossEntropyBackward& op, const Request& request);
KernelOr Make(const SoftTargetCrossEntropy& op, const Request& request);
KernelOr Make(const SoftTargetCrossEntropyBackward& op, const Request& request);
KernelOr Make(const AdaptiveTargets& op, const Request& request);
KernelOr Make(const Dropout& op, const Request& request);
KernelOr Make(const HardSwish& op, const Request& request);
KernelOr Make(const HardSwishBackward& op, const Request& request);
KernelOr Make(const HardSigmoid& op, const Request& request);
KernelOr Make(const HardSigmoidBackward& op, const Request& request);
KernelOr Make(const Swish& op, const Request& request);
KernelOr Make(const SwishBackward& op, const Request& request);
KernelOr Make(const BatchNormTraining& op, const Request& request);
KernelOr Make(const BatchNormBackward& op, const Request& request);
KernelOr Make(const BatchNormInference& op, const Request& request);
KernelOr Make(const BatchNormMoments& op, const Request& request);
KernelOr Make(const Conv2d& op, const Request& request);
KernelOr Make(const Conv2dBackwardData& op, const Request& request);
KernelOr Make(const Conv2dBackwardWeights& op, const Request& request);
KernelOr Make(const Relu& op, const Request& request);
KernelOr Make(const ReluBackward& op, const Request& request);
KernelOr Make(const Add& op, const Request& request);
KernelOr Make(const Scale& op, const Request& request);
KernelOr Make(const Zero& op, const Request& request);
KernelOr Make(const Fill& op, const Request& request);
KernelOr Make(const Linear& op, const Request& request);
KernelOr Make(const LinearBackwardData& op, const Request& request);
KernelOr Make(const LinearBackwardWeights& op, const Request& request);
KernelOr Make(const TalkingHeads& op, const Request& request);
KernelOr Make(const TalkingHeadsBackward& op, const Request& request);
KernelOr Make(const Embedding& op, const Request& request);
KernelOr Make(const EmbeddingBackward& op, const Request& request);
KernelOr Make(const AccumulateRows& op, const Request& request);
KernelOr Make(const SinusoidalPositions& op, const Request& request);
KernelOr Make(const GlobalAvgPool& op, const Request& request);
KernelOr Make(const GlobalAvgPoolBackward& op, const Request& request);
KernelOr Make(const KernelTransform& op, const Request& request);
KernelOr Make(const KernelTransformBackwardWeights& op, const Request& request);
KernelOr Make(const KernelTransformBackwardMatrix& op, const Request& request);
KernelOr Make(const LayerNorm& op, const Request& request);
KernelOr Make(const LayerNormBackward& op, const Request& request);
KernelOr Make(const LayerScale& op, const Request& request);
KernelOr Make(const LayerScaleBackwardTable& op, const Request& request);
KernelOr Make(const NormalizedSum& op, const Request& request);
KernelOr Make(const NormalizedSumBackward& op, const Request& request);
KernelOr Make(const AvgPool2d& op, const Request& request);
KernelOr Make(const AvgPool2dBackward& op, const Request& request);
KernelOr Make(const Resize& op, const Request& request);
KernelOr Make(const ScaleChannels& op, const Request& request);
KernelOr Make(const ScaleChannelsBackwardScale& op, const Request& request);
KernelOr Make(const ExpandDepthwise& op, const Request& request);

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_CUDA_KERNELS_H_
