// Convolutions by plain sums: for depthwise ones of 16 bits with more than the convolution to do, in one pass, and
// wherever cuDNN has no engine.
#ifndef MATHNAS_KERNELS_CUDA_OWN_CONV_DIRECT_H_
#define MATHNAS_KERNELS_CUDA_OWN_CONV_DIRECT_H_

#include "kernels/cuda/own/conv_epilogue.h"
#include "kernels/cuda/own/conv_shape.h"
#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// Images are of the type of the kernel, weights float32. Blocks of threads along a row of an image and its channels, a
// row of blocks for each row of all images.

// y = activation(x * weights + bias + addend). Weights {kernel_h, kernel_w, group_in, out}.
struct ConvForwardArgs {
  ConvShape shape;
  const void* x;
  const float* weights;
  const float* bias;   // or null
  const void* addend;  // or null; may be y
  void* y;
  ConvActivation activation;
};
constexpr OwnKernel<ConvForwardArgs> kConvForward = {"conv_forward"};

// Weights {kernel_h, kernel_w, group_out, in}.
struct ConvBackwardDataArgs {
  ConvShape shape;
  const void* dy;
  const float* weights;
  void* dx;
};
constexpr OwnKernel<ConvBackwardDataArgs> kConvBackwardData = {"conv_backward_data"};

// dw{parts, kernel_h, kernel_w, group_in, out}: the sums over rows_per_part rows of results each. Blocks along the
// weights, a row of blocks for each part.
struct ConvBackwardWeightsArgs {
  ConvShape shape;
  const void* x;
  const void* dy;
  float* dw;
  long long rows_per_part, parts;
};
constexpr OwnKernel<ConvBackwardWeightsArgs> kConvBackwardWeights = {"conv_backward_weights"};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_CONV_DIRECT_H_
