#include "kernels/cuda/own/convert.h"
#include "kernels/cuda/own/rows.h"

namespace mathnas::kernels::cuda {
namespace {

template <typename From, typename To>
__device__ void Convert(const RowsArgs& a) {
  const From* x = static_cast<const From*>(a.x);
  To* y = static_cast<To*>(a.y);
  ForRows(a.rows, a.columns, [&](long long row, long long column) {
    Store(y + row * a.y_stride + column, Load(x + row * a.x_stride + column));
  });
}

__device__ void Accumulate(const RowsArgs& a) {
  const float* x = static_cast<const float*>(a.x);
  float* y = static_cast<float*>(a.y);
  ForRows(a.rows, a.columns,
          [&](long long row, long long column) { y[row * a.y_stride + column] += x[row * a.x_stride + column]; });
}

}  // namespace

MATHNAS_CUDA_KERNEL(narrow, RowsArgs, Convert<float, __nv_bfloat16>)
MATHNAS_CUDA_KERNEL(widen, RowsArgs, Convert<__nv_bfloat16, float>)
MATHNAS_CUDA_KERNEL(accumulate, RowsArgs, Accumulate)

}  // namespace mathnas::kernels::cuda
