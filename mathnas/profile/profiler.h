// Algorithm 1 of the paper on this machine: from a trained supernet to a block table.
#ifndef MATHNAS_MATHNAS_PROFILE_PROFILER_H_
#define MATHNAS_MATHNAS_PROFILE_PROFILER_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/limit.h"
#include "mathnas/profile/meter.h"
#include "supernet/search_space.h"

namespace mathnas::profile {

// The metrics that can be profiled: accuracy, latency, energy, flops, parameters, memory.
const std::set<std::string, std::less<>>& KnownMetrics();

// Counted, not measured: nodes and structure (space_table.h), "flops" (in SearchSpace::flops_unit, its base the fixed
// part) and "parameters" (M), by value of the shared choice. Errors of TableOf.
absl::StatusOr<core::BlockTable> CountedTable(const supernet::SearchSpace& space);

// The networks of the space that Algorithm 1 measures for one value of the shared choice: N~, N^avg, and N^avg with
// every candidate of every node.
struct Switches {
  Choice base;                                // N~
  Choice average;                             // N^avg, core::AverageNetwork of the counted table
  std::vector<std::vector<Choice>> switched;  // [node of the table][candidate]
};
// One entry per value of the shared choice.
absl::StatusOr<std::vector<Switches>> PlanSwitches(const supernet::SearchSpace& space, const core::BlockTable& counted);
// All of their networks, N^avg once and once more for every node: an error of its own enters a prediction up to as
// often as there are nodes, so it is to be timed as often (Meter::MeasureLatency).
std::vector<Choice> NetworksOf(const std::vector<Switches>& switches);

// The block table with these metrics ("flops" always, since equations 4 to 6 divide by it), every value of the shared
// choice measured for itself. Accuracy is the saving form of equation 5 from single switches of N^avg; latency, energy
// and memory are costs. Energy that cannot be measured here is there with null values and the reason as "x-reason".
// `measured_at` is a date for the record.
absl::StatusOr<core::BlockTable> Profile(const supernet::SearchSpace& space, Meter& meter,
                                         const std::set<std::string, std::less<>>& metrics,
                                         const LatencyOptions& latency, std::string measured_at);

// How accuracy is measured on networks that core::Interaction chooses (interaction.h).
struct EvaluationPlan {
  int evaluations = 31;
  // Once the space is covered, networks within these limits, as the table predicts them, are preferred. Those on
  // accuracy itself are not regarded.
  std::vector<core::Limit> limits = {};
};

// Adds accuracy to a table that was profiled without it: networks measured whole (Metric::evaluations, values null), or
// in a space without a cell the values of Algorithm 1. The same measurements give the same table. InvalidArgument: a
// limit on a metric that the table does not have; errors of core::Interaction.
absl::Status AddEvaluatedAccuracy(const supernet::SearchSpace& space, Meter& meter, const EvaluationPlan& plan,
                                  std::string measured_at, core::BlockTable& table);

}  // namespace mathnas::profile

#endif  // MATHNAS_MATHNAS_PROFILE_PROFILER_H_
