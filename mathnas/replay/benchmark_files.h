// A benchmark from CSV files (plain or gzip): the architectures, a column of truth, and columns that limits are about.
#ifndef MATHNAS_REPLAY_BENCHMARK_FILES_H_
#define MATHNAS_REPLAY_BENCHMARK_FILES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/limit.h"
#include "mathnas/replay/architectures.h"
#include "mathnas/replay/replay.h"

namespace mathnas::replay {

struct BenchmarkFiles {
  std::string space;                    // architectures.h
  std::string architectures, truth;     // may be the same file
  std::string column;                   // of `truth`; "A+B" is a sum of columns
  std::vector<std::string> costs = {};  // more files with columns that limits are about
  core::Goal goal = core::Goal::kMax;
  std::string unit = "%";
  ArchitectureOptions options = {};
};

struct LoadedBenchmark {
  Benchmark benchmark;             // the networks with truth and all limited costs
  std::vector<std::string> names;  // of its networks
  int64_t without_truth = 0;       // left out
};

// The other files are joined to the architectures (joined_tables.h), where they are not the same file. A limit's metric
// is a column of any file, or the only one that begins with it; it becomes a cost of that name. InvalidArgument names
// file, line and column. At most 256 MB of text in a file.
absl::StatusOr<LoadedBenchmark> LoadBenchmark(const BenchmarkFiles& files, const std::vector<core::Limit>& limits = {});

}  // namespace mathnas::replay

#endif  // MATHNAS_REPLAY_BENCHMARK_FILES_H_
