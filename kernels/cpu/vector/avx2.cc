#include "kernels/cpu/vector/vector_kernels.h"

namespace mathnas::kernels::cpu::avx2 {

constexpr char kName[] = "vector:avx2";
#include "kernels/cpu/vector/vector_kernels.inc"

}  // namespace mathnas::kernels::cpu::avx2
