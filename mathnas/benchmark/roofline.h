// The roofline as a picture: how fast operators are, over how much they compute for each byte, below what the machine
// can do (Williams, Waterman and Patterson, Communications of the ACM 52(4), 2009).
#ifndef MATHNAS_BENCHMARK_ROOFLINE_H_
#define MATHNAS_BENCHMARK_ROOFLINE_H_

#include <string>

#include "kernels/device.h"
#include "mathnas/benchmark/record.h"

namespace mathnas::benchmark {

// A complete SVG file: the roofs of every cache and of memory, a dot for each record that has multiply-adds, with its
// name as tooltip; warm ones filled, cold ones hollow. Both axes are logarithmic.
std::string RooflineSvg(const BenchmarkRun& run);

// The roofs of this machine, measured within a second: multiply-adds on registers, and bandwidth from 16 KiB
// for each thread to `most_bytes` in all, in steps of four. Unimplemented in a build without CPU kernels.
absl::StatusOr<Peaks> MeasurePeaks(int threads, double most_bytes = 256 << 20);

// The same of another device than the CPU, by its own operators: a large product of matrices, and sums of tensors of
// 256 KiB up to `most_bytes` in all.
absl::StatusOr<Peaks> MeasurePeaksOf(kernels::Device& device, double most_bytes = 1 << 30);

}  // namespace mathnas::benchmark

#endif  // MATHNAS_BENCHMARK_ROOFLINE_H_
