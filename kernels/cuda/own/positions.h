// Sinusoidal positions (ops/positions.h) on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_POSITIONS_H_
#define MATHNAS_KERNELS_CUDA_OWN_POSITIONS_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// A block to an id.
struct PositionsArgs {
  const long long* ids = nullptr;
  float* y = nullptr;
  long long length;  // of a row of tokens
  int columns, half, rows, padding;
  bool from_tokens;
  double log_frequency_step;  // between one frequency and the next, <= 0
};
constexpr OwnKernel<PositionsArgs> kPositions = {"sinusoidal_positions", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_POSITIONS_H_
