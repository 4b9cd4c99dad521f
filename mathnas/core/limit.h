// Limits of a search as text: "latency<=500", "flops >= 20", "40<=accuracy", "20<=flops<=60", "latency<=500 ms".
#ifndef MATHNAS_CORE_LIMIT_H_
#define MATHNAS_CORE_LIMIT_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace mathnas::core {

enum class LimitOp { kAtMost, kAtLeast };

struct Limit {
  std::string metric = {};
  LimitOp op = LimitOp::kAtMost;
  double value = 0;
  std::string unit = {};  // optional; if given it must be the unit of the metric
};

// "<=" or ">=".
std::string_view Name(LimitOp op);
// Exact, no tolerance.
bool Holds(const Limit& limit, double value);

// One limit, or two for a range. InvalidArgument says what was expected.
absl::StatusOr<std::vector<Limit>> ParseLimits(std::string_view text);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_LIMIT_H_
