// Something prepared that can be run again and again: what a record is about.
#ifndef MATHNAS_BENCHMARK_TIMED_H_
#define MATHNAS_BENCHMARK_TIMED_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mathnas/benchmark/work.h"

namespace mathnas::benchmark {

// Which part of the work: `inference` has constant weights, packed beforehand, and folded networks; the others are
// those of training. `step` is forward and backward together, of blocks and networks with the update of the weights.
enum class Pass : uint8_t { kInference, kForward, kBackward, kStep };
// "inference", "forward", "backward", "step".
std::string_view Name(Pass pass);
// InvalidArgument lists the names that are known.
absl::StatusOr<Pass> ParsePass(std::string_view name);

class Timed {
 public:
  virtual ~Timed() = default;
  virtual absl::Status Run() = 0;
  virtual Work work() const = 0;
  // Of all kernels, each once, joined by ", ".
  virtual std::string implementation() const = 0;
};

}  // namespace mathnas::benchmark

#endif  // MATHNAS_BENCHMARK_TIMED_H_
