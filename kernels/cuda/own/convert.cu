#include "kernels/cuda/own/convert.h"
#include "kernels/cuda/own/rows.h"

namespace mathnas::kernels::cuda {
namespace {

template <typename From, typename To>
__device__ void ConvertRows(const RowsArgs& a) {
  const From* x = static_cast<const From*>(a.x);
  To* y = static_cast<To*>(a.y);
  ForRows(a.rows, a.columns, [&](long long row, long long column) {
    Store(y + row * a.y_stride + column, Load(x + row * a.x_stride + column));
  });
}

template <typename Low>
__device__ void Narrow(const RowsArgs& a) {
  ConvertRows<float, Low>(a);
}

template <typename Low>
__device__ void Widen(const RowsArgs& a) {
  ConvertRows<Low, float>(a);
}

__device__ void Accumulate(const RowsArgs& a) {
  const float* x = static_cast<const float*>(a.x);
  float* y = static_cast<float*>(a.y);
  ForRows(a.rows, a.columns,
          [&](long long row, long long column) { y[row * a.y_stride + column] += x[row * a.x_stride + column]; });
}

}  // namespace

MATHNAS_CUDA_LOW_KERNELS(narrow, RowsArgs, Narrow)
MATHNAS_CUDA_LOW_KERNELS(widen, RowsArgs, Widen)
MATHNAS_CUDA_KERNEL(accumulate, RowsArgs, Accumulate)

}  // namespace mathnas::kernels::cuda
