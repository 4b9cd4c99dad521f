// Kernels of Intel's AMX. The rule of vector_kernels.inc holds here, too: intrinsics are always inlined.
#include <immintrin.h>

#include "kernels/cpu/vector/vector_kernels.h"

namespace mathnas::kernels::cpu::amx {
namespace {

#include "kernels/cpu/vector/amx_common.inc"
#include "kernels/cpu/vector/amx_gradient.inc"
#include "kernels/cpu/vector/amx_product.inc"

}  // namespace

extern constexpr MatrixUnitKernels kMatrixUnitKernels = {.name = "vector:amx_bf16",
                                                         .gradient_bytes = GradientBytes,
                                                         .backward_weights = BackwardWeights,
                                                         .product_bytes = ProductBytes,
                                                         .multiply = MultiplyFloats};

}  // namespace mathnas::kernels::cpu::amx
