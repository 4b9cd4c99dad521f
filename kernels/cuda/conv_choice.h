// What computes a convolution: a graph of cuDNN with its engine and what own kernels do around it, or an own kernel
// alone. Chosen for a device, or for the description of one, so that it can be known without a GPU.
#ifndef MATHNAS_KERNELS_CUDA_CONV_CHOICE_H_
#define MATHNAS_KERNELS_CUDA_CONV_CHOICE_H_

#include <string>

#include "kernels/cuda/cudnn_graph.h"
#include "kernels/cuda/own/conv_shape.h"
#include "kernels/ops/conv2d.h"

namespace mathnas::kernels::cuda {

// The operators of ops/conv2d.h as one, with what their operands are.
struct ConvProblem {
  cudnn::Graph::Direction direction;
  ConvShape shape;
  DType type;  // of the images
  bool has_bias = false;
  bool has_addend = false;
  Activation activation = Activation::kNone;

  bool has_epilogue() const { return has_bias || has_addend || activation != Activation::kNone; }
  bool operator==(const ConvProblem&) const = default;
};
ConvProblem ProblemOf(const Conv2d& op, DescSpan inputs, DescSpan outputs);
ConvProblem ProblemOf(const Conv2dBackwardData& op, DescSpan inputs, DescSpan outputs);
ConvProblem ProblemOf(const Conv2dBackwardWeights& op, DescSpan inputs, DescSpan outputs);

struct ConvChoice {
  enum class Path : uint8_t {
    kCudnn,    // on the operands as they are
    kWidened,  // on images of 16 bits that are converted to float32 before, exactly: where results are wanted in
               // float32, which cuDNN does not give. Its tensor cores multiply such values exactly as TF32,
               // which has the precision of float16 and the exponents of bfloat16.
    kDirect,   // own/conv_direct.h
  };
  Path path = Path::kDirect;
  bool fused = false;  // bias and activation are in the graph, else they are left to own/conv_epilogue.h
  // Tensors that are not virtual, in this order: x, w, the bias if fused, y. Images are NHWC, the filter {out,
  // kernel_h, kernel_w, in of its group}.
  cudnn::Graph graph;
  cudnn::Engine engine;
  std::string refusals;  // of cuDNN, by line; for people

  // "cudnn:eng28_k2=4_k3=0", "widened:eng48", "direct".
  std::string name() const;
};

// cuDNN first; an own kernel where it refuses, whatever the reason, and for depthwise convolutions of 16 bits with
// more to do than the convolution.
ConvChoice Choose(const Cudnn& cudnn, const cudnn::Target& target, const ConvProblem& problem, bool tf32);

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_CONV_CHOICE_H_
