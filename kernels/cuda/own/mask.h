// What a mask of dropout is drawn from on the GPU: the part of it that the host knows when a kernel is made.
#ifndef MATHNAS_KERNELS_CUDA_OWN_MASK_H_
#define MATHNAS_KERNELS_CUDA_OWN_MASK_H_

namespace mathnas::kernels::cuda {

// DropoutMask(*seed, stream, rate), where DropoutMask(0, 0, rate).keys() has this threshold. KeysOf (own/random.h)
// draws the keys.
struct MaskArgs {
  const long long* seed;  // of the device
  unsigned stream;
  unsigned threshold;
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_MASK_H_
