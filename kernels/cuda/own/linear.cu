#include "kernels/cuda/own/language.h"
#include "kernels/cuda/own/linear.h"

namespace mathnas::kernels::cuda {
namespace {

__device__ void RoundRows(const RoundRowsArgs& a) {
  __nv_bfloat16* y = static_cast<__nv_bfloat16*>(a.y);
  for (long long i = GridIndex(); i < a.rows * a.columns; i += GridStride()) {
    const long long row = i / a.columns;
    Store(y + i, a.x[row * a.x_row + (i - row * a.columns)]);
  }
}

template <typename T>
__device__ void AddBias(const AddBiasArgs& a) {
  T* y = static_cast<T*>(a.y);
  for (long long i = GridIndex(); i < a.n; i += GridStride()) Store(y + i, a.x[i] + a.bias[i % a.columns]);
}

}  // namespace

MATHNAS_CUDA_KERNEL(round_rows, RoundRowsArgs, RoundRows)
MATHNAS_CUDA_KERNELS(add_bias, AddBiasArgs, AddBias)

}  // namespace mathnas::kernels::cuda
