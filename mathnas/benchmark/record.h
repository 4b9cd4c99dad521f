// What a run of the benchmark found: the machine and what it can do at most, and a record for each thing that was
// timed; as JSON, CSV and text.
#ifndef MATHNAS_BENCHMARK_RECORD_H_
#define MATHNAS_BENCHMARK_RECORD_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/benchmark/sampling.h"

namespace mathnas::benchmark {

// The roofs of the roofline (Williams et al., 2009).
struct Peaks {
  double gflops = 0;  // 10^9 additions and multiplications of float32 per second
  struct Bandwidth {
    double bytes;  // of the memory that is gone over
    double gbs;    // 10^9 bytes per second
    bool operator==(const Bandwidth&) const = default;
  };
  std::vector<Bandwidth> bandwidth = {};  // by rising size: from the first cache to memory

  bool operator==(const Peaks&) const = default;
  // Of what goes over so many bytes with warm caches: that of the next larger size. With cold ones, and beyond the
  // largest, that of memory, the last.
  double BandwidthOf(double bytes, bool cold) const;
};

struct Machine {
  std::string processor = {}, instruction_set = {}, library = {};
  int threads = 0;
  bool operator==(const Machine&) const = default;
};

// How an operator compared with exact arithmetic.
struct Correctness {
  bool correct = false;
  double worst = 0;          // largest error as a fraction of its bound; 0 where all results are exact
  std::string problem = {};  // what is wrong; empty when nothing is
  bool operator==(const Correctness&) const = default;
};

struct Record {
  // What was timed: these four together are the key that records of two runs are compared by.
  std::string name = {};   // "conv2d n8 h56 w56 c24 o144 k1", "nasbench201 [3,3,3,3,3,3] n64 cells.0.edge2"
  std::string pass = {};   // "inference", "forward", "backward", "step"
  std::string type = {};   // "f32"
  std::string cache = {};  // "warm", "cold"

  Summary microseconds = {};
  int64_t runs_per_sample = 1;
  bool stable = true;
  double multiply_adds = 0, bytes = 0;  // of one run (work.h)
  std::string implementation = {};      // several are joined by ", ", each once
  std::optional<Correctness> correctness = {};

  bool operator==(const Record&) const = default;
  double gflops() const { return 2e-3 * multiply_adds / microseconds.median; }
  double gbs() const { return 1e-3 * bytes / microseconds.median; }
  // The shortest time that the roofline allows over the median: 1 is as fast as the machine can.
  double RoofShare(const Peaks& peaks) const;
};

struct BenchmarkRun {
  std::string created = {};  // "2026-11-24T07:00:00Z"
  Machine machine = {};
  Peaks peaks = {};
  std::vector<Record> records = {};
};

inline constexpr std::string_view kFormat = "mathnas-bench/1";

// {"format": "mathnas-bench/1", "created", "machine", "peaks", "records"}; records carry gflops, gbs and roof_share
// too, which reading ignores.
std::string ToJson(const BenchmarkRun& run);
// InvalidArgument names the field and what was expected: another format, a record without a name, a median that is not
// positive, two records of one key. At most 64 MiB.
absl::StatusOr<BenchmarkRun> RunFromJson(std::string_view text);

// A header and a line for each record. Names are quoted.
std::string ToCsv(const BenchmarkRun& run);
// A table for people.
std::string ToText(const BenchmarkRun& run);
// One line about the machine and its roofs.
std::string DescribeMachine(const BenchmarkRun& run);

}  // namespace mathnas::benchmark

#endif  // MATHNAS_BENCHMARK_RECORD_H_
