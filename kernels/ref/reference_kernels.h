// The naive kernels, one overload per operator: what std::visit in reference_device.cc chooses from. They are loops
// that can be checked against the formulas of kernels/ops line by line, and share no code with any device.
//
// Everything is computed in double and rounded once, when it is stored. Every kernel reads what it needs of an element
// before it writes that element, so elementwise operators may write over their inputs, and a convolution over its
// addend.
#ifndef MATHNAS_KERNELS_REF_REFERENCE_KERNELS_H_
#define MATHNAS_KERNELS_REF_REFERENCE_KERNELS_H_

#include <memory>
#include <utility>

#include "kernels/device.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::ref {

// What a kernel is made for.
struct Request {
  DescSpan inputs;
  DescSpan outputs;
  DType real;  // kF32 or kF64: of every tensor but labels
};

using KernelPtr = std::shared_ptr<const Kernel>;

// A kernel that calls run(T(), operands), T being float or double, with `scratch_doubles` doubles in operands.scratch.
template <typename Run>
KernelPtr MakeKernel(const Request& request, Run run, int64_t scratch_doubles = 0) {
  const size_t scratch_bytes = static_cast<size_t>(scratch_doubles) * sizeof(double);
  if (request.real == DType::kF64) {
    return MakeFunctionKernel("ref", scratch_bytes, [run](const Operands& o) { return run(double(), o); });
  }
  return MakeFunctionKernel("ref", scratch_bytes, [run](const Operands& o) { return run(float(), o); });
}

KernelPtr Make(const Conv2d& op, const Request& request);
KernelPtr Make(const Conv2dBackwardData& op, const Request& request);
KernelPtr Make(const Conv2dBackwardWeights& op, const Request& request);
KernelPtr Make(const Convert& op, const Request& request);
KernelPtr Make(const ExpandDepthwise& op, const Request& request);
KernelPtr Make(const BatchNormTraining& op, const Request& request);
KernelPtr Make(const BatchNormBackward& op, const Request& request);
KernelPtr Make(const BatchNormInference& op, const Request& request);
KernelPtr Make(const BatchNormMoments& op, const Request& request);
KernelPtr Make(const NormalizedSum& op, const Request& request);
KernelPtr Make(const NormalizedSumBackward& op, const Request& request);
KernelPtr Make(const HardSwish& op, const Request& request);
KernelPtr Make(const HardSwishBackward& op, const Request& request);
KernelPtr Make(const HardSigmoid& op, const Request& request);
KernelPtr Make(const HardSigmoidBackward& op, const Request& request);
KernelPtr Make(const Swish& op, const Request& request);
KernelPtr Make(const SwishBackward& op, const Request& request);
KernelPtr Make(const ScaleChannels& op, const Request& request);
KernelPtr Make(const ScaleChannelsBackwardScale& op, const Request& request);
KernelPtr Make(const KernelTransform& op, const Request& request);
KernelPtr Make(const KernelTransformBackwardWeights& op, const Request& request);
KernelPtr Make(const KernelTransformBackwardMatrix& op, const Request& request);
KernelPtr Make(const LayerNorm& op, const Request& request);
KernelPtr Make(const LayerNormBackward& op, const Request& request);
KernelPtr Make(const Embedding& op, const Request& request);
KernelPtr Make(const EmbeddingBackward& op, const Request& request);
KernelPtr Make(const AccumulateRows& op, const Request& request);
KernelPtr Make(const SinusoidalPositions& op, const Request& request);
KernelPtr Make(const Dropout& op, const Request& request);
KernelPtr Make(const Store& op, const Request& request);
KernelPtr Make(const Attention& op, const Request& request);
KernelPtr Make(const AttentionBackward& op, const Request& request);
KernelPtr Make(const TalkingHeads& op, const Request& request);
KernelPtr Make(const TalkingHeadsBackward& op, const Request& request);
KernelPtr Make(const LayerScale& op, const Request& request);
KernelPtr Make(const LayerScaleBackwardTable& op, const Request& request);
KernelPtr Make(const Concat& op, const Request& request);
KernelPtr Make(const Part& op, const Request& request);
KernelPtr Make(const Resize& op, const Request& request);
KernelPtr Make(const Relu& op, const Request& request);
KernelPtr Make(const ReluBackward& op, const Request& request);
KernelPtr Make(const Add& op, const Request& request);
KernelPtr Make(const Scale& op, const Request& request);
KernelPtr Make(const Zero& op, const Request& request);
KernelPtr Make(const Fill& op, const Request& request);
KernelPtr Make(const Accumulate& op, const Request& request);
KernelPtr Make(const AvgPool2d& op, const Request& request);
KernelPtr Make(const AvgPool2dBackward& op, const Request& request);
KernelPtr Make(const GlobalAvgPool& op, const Request& request);
KernelPtr Make(const GlobalAvgPoolBackward& op, const Request& request);
KernelPtr Make(const Linear& op, const Request& request);
KernelPtr Make(const LinearBackwardData& op, const Request& request);
KernelPtr Make(const LinearBackwardWeights& op, const Request& request);
KernelPtr Make(const SoftmaxCrossEntropy& op, const Request& request);
KernelPtr Make(const SoftmaxCrossEntropyBackward& op, const Request& request);
KernelPtr Make(const SoftTargetCrossEntropy& op, const Request& request);
KernelPtr Make(const SoftTargetCrossEntropyBackward& op, const Request& request);
KernelPtr Make(const AdaptiveTargets& op, const Request& request);

}  // namespace mathnas::kernels::ref

#endif  // MATHNAS_KERNELS_REF_REFERENCE_KERNELS_H_
