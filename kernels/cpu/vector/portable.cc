#include "kernels/cpu/vector/vector_kernels.h"

namespace mathnas::kernels::cpu::portable {

constexpr char kName[] = "vector:portable";
#include "kernels/cpu/vector/vector_kernels.inc"

}  // namespace mathnas::kernels::cpu::portable
