// Channels times factors, and sums over the pixels of channels: what pooling over whole images, squeeze-and-excitation
// and LayerScale (ops/pool.h, scale_channels.h, layer_scale.h) are made of on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_CHANNELS_H_
#define MATHNAS_KERNELS_CUDA_OWN_CHANNELS_H_

#include "kernels/cuda/own/columns.h"
#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// y = x * (scale * factor), or scale * factor where x is null.
struct ScaleRowsArgs {
  Columns columns;
  const void* x;
  const void* scale;
  long long scale_stride;  // from the scales of an image to those of the next one, in elements
  float factor;
  void* y;
};
constexpr OwnKernel<ScaleRowsArgs> kScaleRows = {"scale_rows"};

// result{images, channels} = factor times the sum over rows of x * y, or of x where y is null.
struct SumRowsArgs {
  Columns columns;
  const void* x;
  const void* y;
  double factor;
  double* sums;  // {images, parts, channels}; not touched where an image has one part
  void* result;
};
// The second one where images have several parts, with a row of blocks for each image.
constexpr OwnKernel<SumRowsArgs> kSumRows = {"sum_rows"};
constexpr OwnKernel<SumRowsArgs> kSumRowsFinish = {"sum_rows_finish"};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_CHANNELS_H_
