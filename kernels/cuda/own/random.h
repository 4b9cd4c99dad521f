// DropoutMask (random.h) on the GPU: of the same seed the same bits as on the host.
#ifndef MATHNAS_KERNELS_CUDA_OWN_RANDOM_H_
#define MATHNAS_KERNELS_CUDA_OWN_RANDOM_H_

#include "kernels/cuda/own/language.h"
#include "kernels/cuda/own/mask.h"
#include "kernels/dropout_keys.h"

namespace mathnas::kernels::cuda {

// DropoutMask::Mix.
__device__ inline unsigned MixBits(unsigned x) {
  x ^= x >> 16;
  x *= 0x7FEB352DU;
  x ^= x >> 15;
  x *= 0x846CA68BU;
  x ^= x >> 16;
  return x;
}

// DropoutMask::Drops.
__device__ inline bool Drops(const DropoutKeys& keys, unsigned index) {
  return MixBits(MixBits(index + keys.first) + keys.second) < keys.threshold;
}

// The keys of a DropoutMask: the first two numbers of Random(*seed, its stream), Philox 4x32-10 at position 0. A seed
// is in the memory of the device, since it is another one at every step; each thread draws the keys from it.
__device__ inline DropoutKeys KeysOf(const MaskArgs& mask) {
  const unsigned long long seed = static_cast<unsigned long long>(*mask.seed);
  unsigned k0 = static_cast<unsigned>(seed), k1 = static_cast<unsigned>(seed >> 32);
  unsigned c[4] = {0, 0, mask.stream, 0x40U << 24};
  for (int round = 0; round < 10; ++round) {
    const unsigned low0 = 0xD2511F53U * c[0], high0 = __umulhi(0xD2511F53U, c[0]);
    const unsigned low1 = 0xCD9E8D57U * c[2], high1 = __umulhi(0xCD9E8D57U, c[2]);
    const unsigned c1 = c[1], c3 = c[3];
    c[0] = high1 ^ c1 ^ k0;
    c[1] = low1;
    c[2] = high0 ^ c3 ^ k1;
    c[3] = low0;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return {c[0], c[1], mask.threshold};
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_RANDOM_H_
