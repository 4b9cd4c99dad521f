#include <cstdlib>
#include <string_view>

#include "kernels/cpu/vector/vector_kernels.h"

namespace mathnas::kernels::cpu {
namespace {

#if defined(__x86_64__)  // elsewhere CMake leaves avx2.cc and avx512.cc out, and the compiler cannot ask for these
                         // names
const VectorKernels& Choose(std::string_view limit) {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (limit == "portable") return portable::kVectorKernels;
  if (avx512 && limit != "avx2") return avx512::kVectorKernels;
  return avx2 ? avx2::kVectorKernels : portable::kVectorKernels;
}
#else
const VectorKernels& Choose(std::string_view) { return portable::kVectorKernels; }
#endif

}  // namespace

const VectorKernels& Vector() {
  static const VectorKernels& chosen = []() -> const VectorKernels& {
    const char* limit = std::getenv("MATHNAS_ISA");
    return Choose(limit ? limit : "");
  }();
  return chosen;
}

}  // namespace mathnas::kernels::cpu
