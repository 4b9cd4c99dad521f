#include "mathnas/core/internal/search_problem.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::core::internal {
namespace {

size_t Use(std::vector<std::string>& metrics, const std::string& name) {
  const auto it = std::find(metrics.begin(), metrics.end(), name);
  if (it != metrics.end()) return static_cast<size_t>(it - metrics.begin());
  metrics.push_back(name);
  return metrics.size() - 1;
}

double Sign(const Metric& metric) { return metric.goal == Goal::kMax ? -1 : 1; }

absl::Status ResolveLimits(const BlockTable& table, const std::vector<Limit>& limits, Problem& problem) {
  if (limits.size() > kMaxLimits) {
    return absl::InvalidArgumentError(fmt::format("limits: expected at most {}, found {}", kMaxLimits, limits.size()));
  }
  for (size_t l = 0; l < limits.size(); ++l) {
    if (absl::Status status = CheckLimit(table, limits[l], l); !status.ok()) return status;
    problem.limited.push_back(Use(problem.metrics, limits[l].metric));
  }
  return absl::OkStatus();
}

absl::Status ResolveFront(const BlockTable& table, const SearchRequest& request, Problem& problem) {
  if (request.fronts.size() > 2) {
    return absl::InvalidArgumentError(
        fmt::format("front: expected one metric or two besides the objective, found {}", request.fronts.size()));
  }
  for (const std::string& name : request.fronts) {
    const absl::StatusOr<const Metric*> metric = FindMetric(table, name, "front");
    if (!metric.ok()) return metric.status();
    if (name == request.objective || std::count(request.fronts.begin(), request.fronts.end(), name) > 1) {
      return absl::InvalidArgumentError(
          fmt::format("front: expected metrics other than the objective, each once, found '{}'", name));
    }
    problem.front_signs.push_back(Sign(**metric));
    problem.fronts.push_back(Use(problem.metrics, name));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<const Metric*> FindMetric(const BlockTable& table, std::string_view name, std::string_view what) {
  const auto it = table.metrics.find(name);
  if (it != table.metrics.end()) return &it->second;
  std::string known;
  for (const auto& [metric, values] : table.metrics) known += (known.empty() ? "" : ", ") + metric;
  return absl::InvalidArgumentError(fmt::format("{}: expected one of {}, found '{}'", what, known, name));
}

absl::Status CheckLimit(const BlockTable& table, const Limit& limit, size_t index) {
  const absl::StatusOr<const Metric*> metric = FindMetric(table, limit.metric, fmt::format("limits[{}]", index));
  if (!metric.ok()) return metric.status();
  if (!std::isfinite(limit.value)) {
    return absl::InvalidArgumentError(
        fmt::format("limits[{}]: expected a finite number, found {}", index, limit.value));
  }
  if (!limit.unit.empty() && limit.unit != (*metric)->unit) {
    return absl::InvalidArgumentError(
        fmt::format("limits[{}]: expected {} in '{}', found '{}'", index, limit.metric, (*metric)->unit, limit.unit));
  }
  return absl::OkStatus();
}

void Range::Include(double value) {
  least = std::min(least, value);
  greatest = std::max(greatest, value);
}

absl::StatusOr<Problem> Resolve(const BlockTable& table, const SearchRequest& request) {
  Problem problem;
  const absl::StatusOr<const Metric*> objective = FindMetric(table, request.objective, "objective");
  if (!objective.ok()) return objective.status();
  problem.sign = Sign(**objective);
  problem.metrics.push_back(request.objective);
  if (request.top < 1 || request.top > kMaxListed) {
    return absl::InvalidArgumentError(
        fmt::format("top: expected a number from 1 to {}, found {}", kMaxListed, request.top));
  }
  if (request.threads < 0) {
    return absl::InvalidArgumentError(fmt::format("threads: expected a number from 0 on, found {}", request.threads));
  }
  if (absl::Status status = ResolveLimits(table, request.limits, problem); !status.ok()) return status;
  if (absl::Status status = ResolveFront(table, request, problem); !status.ok()) return status;
  problem.filter = AllowAll(table);
  if (absl::Status status = ApplyFixed(table, request.fixed, problem.filter); !status.ok()) return status;
  if (absl::Status status = ApplyForbidden(table, request.forbidden, problem.filter); !status.ok()) return status;
  if (absl::Status status = ApplyForbiddenPairs(table, request.forbidden_pairs, problem.filter); !status.ok()) {
    return status;
  }
  return problem;
}

FoundNetwork Describe(const Estimator& estimator, const Problem& problem, const Ranked& network) {
  const BlockTable& table = estimator.table();
  FoundNetwork found;
  found.choice = network.choice;
  found.names.reserve(found.choice.size());
  for (size_t i = 0; i < found.choice.size(); ++i) {
    found.names.push_back(table.nodes[i].candidates[found.choice[i]]);
  }
  found.shared_index = network.shared;
  if (table.structure.shared) {
    found.shared[table.structure.shared->name] = table.structure.shared->values[network.shared];
  }
  found.objective = problem.sign * network.objective_key;
  if (auto predicted = estimator.PredictAll(network.choice, network.shared); predicted.ok()) {
    found.predicted = *std::move(predicted);
  }
  return found;
}

double DistanceUnit(const Limit& limit, const Range& reachable) {
  return limit.value != 0 ? std::abs(limit.value) : std::max(std::abs(reachable.least), std::abs(reachable.greatest));
}

void ReportLimits(const SearchRequest& request, const std::vector<Range>& reachable, SearchResult& result) {
  for (size_t l = 0; l < request.limits.size(); ++l) {
    LimitReport report{.limit = request.limits[l]};
    if (!reachable[l].empty()) report.reachable = {reachable[l].least, reachable[l].greatest};
    if (!result.networks.empty()) report.value = result.networks[0].predicted.find(report.limit.metric)->second;
    result.limits.push_back(report);
  }
}

NearestBudget NearestOf(const SearchRequest& request, double distance, FoundNetwork network) {
  NearestBudget nearest{.distance = distance, .network = std::move(network)};
  for (Limit budget : request.limits) {
    const double value = nearest.network.predicted.find(budget.metric)->second;
    if (!Holds(budget, value)) budget.value = value;
    nearest.limits.push_back(budget);
  }
  return nearest;
}

}  // namespace mathnas::core::internal
