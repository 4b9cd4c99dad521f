#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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

const MatrixUnitKernels* ChooseMatrixUnit(std::string_view limit) {
  if (!limit.empty() || &Choose(limit) != &avx512::kVectorKernels) return nullptr;
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kAmxBf16 = 1U << 22, kAmxTile = 1U << 24;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kAmxBf16) == 0 || (d & kAmxTile) == 0) return nullptr;
  // Linux gives a process the registers' memory when it asks for it, whichever thread does.
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0 ? &amx::kMatrixUnitKernels : nullptr;
}
#else
const VectorKernels& Choose(std::string_view) { return portable::kVectorKernels; }
const MatrixUnitKernels* ChooseMatrixUnit(std::string_view) { return nullptr; }
#endif

std::string_view Limit() {
  const char* limit = std::getenv("MATHNAS_ISA");
  return limit ? limit : "";
}

}  // namespace

const VectorKernels& Vector() {
  static const VectorKernels& chosen = Choose(Limit());
  return chosen;
}

const MatrixUnitKernels* MatrixUnit() {
  static const MatrixUnitKernels* const chosen = ChooseMatrixUnit(Limit());
  return chosen;
}

}  // namespace mathnas::kernels::cpu
