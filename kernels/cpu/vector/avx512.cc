#include "kernels/cpu/vector/vector_kernels.h"

namespace mathnas::kernels::cpu::avx512 {

constexpr char kName[] = "vector:avx512";
#include "kernels/cpu/vector/vector_kernels.inc"

}  // namespace mathnas::kernels::cpu::avx512
