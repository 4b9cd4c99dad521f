// Average pooling (ops/pool.h) on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_POOL_H_
#define MATHNAS_KERNELS_CUDA_OWN_POOL_H_

#include "kernels/cuda/own/columns.h"
#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

struct AvgPoolArgs {
  Columns columns;   // of the pixels that are written, all images together
  const void* from;  // src, or diff_dst
  void* to;          // dst, or diff_src
  int height;        // of src
  int width;
  int dst_height;
  int dst_width;
  int kernel;
  int stride;
  int padding;
  bool include_padding;
};
constexpr OwnKernel<AvgPoolArgs> kAvgPool = {"avg_pool"};
constexpr OwnKernel<AvgPoolArgs> kAvgPoolBackward = {"avg_pool_backward"};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_POOL_H_
