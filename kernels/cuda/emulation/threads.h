// CUDA C++ for the host: the threads of a block run one after the other on one thread of the processor, each until it
// waits for others. What own kernels need of the language and nothing more.
#ifndef MATHNAS_KERNELS_CUDA_EMULATION_THREADS_H_
#define MATHNAS_KERNELS_CUDA_EMULATION_THREADS_H_

#include <vector_types.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>

// Blocks run one after the other, so a variable of the process is one per block.
#undef __shared__
#define __shared__ static

namespace mathnas::kernels::cuda::emulation {

// Runs kernel() in every thread of the grid. Blocks and the threads of a block take turns in another order in every
// other launch, so that a kernel that counts on an order gives other bits. One call at a time: the driver's mutex is
// held.
void RunGrid(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel);

// Of the thread that runs.
struct Indices {
  uint3 thread, block;
  dim3 block_dim, grid_dim;
};
[[gnu::visibility("hidden")]] extern Indices running;
inline const Indices& Now() { return running; }
// Dynamic shared memory of the block.
void* SharedMemory();
// Until all threads of the block, or of the warp, are here. A thread that ends instead leaves the others waiting for
// ever: that aborts, with the reason.
void WaitForBlock();
void WaitForWarp();
// `bytes` of the value of lane `source` of this warp, where all of its threads call this.
void Shuffle(void* value, size_t bytes, unsigned source);

}  // namespace mathnas::kernels::cuda::emulation

#define threadIdx (::mathnas::kernels::cuda::emulation::Now().thread)
#define blockIdx (::mathnas::kernels::cuda::emulation::Now().block)
#define blockDim (::mathnas::kernels::cuda::emulation::Now().block_dim)
#define gridDim (::mathnas::kernels::cuda::emulation::Now().grid_dim)

inline void __syncthreads() { ::mathnas::kernels::cuda::emulation::WaitForBlock(); }
inline void __syncwarp(unsigned = 0xffffffff) { ::mathnas::kernels::cuda::emulation::WaitForWarp(); }

template <typename T>
T __shfl_xor_sync(unsigned, T value, int distance) {
  const unsigned lane = threadIdx.x % 32;
  ::mathnas::kernels::cuda::emulation::Shuffle(&value, sizeof(T), lane ^ static_cast<unsigned>(distance));
  return value;
}
template <typename T>
T __shfl_sync(unsigned, T value, int lane) {
  ::mathnas::kernels::cuda::emulation::Shuffle(&value, sizeof(T), static_cast<unsigned>(lane));
  return value;
}

inline unsigned __ballot_sync(unsigned mask, bool predicate) {
  unsigned bits = predicate ? 1U << threadIdx.x % 32 : 0U;
  for (int distance = 1; distance < 32; distance *= 2) bits |= __shfl_xor_sync(mask, bits, distance);
  return bits;
}

inline int __ffs(int x) { return __builtin_ffs(x); }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline unsigned __umulhi(unsigned x, unsigned y) {
  return static_cast<unsigned>(static_cast<unsigned long long>(x) * y >> 32);
}

#endif  // MATHNAS_KERNELS_CUDA_EMULATION_THREADS_H_
