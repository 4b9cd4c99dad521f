#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "mathnas/core/internal/vector/kernels.h"

namespace mathnas::core::internal {
namespace {

enum Level { kPortable, kAvx2, kAvx512 };

Level Limit(std::string_view isa) {
  if (isa == "portable") return kPortable;
  return isa == "avx2" ? kAvx2 : kAvx512;
}

#if defined(__x86_64__)  // elsewhere CMake leaves avx2.cc and avx512.cc out
Level Machine() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return kPortable;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? kAvx512 : kAvx2;
}

const VectorKernels& KernelsOf(Level level) {
  if (level == kAvx512) return avx512::kVectorKernels;
  return level == kAvx2 ? avx2::kVectorKernels : portable::kVectorKernels;
}
#else
Level Machine() { return kPortable; }
const VectorKernels& KernelsOf(Level) { return portable::kVectorKernels; }
#endif

}  // namespace

Scale MakeScale(double scale) {
  const double high = 1 / scale;
  return {.scale = scale, .high = high, .low = std::fma(-high, scale, 1) / scale};
}

ValueForm MakeValueForm(const MetricForm& form) {
  return {.divided = form.divided,
          .base = form.base,
          .factor = form.factor,
          .scale = MakeScale(form.sum.scale),
          .denominator_scale = MakeScale(form.denominator.scale)};
}

const VectorKernels& Vector(std::string_view isa) {
  static const Level best = [] {
    const char* limit = std::getenv("MATHNAS_ISA");
    return std::min(Machine(), Limit(limit ? limit : ""));
  }();
  return KernelsOf(std::min(best, Limit(isa)));
}

}  // namespace mathnas::core::internal
