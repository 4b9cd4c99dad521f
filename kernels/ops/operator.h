// Every operator there is. To add one: a struct with its rules in kernels/ops, its name here, a kernel per device, a
// naive kernel in kernels/ref, an entry in kernels/testing/operator_cases.cc.
#ifndef MATHNAS_KERNELS_OPS_OPERATOR_H_
#define MATHNAS_KERNELS_OPS_OPERATOR_H_

#include <string_view>
#include <type_traits>
#include <variant>

#include "kernels/ops/activation.h"
#include "kernels/ops/adaptive_targets.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/batch_norm.h"
#include "kernels/ops/concat.h"
#include "kernels/ops/conv2d.h"
#include "kernels/ops/convert.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/dropout.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/expand_depthwise.h"
#include "kernels/ops/kernel_transform.h"
#include "kernels/ops/layer_norm.h"
#include "kernels/ops/layer_scale.h"
#include "kernels/ops/linear.h"
#include "kernels/ops/normalized_sum.h"
#include "kernels/ops/pool.h"
#include "kernels/ops/positions.h"
#include "kernels/ops/resize.h"
#include "kernels/ops/scale_channels.h"
#include "kernels/ops/slice.h"
#include "kernels/ops/store.h"
#include "kernels/ops/talking_heads.h"

namespace mathnas::kernels {

using Operator = std::variant<Conv2d, Conv2dBackwardData, Conv2dBackwardWeights, ExpandDepthwise,              //
                              BatchNormTraining, BatchNormBackward, BatchNormInference,                        //
                              BatchNormMoments, NormalizedSum, NormalizedSumBackward,                          //
                              Relu, ReluBackward, Add, Scale, Zero, Fill, Accumulate,                          //
                              HardSwish, HardSwishBackward, HardSigmoid, HardSigmoidBackward,                  //
                              Swish, SwishBackward,                                                            //
                              LayerNorm, LayerNormBackward, LayerScale, LayerScaleBackwardTable,               //
                              Attention, AttentionBackward, TalkingHeads, TalkingHeadsBackward,                //
                              Embedding, EmbeddingBackward, AccumulateRows, Concat, Part, Resize,              //
                              SinusoidalPositions,                                                             //
                              Dropout,                                                                         //
                              Store, Convert,                                                                  //
                              ScaleChannels, ScaleChannelsBackwardScale,                                       //
                              KernelTransform, KernelTransformBackwardWeights, KernelTransformBackwardMatrix,  //
                              AvgPool2d, AvgPool2dBackward, GlobalAvgPool, GlobalAvgPoolBackward,              //
                              Linear, LinearBackwardData, LinearBackwardWeights,                               //
                              SoftmaxCrossEntropy, SoftmaxCrossEntropyBackward, SoftTargetCrossEntropy,
                              SoftTargetCrossEntropyBackward, AdaptiveTargets, Slice>;

static_assert(std::is_trivially_copyable_v<Operator>);  // see extents.h

std::string_view NameOf(const Operator& op);

// Whether running the operator changes a state: it runs even if nobody reads its outputs, and is never merged with its
// twin.
bool ChangesState(const Operator& op);

// Its work by its counting rule; nothing where it has none.
Counts CountOf(const Operator& op, DescSpan inputs, DescSpan outputs);

// A hash over the kind and all attributes.
size_t HashOf(const Operator& op);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_OPERATOR_H_
