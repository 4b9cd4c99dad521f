// What each operator of an inference is in ONNX: a function per operator, which adds its nodes. An operator without one
// cannot be exported. To add one: an Emit beside those of its kind, declared here.
#ifndef MATHNAS_BINDINGS_ONNX_INTERNAL_OPERATORS_H_
#define MATHNAS_BINDINGS_ONNX_INTERNAL_OPERATORS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "bindings/onnx/internal/emitter.h"
#include "kernels/zeros.h"

namespace mathnas::onnx::internal {

// The node that is being emitted. Its inputs are values of the emitter's graph.
using Step = kernels::ReducedNode;

// UnimplementedError for what an operator is given.
absl::Status NotInOnnx(std::string_view what);

// images.cc
absl::Status Emit(const kernels::Conv2d& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::ExpandDepthwise& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::AvgPool2d& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::GlobalAvgPool& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::Resize& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::ScaleChannels& op, const Step& step, Emitter& e);

// layers.cc
absl::Status Emit(const kernels::Linear& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::BatchNormInference& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::LayerNorm& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::LayerScale& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::Slice& op, const Step& step, Emitter& e);

// elements.cc
absl::Status Emit(const kernels::Relu& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::HardSwish& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::HardSigmoid& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::Swish& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::Add& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::Scale& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::Fill& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::Concat& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::Part& op, const Step& step, Emitter& e);
// x through an activation.
std::string Activated(Emitter& e, std::string x, kernels::Activation activation);

// tokens.cc
absl::Status Emit(const kernels::Embedding& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::SinusoidalPositions& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::Attention& op, const Step& step, Emitter& e);
absl::Status Emit(const kernels::Store& op, const Step& step, Emitter& e);

// talking_heads.cc
absl::Status Emit(const kernels::TalkingHeads& op, const Step& step, Emitter& e);

}  // namespace mathnas::onnx::internal

#endif  // MATHNAS_BINDINGS_ONNX_INTERNAL_OPERATORS_H_
