#include "kernels/cuda/own/elementwise.h"
#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {
namespace {

template <typename T, typename F>
__device__ void Map(const UnaryArgs& a, const F& f) {
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  for (long long i = GridIndex(); i < a.n; i += GridStride()) Store(y + i, f(Load(x + i)));
}

// NaN stays: a network that has diverged must not look healthy.
template <typename T>
__device__ void Relu(const UnaryArgs& a) {
  Map<T>(a, [](float x) { return x < 0 ? 0.f : x; });
}

template <typename T>
__device__ void Scale(const UnaryArgs& a) {
  Map<T>(a, [&a](float x) { return a.parameter * x; });
}

template <typename T>
__device__ void Fill(const UnaryArgs& a) {
  T* y = static_cast<T*>(a.y);
  for (long long i = GridIndex(); i < a.n; i += GridStride()) Store(y + i, a.parameter);
}

template <typename T>
__device__ void ReluBackward(const BackwardArgs& a) {
  const T *x = static_cast<const T*>(a.x), *dy = static_cast<const T*>(a.dy);
  T* dx = static_cast<T*>(a.dx);
  for (long long i = GridIndex(); i < a.n; i += GridStride()) Store(dx + i, Load(x + i) > 0 ? Load(dy + i) : 0.f);
}

template <typename T>
__device__ void Add(const AddArgs& a) {
  T* y = static_cast<T*>(a.y);
  for (long long i = GridIndex(); i < a.n; i += GridStride()) {
    float sum = 0;
    for (int k = 0; k < a.terms; ++k) sum += Load(static_cast<const T*>(a.x[k]) + i);
    Store(y + i, sum);
  }
}

}  // namespace

MATHNAS_CUDA_KERNELS(relu, UnaryArgs, Relu)
MATHNAS_CUDA_KERNELS(scale, UnaryArgs, Scale)
MATHNAS_CUDA_KERNELS(fill, UnaryArgs, Fill)
MATHNAS_CUDA_KERNELS(relu_backward, BackwardArgs, ReluBackward)
MATHNAS_CUDA_KERNELS(add, AddArgs, Add)

}  // namespace mathnas::kernels::cuda
