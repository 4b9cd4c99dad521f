// Two runs of the benchmark side by side: what got slower or faster beyond the noise.
#ifndef MATHNAS_BENCHMARK_COMPARE_H_
#define MATHNAS_BENCHMARK_COMPARE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/benchmark/record.h"

namespace mathnas::benchmark {

enum class Verdict : uint8_t { kSame, kSlower, kFaster };
// "same", "slower", "faster".
std::string_view Name(Verdict verdict);

// Slower (or faster) when the medians differ by more than the fraction `noise` and the ranges between the quartiles do
// not meet. The second is what a busy machine does to a run; the first what it does from run to run, which no run can
// see by itself.
Verdict Judge(const Summary& before, const Summary& after, double noise);

struct Change {
  Record before, after;
  Verdict verdict;
  double ratio() const { return after.microseconds.median / before.microseconds.median; }
};

struct Comparison {
  std::vector<Change> changes;  // of the records that both have, in the order of the new run
  std::vector<std::string> only_before, only_after;
  std::vector<std::string> warnings;  // another machine, library or number of threads; roofs that differ by a tenth
  double geometric_mean = 1;          // of the ratios

  bool has_slower() const;
};

// InvalidArgument when `noise` is not in 0 .. 1, or when the runs have nothing in common.
absl::StatusOr<Comparison> Compare(const BenchmarkRun& before, const BenchmarkRun& after, double noise);

// {"geometric_mean", "slower", "faster", "same", "warnings", "changes": [{"name", .., "before_us", "after_us", "ratio",
// "verdict"}], "only_before", "only_after"}.
std::string ToJson(const Comparison& comparison);
std::string ToText(const Comparison& comparison);

}  // namespace mathnas::benchmark

#endif  // MATHNAS_BENCHMARK_COMPARE_H_
