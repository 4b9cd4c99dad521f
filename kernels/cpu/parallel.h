// Loops on the threads of the device. Work is split the same way for the same number of threads, so sums that are kept
// per thread and added in the order of the threads come out bit for bit the same.
#ifndef MATHNAS_KERNELS_CPU_PARALLEL_H_
#define MATHNAS_KERNELS_CPU_PARALLEL_H_

#include <algorithm>
#include <cstdint>

namespace mathnas::kernels::cpu {

// Calls body(thread, begin, end) once for each of at most `threads` contiguous parts of 0 .. count-1, at least `grain`
// items each (but the last), on OpenMP threads, which oneDNN uses too. Returns the number of parts. body must not
// throw.
template <typename Body>
int ParallelFor(int threads, int64_t count, int64_t grain, const Body& body) {
  const int64_t parts = std::clamp<int64_t>(count / std::max<int64_t>(grain, 1), 1, threads);
  if (parts == 1) {
    body(0, int64_t{0}, count);
    return 1;
  }
#pragma omp parallel for schedule(static, 1) num_threads(static_cast <int>(parts))
  for (int64_t t = 0; t < parts; ++t) body(static_cast<int>(t), count * t / parts, count * (t + 1) / parts);
  return static_cast<int>(parts);
}

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_PARALLEL_H_
