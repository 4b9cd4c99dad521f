// Bicubic interpolation (ops/resize.h) on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_RESIZE_H_
#define MATHNAS_KERNELS_CUDA_OWN_RESIZE_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

struct ResizeArgs {
  const float* x;
  float* y;
  long long pixels;  // of y, of all images
  int height;        // of x
  int width;
  int to_height;
  int to_width;
  int channels;
};
constexpr OwnKernel<ResizeArgs> kResize = {"resize", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_RESIZE_H_
