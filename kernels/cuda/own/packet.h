// Device code: neighbouring values that are loaded and stored together.
#ifndef MATHNAS_KERNELS_CUDA_OWN_PACKET_H_
#define MATHNAS_KERNELS_CUDA_OWN_PACKET_H_

#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {

// The values of V neighbours.
template <int V>
struct Packet {
  float v[V];
};

// What is read or written by one instruction.
template <typename T, int V>
struct alignas(V * sizeof(T)) Word {
  T v[V];
};

template <int V, typename T>
__device__ Packet<V> LoadPacket(const T* x) {
  const Word<T, V> word = *reinterpret_cast<const Word<T, V>*>(x);
  Packet<V> p;
  for (int v = 0; v < V; ++v) p.v[v] = Load(word.v + v);
  return p;
}
// What belongs to channels, such as part of a parameter, which may begin anywhere.
template <int V, typename T>
__device__ Packet<V> LoadChannels(const T* x) {
  Packet<V> p;
  for (int v = 0; v < V; ++v) p.v[v] = Load(x + v);
  return p;
}
template <int V, typename T>
__device__ void StorePacket(T* x, const Packet<V>& p) {
  Word<T, V> word;
  for (int v = 0; v < V; ++v) Store(word.v + v, p.v[v]);
  *reinterpret_cast<Word<T, V>*>(x) = word;
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_PACKET_H_
