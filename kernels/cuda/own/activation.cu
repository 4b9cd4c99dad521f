#include "kernels/cuda/own/activation.h"
#include "kernels/cuda/own/activation_functions.h"
#include "kernels/cuda/own/packet.h"

namespace mathnas::kernels::cuda {
namespace {

constexpr int kElements = kActivationElements;

template <typename T, typename F>
__device__ void Map(const ActivationArgs& a, const F& f) {
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  const long long whole = a.n / kElements * kElements;
  for (long long i = GridIndex() * kElements; i < whole; i += GridStride() * kElements) {
    Packet<kElements> p = LoadPacket<kElements>(x + i);
    for (int k = 0; k < kElements; ++k) p.v[k] = f(p.v[k]);
    StorePacket(y + i, p);
  }
  for (long long i = whole + GridIndex(); i < a.n; i += GridStride()) Store(y + i, f(Load(x + i)));
}

template <typename T>
__device__ void HardSwish(const ActivationArgs& a) {
  Map<T>(a, [](float x) { return HardSwishOf(x); });
}
template <typename T>
__device__ void HardSigmoid(const ActivationArgs& a) {
  Map<T>(a, [](float x) { return HardSigmoidOf(x); });
}
template <typename T>
__device__ void Swish(const ActivationArgs& a) {
  Map<T>(a, [](float x) { return SwishOf(x); });
}

template <typename T, typename F>
__device__ void MapBackward(const ActivationBackwardArgs& a, const F& slope) {
  const T *x = static_cast<const T*>(a.x), *diff_y = static_cast<const T*>(a.diff_y);
  T* diff_x = static_cast<T*>(a.diff_x);
  const long long whole = a.n / kElements * kElements;
  for (long long i = GridIndex() * kElements; i < whole; i += GridStride() * kElements) {
    const Packet<kElements> p = LoadPacket<kElements>(x + i);
    Packet<kElements> d = LoadPacket<kElements>(diff_y + i);
    for (int k = 0; k < kElements; ++k) d.v[k] *= slope(p.v[k]);
    StorePacket(diff_x + i, d);
  }
  for (long long i = whole + GridIndex(); i < a.n; i += GridStride()) {
    Store(diff_x + i, slope(Load(x + i)) * Load(diff_y + i));
  }
}

template <typename T>
__device__ void HardSwishBackward(const ActivationBackwardArgs& a) {
  MapBackward<T>(a, [](float x) { return HardSwishSlope(x); });
}
template <typename T>
__device__ void HardSigmoidBackward(const ActivationBackwardArgs& a) {
  MapBackward<T>(a, [](float x) { return HardSigmoidSlope(x); });
}
template <typename T>
__device__ void SwishBackward(const ActivationBackwardArgs& a) {
  MapBackward<T>(a, [](float x) { return SwishSlope(x); });
}

}  // namespace

MATHNAS_CUDA_KERNELS(hard_swish, ActivationArgs, HardSwish)
MATHNAS_CUDA_KERNELS(hard_sigmoid, ActivationArgs, HardSigmoid)
MATHNAS_CUDA_KERNELS(swish, ActivationArgs, Swish)
MATHNAS_CUDA_KERNELS(hard_swish_backward, ActivationBackwardArgs, HardSwishBackward)
MATHNAS_CUDA_KERNELS(hard_sigmoid_backward, ActivationBackwardArgs, HardSigmoidBackward)
MATHNAS_CUDA_KERNELS(swish_backward, ActivationBackwardArgs, SwishBackward)

}  // namespace mathnas::kernels::cuda
