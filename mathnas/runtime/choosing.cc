#include "mathnas/runtime/choosing.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "fmt/format.h"
#include "mathnas/core/assignment.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/networks.h"

namespace mathnas::runtime {
namespace {

using core::Limit;
using profile::TableNetwork;

bool HoldsAll(const std::vector<Limit>& limits, const std::map<std::string, double>& predicted) {
  return std::all_of(limits.begin(), limits.end(), [&](const Limit& limit) {
    const auto value = predicted.find(limit.metric);
    return value != predicted.end() && !std::isnan(value->second) && core::Holds(limit, value->second);
  });
}

// What is fixed and forbidden.
absl::StatusOr<core::NetworkFilter> FilterOf(const core::BlockTable& table, const core::SearchRequest& request) {
  core::NetworkFilter filter = core::AllowAll(table);
  if (auto s = core::ApplyFixed(table, request.fixed, filter); !s.ok()) return s;
  if (auto s = core::ApplyForbidden(table, request.forbidden, filter); !s.ok()) return s;
  if (auto s = core::ApplyForbiddenPairs(table, request.forbidden_pairs, filter); !s.ok()) return s;
  return filter;
}

bool Passes(const core::NetworkFilter& filter, const TableNetwork& network) {
  if (!filter.shared[static_cast<size_t>(network.shared)]) return false;
  for (size_t i = 0; i < network.choice.size(); ++i) {
    if (!filter.candidates[i][static_cast<size_t>(network.choice[i])]) return false;
  }
  return core::HoldsPairs(filter, network.choice);
}

// By the power law. `linear` predicts sums.
absl::StatusOr<double> Objective(const core::Estimator& linear, const PowerLaw& law, const std::string& metric,
                                 const TableNetwork& network) {
  const auto size = linear.Predict(law.size_metric, network.choice, network.shared);
  if (!size.ok()) return size.status();
  const auto value = linear.Predict(metric, network.choice, network.shared);
  if (!value.ok()) return value.status();
  const double base = linear.table().metrics.find(metric)->second.slices[static_cast<size_t>(network.shared)].base;
  return base - (base - *value) / (law.scale * std::pow(*size, law.exponent));
}

// The best neighbour; none if none holds the limits.
absl::StatusOr<std::optional<ChosenNetwork>> BestNeighbour(const core::BlockTable& table,
                                                           const ChoosingOptions& options,
                                                           const std::vector<Limit>& limits,
                                                           const TableNetwork& present) {
  const core::SearchRequest& request = options.request;
  const auto estimator = core::Estimator::Create(table, request.estimator);
  if (!estimator.ok()) return estimator.status();
  const auto filter = FilterOf(table, request);
  if (!filter.ok()) return filter.status();
  const auto linear = core::Estimator::Create(table, {.kind = core::EstimatorKind::kLinear});
  if (!linear.ok()) return linear.status();
  const auto now = estimator->PredictAll(present.choice, present.shared);
  if (!now.ok()) return now.status();
  const int step = HoldsAll(limits, *now) ? 1 : -1;
  const auto metric = table.metrics.find(request.objective);
  if (metric == table.metrics.end()) return std::nullopt;  // the search says so
  std::optional<ChosenNetwork> best;
  for (size_t node = 0; node < table.nodes.size(); ++node) {
    TableNetwork neighbour = present;
    neighbour.choice[node] += step;
    if (neighbour.choice[node] < 0 || neighbour.choice[node] >= std::ssize(table.nodes[node].candidates)) continue;
    neighbour.choice = core::CanonicalChoice(table, std::move(neighbour.choice));
    if (neighbour == present || !core::ComputesSomething(table, neighbour.choice)) continue;
    if (!Passes(*filter, neighbour)) continue;
    auto predicted = estimator->PredictAll(neighbour.choice, neighbour.shared);
    if (!predicted.ok()) return predicted.status();
    if (!HoldsAll(limits, *predicted)) continue;
    double objective = predicted->at(request.objective);
    if (options.law) {
      const auto by_law = Objective(*linear, *options.law, request.objective, neighbour);
      if (!by_law.ok()) return by_law.status();
      objective = *by_law;
    }
    if (std::isnan(objective)) continue;
    const bool better =
        !best || (metric->second.goal == core::Goal::kMax ? objective > best->objective : objective < best->objective);
    if (better) best = {std::move(neighbour), objective, *std::move(predicted), /*light=*/true, true};
  }
  return best;
}

ChosenNetwork Of(const core::FoundNetwork& found, bool within_limits) {
  return {{found.choice, found.shared_index}, found.objective, found.predicted, /*light=*/false, within_limits};
}

}  // namespace

absl::StatusOr<ChosenNetwork> Choose(const core::BlockTable& table, const ChoosingOptions& options,
                                     const std::vector<Limit>& limits, const TableNetwork* present) {
  if (options.strategy == Strategy::kLight && present != nullptr) {
    auto neighbour = BestNeighbour(table, options, limits, *present);
    if (!neighbour.ok()) return neighbour.status();
    if (*neighbour) return **std::move(neighbour);
  }
  core::SearchRequest request = options.request;
  request.limits = limits;
  request.top = 1;
  request.fronts.clear();
  const auto result = core::Search(table, request);
  if (!result.ok()) return result.status();
  if (!result->networks.empty()) return Of(result->networks[0], true);
  if (options.nearest && result->nearest) return Of(result->nearest->network, false);
  return absl::FailedPreconditionError(WhyInfeasible(*result));
}

std::string WhyInfeasible(const core::SearchResult& result) {
  if (result.status == core::SearchStatus::kUnknown) return "no network was found within the time limit of the search";
  if (result.conflict.empty()) return "no network is left, even without limits";
  std::string text = result.conflict.size() == 1 ? "no network keeps" : "no network keeps all of";
  for (int i : result.conflict) {
    const core::LimitReport& l = result.limits[static_cast<size_t>(i)];
    text += fmt::format("{} {}{}{:.6g}", i == result.conflict[0] ? "" : ",", l.limit.metric, core::Name(l.limit.op),
                        l.limit.value);
    if (l.reachable) text += fmt::format(" (alone {:.6g} to {:.6g})", l.reachable->first, l.reachable->second);
  }
  if (!result.nearest) return text;
  text += "; the nearest budget that can be met:";
  for (size_t i = 0; i < result.nearest->limits.size(); ++i) {
    const Limit& l = result.nearest->limits[i];
    text += fmt::format("{} {}{}{:.6g}", i == 0 ? "" : ",", l.metric, core::Name(l.op), l.value);
  }
  return text;
}

absl::StatusOr<core::BlockTable> Scaled(core::BlockTable table, std::string_view metric, double factor) {
  const auto found = table.metrics.find(metric);
  if (found == table.metrics.end()) return absl::NotFoundError(fmt::format("the table has no metric \"{}\"", metric));
  for (core::MetricSlice& slice : found->second.slices) {
    slice.base *= factor;
    for (core::Grid* grid : {&slice.values, &slice.stddev}) {
      for (std::vector<double>& row : *grid) {
        for (double& v : row) v *= factor;
      }
    }
  }
  for (core::Evaluation& e : found->second.evaluations) e.value *= factor;
  return table;
}

}  // namespace mathnas::runtime
