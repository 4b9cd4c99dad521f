// Which network a device should run now: the proven best within the limits, or the best neighbour of the one that runs
// (spec/mathnas.md 3.7).
#ifndef MATHNAS_MATHNAS_RUNTIME_CHOOSING_H_
#define MATHNAS_MATHNAS_RUNTIME_CHOOSING_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/search.h"
#include "mathnas/profile/space_table.h"

namespace mathnas::runtime {

enum class Strategy {
  kProven,  // core::Search
  // One node at a time, as the demo of the reference: if a metric is over its limit, the next smaller candidate of each
  // node is tried, otherwise the next larger one. The best of these that holds all limits is taken; where there is
  // none, or nothing runs yet, core::Search chooses. Candidates must be ordered from small to large.
  kLight,
};

// How the reference's light search compares networks: base - sum(losses) / (scale * size^exponent), where `size` is
// the network's value of another metric. The demo has 0.19 * S^0.3, S the sum of kernel * expansion
// ("kernel_expansion" in the published tables).
struct PowerLaw {
  std::string size_metric;
  double scale = 0.19, exponent = 0.3;
};

struct ChoosingOptions {
  // Objective, estimator, fixed and forbidden candidates. Its own limits, top and fronts are not looked at.
  core::SearchRequest request = {};
  Strategy strategy = Strategy::kProven;
  std::optional<PowerLaw> law = {};  // of kLight; none: networks are compared by the estimator
  // Where the limits cannot be met: the network that comes nearest instead of an error.
  bool nearest = false;
};

struct ChosenNetwork {
  profile::TableNetwork network;
  double objective = 0;
  std::map<std::string, double> predicted;  // every metric of the table; NaN: not measured
  bool light = false;                       // found among the neighbours
  bool within_limits = true;
};

// `present` is the network that runs, null if none does. FailedPrecondition if no network holds the limits: which
// limits clash, what each can reach, the nearest budget. Otherwise errors of core::Search.
absl::StatusOr<ChosenNetwork> Choose(const core::BlockTable& table, const ChoosingOptions& options,
                                     const std::vector<core::Limit>& limits, const profile::TableNetwork* present);

// Why an infeasible search is that, in one line.
std::string WhyInfeasible(const core::SearchResult& result);

// The table with everything of a metric multiplied: what recalibration by a measured latency does. NotFound: no such
// metric.
absl::StatusOr<core::BlockTable> Scaled(core::BlockTable table, std::string_view metric, double factor);

}  // namespace mathnas::runtime

#endif  // MATHNAS_MATHNAS_RUNTIME_CHOOSING_H_
