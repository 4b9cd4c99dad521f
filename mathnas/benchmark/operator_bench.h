// One operator, or its gradient, outside of any plan.
#ifndef MATHNAS_BENCHMARK_OPERATOR_BENCH_H_
#define MATHNAS_BENCHMARK_OPERATOR_BENCH_H_

#include <memory>
#include <string_view>
#include <vector>

#include "kernels/device.h"
#include "kernels/testing/operator_cases.h"
#include "mathnas/benchmark/record.h"
#include "mathnas/benchmark/timed.h"

namespace mathnas::benchmark {

// The operators that a pass of `line` runs: itself; the operators of its gradient with regard to all inputs that have
// one; or both. InvalidArgument for a line that does not fit (ParseProblem) or an operator without gradient.
absl::StatusOr<std::vector<kernels::testing::Problem>> ProblemsOf(std::string_view line, Pass pass, double most_bytes);

// Prepared on random inputs. `constant_weights`: parameters are packed once, as in an inference.
absl::StatusOr<std::unique_ptr<Timed>> PrepareOperators(kernels::Device& device,
                                                        const std::vector<kernels::testing::Problem>& problems,
                                                        bool constant_weights, uint64_t seed);

// Each problem on the device against exact arithmetic (the reference device in double) within the a-priori bounds of
// kernels/testing/error_bounds.h. Slow: the reference is a plain loop.
absl::StatusOr<Correctness> CheckOperators(kernels::Device& device,
                                           const std::vector<kernels::testing::Problem>& problems,
                                           bool constant_weights, uint64_t seed);

// Bytes of memory that operands may take on this machine: half of what there is.
double MostBytes();

}  // namespace mathnas::benchmark

#endif  // MATHNAS_BENCHMARK_OPERATOR_BENCH_H_
