// The own kernels, compiled: one image for each file of this folder, with code for every architecture of the build.
#ifndef MATHNAS_KERNELS_CUDA_OWN_FATBINS_H_
#define MATHNAS_KERNELS_CUDA_OWN_FATBINS_H_

#include "absl/types/span.h"

namespace mathnas::kernels::cuda {

absl::Span<const unsigned char* const> Fatbins();

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_FATBINS_H_
