// The emulation of a GPU (kernels/cuda/emulation) from within a test: what it may be told, and what it counted.
#ifndef MATHNAS_TESTS_KERNELS_CUDA_EMULATION_H_
#define MATHNAS_TESTS_KERNELS_CUDA_EMULATION_H_

#include "kernels/cuda/emulation/emulation.h"

namespace mathnas::kernels::testing {

// Null where MATHNAS_CUDA_LIBRARIES names no folder with the emulation.
cuda::emulation::Settings* EmulationSettings();
const cuda::emulation::Counters* EmulationCounters();

}  // namespace mathnas::kernels::testing

#endif  // MATHNAS_TESTS_KERNELS_CUDA_EMULATION_H_
