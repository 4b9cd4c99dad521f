#include "mathnas/report/wording.h"

#include "mathnas/report/numbers.h"

namespace mathnas::report {

std::string StatusText(const Proof& proof) {
  if (proof.explored == 0 && !IsKnown(proof.objective)) return "not run";
  switch (proof.status) {
    case core::SearchStatus::kOptimal:
      return "proven optimal";
    case core::SearchStatus::kFeasible:
      return "not proven optimal";
    case core::SearchStatus::kInfeasible:
      return "infeasible";
    case core::SearchStatus::kUnknown:
      break;
  }
  return "not found in the time given";
}

std::string GapText(const Proof& proof) {
  if (!IsKnown(proof.gap)) return "-";
  return proof.gap.value == 0 ? "0" : Percent(proof.gap.value);
}

std::vector<TestScore> TestsOf(const ChosenNetwork& network) {
  return network.tests.empty() ? std::vector<TestScore>{{}} : network.tests;
}

std::string UnitOf(const Budget& budget, const ChosenNetwork& network) {
  if (!budget.limit.unit.empty()) return budget.limit.unit;
  for (const Comparison& comparison : network.metrics) {
    if (comparison.metric == budget.limit.metric) return comparison.unit;
  }
  return "";
}

Proof ProofOf(const core::SearchResult& result, const core::BlockTable& table, const std::string& objective) {
  Proof proof{.status = result.status, .objective_metric = objective, .explored = result.explored};
  auto metric = table.metrics.find(objective);
  if (metric != table.metrics.end()) proof.objective_unit = metric->second.unit;
  if (result.networks.empty()) {
    proof.objective = proof.bound = proof.gap = {.reason = "no network keeps the budget"};
  } else {
    proof.objective = {result.networks.front().objective};
    proof.bound = {result.bound};
    proof.gap = {result.gap};
  }
  proof.seconds = {result.seconds};
  proof.estimator = std::string(core::Name(result.estimator));
  return proof;
}

}  // namespace mathnas::report
