// Between float32 and the types of 16 bits (ops/convert.h), and sums of float32 in place (Accumulate of
// ops/elementwise.h): of rows that may lie apart.
#ifndef MATHNAS_KERNELS_CUDA_OWN_CONVERT_H_
#define MATHNAS_KERNELS_CUDA_OWN_CONVERT_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// Strides in elements.
struct RowsArgs {
  const void* x = nullptr;
  void* y = nullptr;
  long long x_stride = 0, y_stride = 0;
  long long rows = 1, columns = 0;
};
// Typed by the 16 bits.
constexpr OwnKernel<RowsArgs> kNarrow = {"narrow"};
constexpr OwnKernel<RowsArgs> kWiden = {"widen"};
// y += x, both float32.
constexpr OwnKernel<RowsArgs> kAccumulate = {"accumulate", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_CONVERT_H_
