#include "kernels/cuda/own/conv_weights.h"
#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {
namespace {

__device__ long long Place(const WeightOrder& order, long long group_out, long long out, long long in, long long tap) {
  return out / group_out * order.group + out % group_out * order.out + in * order.in + tap * order.tap;
}

// Reads in the order of memory; weights are few next to the images, so the scattered writes stay in the L2 cache.
template <typename Master, typename Packed, typename Values = Packed>
__device__ void Pack(const PackWeightsArgs& a) {
  const Master* masters = static_cast<const Master*>(a.masters);
  Packed* packed = static_cast<Packed*>(a.packed);
  for (long long i = GridIndex(); i < a.out * a.in * a.taps; i += GridStride()) {
    const long long tap = i % a.taps, in = i / a.taps % a.in, out = i / (a.taps * a.in);
    Values value;
    Store(&value, Load(masters + out * a.row + in * a.taps + tap));
    Store(packed + Place(a.order, a.group_out, out, in, tap), Load(&value));
  }
}

template <typename T>
__device__ void PackWeights(const PackWeightsArgs& a) {
  Pack<T, T>(a);
}
template <typename Low>
__device__ void NarrowWeights(const PackWeightsArgs& a) {
  Pack<float, Low>(a);
}
template <typename Low>
__device__ void WidenWeights(const PackWeightsArgs& a) {
  Pack<Low, float>(a);
}
template <typename Low>
__device__ void RoundWeights(const PackWeightsArgs& a) {
  Pack<float, float, Low>(a);
}

__device__ void Unpack(const UnpackWeightsArgs& a) {
  for (long long i = GridIndex(); i < a.out * a.in * a.taps; i += GridStride()) {
    const long long tap = i % a.taps, in = i / a.taps % a.in, out = i / (a.taps * a.in);
    const float* from = a.packed + Place(a.order, a.group_out, out, in, tap);
    float sum = 0;
    for (long long part = 0; part < a.parts; ++part) sum += from[part * a.part];
    a.masters[i] = sum;
  }
}

}  // namespace

MATHNAS_CUDA_KERNELS(conv_pack, PackWeightsArgs, PackWeights)
MATHNAS_CUDA_LOW_KERNELS(conv_pack_narrow, PackWeightsArgs, NarrowWeights)
MATHNAS_CUDA_LOW_KERNELS(conv_pack_wide, PackWeightsArgs, WidenWeights)
MATHNAS_CUDA_LOW_KERNELS(conv_pack_rounded, PackWeightsArgs, RoundWeights)
MATHNAS_CUDA_KERNEL(conv_unpack, UnpackWeightsArgs, Unpack)

}  // namespace mathnas::kernels::cuda
