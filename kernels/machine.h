// What the processor can do at most, measured; what it is; and its caches emptied. What kernels are judged by in
// benchmarks (the roofline of Williams et al., 2009), and nothing that computes depends on.
#ifndef MATHNAS_KERNELS_MACHINE_H_
#define MATHNAS_KERNELS_MACHINE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/tensor.h"

namespace mathnas::kernels {

struct MachineDescription {
  std::string processor;        // as the system names it: "AMD EPYC 9R14"
  std::string instruction_set;  // that own kernels use: "avx512", "avx2", "portable"
  std::string library;          // "oneDNN 2.6.3"
};

// Unimplemented in a build without CPU kernels, as all that follows.
absl::StatusOr<MachineDescription> DescribeMachine();

// Float32 multiply-adds per second of `threads` threads on registers, the best of many tries within about `seconds`.
absl::StatusOr<double> MeasureMultiplyAdds(int threads, double seconds);

// Bytes per second that `threads` threads read and write while they go over `bytes` of memory again and again: the best
// of reading alone and of adding one half to the other (two reads, a write), of many tries within about `seconds`.
absl::StatusOr<double> MeasureBandwidth(int threads, size_t bytes, double seconds);

// Fills the caches of the processor with something else.
class CacheSweep {
 public:
  // Memory twice as large as the last cache, as far as the system tells, 64 to 512 MiB.
  explicit CacheSweep(int threads);
  // Every thread reads and writes all of its share, and that is more than its own caches hold.
  void Run();

 private:
  int threads_;
  Tensor memory_;
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_MACHINE_H_
