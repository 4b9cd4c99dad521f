#include "kernels/cuda/own/language.h"
#include "kernels/cuda/own/linear.h"

namespace mathnas::kernels::cuda {
namespace {

template <typename T>
__device__ void AddBias(const AddBiasArgs& a) {
  T* y = static_cast<T*>(a.y);
  for (long long i = GridIndex(); i < a.n; i += GridStride()) Store(y + i, a.x[i] + a.bias[i % a.columns]);
}

}  // namespace

MATHNAS_CUDA_KERNELS(add_bias, AddBiasArgs, AddBias)

}  // namespace mathnas::kernels::cuda
