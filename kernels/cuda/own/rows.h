// Loops over rows of elements that lie apart: slices, tensors along an axis.
#ifndef MATHNAS_KERNELS_CUDA_OWN_ROWS_H_
#define MATHNAS_KERNELS_CUDA_OWN_ROWS_H_

#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {

// Calls f(row, column) for all of them, spread over the grid; neighbouring threads have neighbouring columns. Most
// tensors have less than 2^31 elements: a division of 64 bits takes several times as long as one of 32.
template <typename F>
__device__ void ForRows(long long rows, long long columns, const F& f) {
  const long long n = rows * columns;
  if (n <= 0x7fffffff) {
    const auto size = static_cast<unsigned>(n), width = static_cast<unsigned>(columns);
    const auto stride = static_cast<unsigned>(GridStride());
    for (auto i = static_cast<unsigned>(GridIndex()); i < size; i += stride) {
      const unsigned row = i / width;
      f(static_cast<long long>(row), static_cast<long long>(i - row * width));
    }
  } else {
    for (long long i = GridIndex(); i < n; i += GridStride()) f(i / columns, i % columns);
  }
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_ROWS_H_
