// Limits: refused with a message, or one or two limits that come back when they are written.
#include <cmath>
#include <string>

#include "check.h"
#include "fmt/format.h"
#include "mathnas/core/limit.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mathnas;  // the parts under test
  const auto limits = core::ParseLimits({reinterpret_cast<const char*>(data), size});
  if (!limits.ok()) {
    fuzz::Check(absl::IsInvalidArgument(limits.status()), "another error than a bad argument");
    return 0;
  }
  fuzz::Check(limits->size() == 1 || limits->size() == 2, "the number of limits");
  for (const core::Limit& limit : *limits) {
    fuzz::Check(std::isfinite(limit.value) && !limit.metric.empty(), "a limit without value or metric");
    fuzz::Check(core::Holds(limit, limit.value), "a limit that does not hold at its value");
    // The number first: "3d<=5" is a number with a unit, "5>=3d" a metric called 3d.
    const char* reversed = limit.op == core::LimitOp::kAtMost ? ">=" : "<=";
    const auto again = core::ParseLimits(fmt::format("{} {} {} {}", limit.value, limit.unit, reversed, limit.metric));
    fuzz::Check(again.ok() && again->size() == 1, "a limit that cannot be read when it is written");
    const core::Limit& same = again->front();
    fuzz::Check(
        same.metric == limit.metric && same.op == limit.op && same.value == limit.value && same.unit == limit.unit,
        "a limit that changes when it is written");
  }
  return 0;
}
