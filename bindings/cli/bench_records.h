// What `mathnas bench operator`, `block` and `network` share: how they measure, and what becomes of the records.
#ifndef MATHNAS_BINDINGS_CLI_BENCH_RECORDS_H_
#define MATHNAS_BINDINGS_CLI_BENCH_RECORDS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bindings/cli/command.h"
#include "mathnas/benchmark/record.h"
#include "mathnas/benchmark/timed.h"

namespace mathnas::cli {

struct RecordOptions {
  std::vector<std::string> passes;
  std::vector<std::string> caches = {"warm"};
  std::string type = "f32";
  double seconds = 1, precision = 2;  // precision in %
  std::string out, csv, plot, compare;
  double noise = 5;  // %
  bool correctness = false, verbose = false;

  void AddTo(CLI::App* command, const std::string& default_pass);
  // InvalidArgument names the option.
  absl::Status Check() const;
  absl::StatusOr<std::vector<benchmark::Pass>> Passes() const;

 private:
  std::string default_pass_;
};

// One thing to be timed. Prepared when its turn comes, and gone afterwards: not all of them need to fit into memory.
struct BenchItem {
  std::string name = {};
  benchmark::Pass pass = benchmark::Pass::kInference;
  std::function<absl::StatusOr<std::shared_ptr<benchmark::Timed>>()> prepare = {};
  std::function<absl::StatusOr<benchmark::Correctness>()> check = {};  // empty: there is no oracle
};

// Measures the roofs of the machine, then every item with every state of the caches, and writes the files that were
// asked for. With --compare what seems slower is measured twice more, and the shortest median counts: what a busy
// machine does once does not make a regression. Exit status 1 for one, or for a result that is wrong.
absl::StatusOr<Answer> RunBench(const Common& common, const RecordOptions& options, kernels::Device& device,
                                const std::vector<BenchItem>& items);

// The run in a file. Errors name it.
absl::StatusOr<benchmark::BenchmarkRun> LoadRun(const std::string& path);

// Hits, misses and sizes of the caches of a device, as lines and as {"kernels": .., "packed_weights": ..}.
void AddCacheStatistics(kernels::Device& device, Answer& answer);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_BENCH_RECORDS_H_
