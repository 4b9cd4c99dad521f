// The gradient of a batch normalisation and of the activation after it.
#ifndef MATHNAS_KERNELS_CPU_BATCH_NORM_BACKWARD_H_
#define MATHNAS_KERNELS_CPU_BATCH_NORM_BACKWARD_H_

#include <cstddef>

#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/cpu/wide_matrix.h"
#include "kernels/ops/conv2d.h"

namespace mathnas::kernels::cpu {

// y = activation((x - mean) * inv_std * gamma + beta), per channel; not Swish. One pass over the data for sums, one to
// apply. For float and Bfloat16.
template <typename T>
struct BatchNormGradient {
  const T *x, *diff_y;
  const float *mean, *inv_std, *gamma, *beta;  // the last two null if not affine
  T* diff_x;
  float *diff_gamma, *diff_beta;  // null if not affine

  // diff_x may be x or diff_y.
  void Run(const VectorKernels& v, const WideMatrix& m, Activation activation, void* scratch) const;
};
size_t BatchNormGradientScratch(const WideMatrix& m);

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_BATCH_NORM_BACKWARD_H_
