// The core alone: a table of two nodes brought along, the best network within a budget.
#include <cstdio>
#include <utility>

#include "mathnas/core/block_table.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/search.h"

namespace core = mathnas::core;

namespace {

core::Metric Measured(const char* unit, core::Goal goal, double base, core::Grid values) {
  core::Metric metric;
  metric.unit = unit;
  metric.goal = goal;
  metric.slices.resize(1);
  metric.slices[0].base = base;
  metric.slices[0].values = std::move(values);
  return metric;
}

}  // namespace

int main() {
  core::BlockTable table;
  table.space = "two nodes";
  table.nodes = {{.name = "first", .candidates = {"small", "large"}, .extensions = {}},
                 {.name = "second", .candidates = {"small", "large"}, .extensions = {}}};
  table.metrics["accuracy"] = Measured("%", core::Goal::kMax, 70, {{0, 4}, {0, 5}});
  table.metrics["latency"] = Measured("ms", core::Goal::kMin, 1, {{0, 1}, {0, 2}});

  auto read = core::Parse(core::ToJson(table), "table");
  if (!read.ok()) {
    std::printf("%s\n", read.status().ToString().c_str());
    return 1;
  }
  core::SearchRequest request;
  request.limits = {{.metric = "latency", .op = core::LimitOp::kAtMost, .value = 3.5, .unit = "ms"}};
  request.estimator.kind = core::EstimatorKind::kLinear;
  auto result = core::Search(*read, request);
  if (!result.ok() || result->networks.empty()) {
    std::printf("%s\n", result.status().ToString().c_str());
    return 1;
  }
  const core::FoundNetwork& best = result->networks[0];
  std::printf("%s, %s: accuracy %g %%\n", best.names[0].c_str(), best.names[1].c_str(), best.objective);
  // Within 3.5 ms: small + large takes 3 ms and has 75 %, large + large takes 4 ms.
  return best.choice == core::Choice{0, 1} && best.objective == 75 ? 0 : 1;
}
