// Says on stderr that a predicted latency cannot be true.
#ifndef MATHNAS_BINDINGS_CLI_LATENCY_WARNING_H_
#define MATHNAS_BINDINGS_CLI_LATENCY_WARNING_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "fmt/format.h"

namespace mathnas::cli {

class LatencyWarning {
 public:
  // One prediction of a metric; those but "latency" and "latency_.." are not looked at, nor is NaN.
  void Look(std::string_view metric, double value) {
    if (!(value <= 0) || !(metric == "latency" || metric.starts_with("latency_"))) return;
    if (networks_++ == 0 || value < least_) least_ = value;
  }
  void Look(const std::map<std::string, double>& predicted) {
    for (const auto& [metric, value] : predicted) Look(metric, value);
  }
  // One line, if there was one of zero or below.
  void Print() const {
    if (networks_ == 0) return;
    fmt::print(
        stderr,
        "warning: {} predicted latenc{} zero or below, the least {:.4g}: a prediction adds measured differences, "
        "and their noise is larger than the time itself; measure the table again on a quiet machine, with more "
        "--latency-rounds\n",
        networks_, networks_ == 1 ? "y is" : "ies are", least_);
  }

 private:
  int64_t networks_ = 0;
  double least_ = 0;
};

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_LATENCY_WARNING_H_
