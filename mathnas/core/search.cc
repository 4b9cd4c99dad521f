#include "mathnas/core/search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <span>
#include <tuple>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/internal/conflict.h"
#include "mathnas/core/internal/selection.h"
#include "mathnas/core/networks.h"

namespace mathnas::core {
namespace {

using internal::Rank;
using internal::Ranked;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kCancelPeriod = 4096;  // networks between two looks at the flag

struct Range {
  double least = kInfinity;
  double greatest = -kInfinity;

  void Include(double value) {
    least = std::min(least, value);
    greatest = std::max(greatest, value);
  }
  bool empty() const { return least > greatest; }
};

// A request with its names resolved: each used metric once, by index.
struct Problem {
  std::vector<std::string> metrics;  // used ones
  double sign = 1;                   // objective key = sign * value, smaller is better
  double front_sign = 1;
  size_t front = 0;
  std::vector<size_t> limited;  // by limit, index into metrics; the objective is metrics[0]
  NetworkFilter filter;
};

absl::StatusOr<const Metric*> FindMetric(const BlockTable& table, std::string_view name, std::string_view what) {
  const auto it = table.metrics.find(name);
  if (it != table.metrics.end()) return &it->second;
  std::string known;
  for (const auto& [metric, values] : table.metrics) known += (known.empty() ? "" : ", ") + metric;
  return absl::InvalidArgumentError(fmt::format("{}: expected one of {}, found '{}'", what, known, name));
}

size_t Use(std::vector<std::string>& metrics, const std::string& name) {
  const auto it = std::find(metrics.begin(), metrics.end(), name);
  if (it != metrics.end()) return static_cast<size_t>(it - metrics.begin());
  metrics.push_back(name);
  return metrics.size() - 1;
}

double Sign(const Metric& metric) { return metric.goal == Goal::kMax ? -1 : 1; }

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
  if (request.front.empty()) return absl::OkStatus();
  const absl::StatusOr<const Metric*> metric = FindMetric(table, request.front, "front");
  if (!metric.ok()) return metric.status();
  if (request.front == request.objective) {
    return absl::InvalidArgumentError(
        fmt::format("front: expected a metric other than the objective, found '{}'", request.front));
  }
  problem.front_sign = Sign(**metric);
  problem.front = Use(problem.metrics, request.front);
  return absl::OkStatus();
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
  if (absl::Status status = ResolveLimits(table, request.limits, problem); !status.ok()) return status;
  if (absl::Status status = ResolveFront(table, request, problem); !status.ok()) return status;
  problem.filter = AllowAll(table);
  if (absl::Status status = ApplyFixed(table, request.fixed, problem.filter); !status.ok()) return status;
  if (absl::Status status = ApplyForbidden(table, request.forbidden, problem.filter); !status.ok()) return status;
  return problem;
}

class Enumeration {
 public:
  Enumeration(const Estimator& estimator, const SearchRequest& request, const Problem& problem)
      : estimator_(estimator),
        request_(request),
        problem_(problem),
        top_(static_cast<size_t>(request.top)),
        reachable_(request.limits.size()),
        held_(size_t{1} << request.limits.size(), false) {}

  absl::StatusOr<SearchResult> Run() {
    if (absl::Status status = CheckSize(); !status.ok()) return status;
    absl::Status status = Walk([this](const NetworkView& network) { return Visit(network); });
    if (!status.ok()) return status;
    if (front_.size() > size_t{kMaxListed}) {
      return absl::ResourceExhaustedError(
          fmt::format("front: expected at most {} points, found more", size_t{kMaxListed}));
    }
    const bool feasible = held_.back();
    if (feasible) {
      TakeNetworks();
    } else if (!AnyNetwork()) {
      result_.status = SearchStatus::kInfeasible;
    } else if (status = ExplainInfeasible(); !status.ok()) {
      return status;
    }
    ReportLimits();
    return std::move(result_);
  }

 private:
  using Distance = std::tuple<double, double>;  // greatest relative change of a limit, sum of them

  absl::Status CheckSize() const {
    const absl::StatusOr<double> count = CountNetworks(estimator_, problem_.metrics, problem_.filter);
    if (!count.ok()) return count.status();
    if (*count <= kMaxEnumerated) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        fmt::format("search: expected at most {:.0e} networks to enumerate, found {:.3g}; fix or forbid candidates",
                    kMaxEnumerated, *count));
  }

  absl::Status Walk(absl::FunctionRef<bool(const NetworkView&)> visit) {
    bool cancelled = Cancelled();
    int64_t since_look = 0;
    const auto visit_unless_cancelled = [&](const NetworkView& network) {
      if (++since_look == kCancelPeriod) {
        since_look = 0;
        cancelled = Cancelled();
      }
      return !cancelled && visit(network);
    };
    if (!cancelled) {
      const absl::StatusOr<WalkReport> report =
          ForEachNetwork(estimator_, problem_.metrics, problem_.filter, visit_unless_cancelled);
      if (!report.ok()) return report.status();
      result_.explored += report->visited;
      result_.undefined = report->undefined;
    }
    return cancelled ? absl::CancelledError("search: cancelled") : absl::OkStatus();
  }

  bool Cancelled() const { return request_.cancel && request_.cancel->load(std::memory_order_relaxed); }

  Rank RankOf(const NetworkView& network) const {
    return {.objective_key = problem_.sign * network.values[0],
            .first_limited = problem_.limited.empty() ? 0 : network.values[problem_.limited[0]],
            .choice = &network.choice,
            .shared = network.shared};
  }

  bool Visit(const NetworkView& network) {
    size_t held = 0;
    for (size_t l = 0; l < problem_.limited.size(); ++l) {
      const double value = network.values[problem_.limited[l]];
      reachable_[l].Include(value);
      held |= size_t{Holds(request_.limits[l], value)} << l;
    }
    held_[held] = true;
    if (held + 1 != held_.size()) return true;
    const Rank rank = RankOf(network);
    top_.Offer(rank);
    if (!request_.front.empty()) front_.Offer(rank, problem_.front_sign * network.values[problem_.front]);
    return front_.size() <= size_t{kMaxListed};
  }

  bool AnyNetwork() const { return std::find(held_.begin(), held_.end(), true) != held_.end(); }

  void TakeNetworks() {
    result_.status = SearchStatus::kOptimal;
    for (const Ranked& network : top_.Take()) result_.networks.push_back(Describe(network));
    for (const Ranked& network : front_.Take()) result_.front.push_back(Describe(network));
    result_.bound = result_.networks[0].objective;
  }

  FoundNetwork Describe(const Ranked& network) const {
    const BlockTable& table = estimator_.table();
    FoundNetwork found;
    found.choice = network.choice;
    for (size_t i = 0; i < found.choice.size(); ++i) {
      found.names.push_back(table.nodes[i].candidates[found.choice[i]]);
    }
    found.shared_index = network.shared;
    if (table.structure.shared) {
      found.shared[table.structure.shared->name] = table.structure.shared->values[network.shared];
    }
    found.objective = problem_.sign * network.objective_key;
    if (auto predicted = estimator_.PredictAll(network.choice, network.shared); predicted.ok()) {
      found.predicted = *std::move(predicted);
    }
    return found;
  }

  // How far the limits must give way for this network.
  Distance DistanceOf(const NetworkView& network) const {
    double greatest = 0;
    double sum = 0;
    for (size_t l = 0; l < problem_.limited.size(); ++l) {
      const Limit& limit = request_.limits[l];
      const double value = network.values[problem_.limited[l]];
      if (Holds(limit, value)) continue;
      const double unit = limit.value != 0 ? std::abs(limit.value)
                                           : std::max(std::abs(reachable_[l].least), std::abs(reachable_[l].greatest));
      const double relative = std::abs(value - limit.value) / unit;
      greatest = std::max(greatest, relative);
      sum += relative;
    }
    return {greatest, sum};
  }

  absl::Status ExplainInfeasible() {
    result_.status = SearchStatus::kInfeasible;
    result_.conflict = internal::SmallestConflict(held_, static_cast<int>(request_.limits.size()));
    Distance best = {kInfinity, kInfinity};
    Ranked nearest;
    bool found = false;
    absl::Status status = Walk([&](const NetworkView& network) {
      const Distance distance = DistanceOf(network);
      const Rank rank = RankOf(network);
      if (!found || distance < best || (distance == best && internal::Better(rank, nearest.rank()))) {
        best = distance;
        nearest = {rank.objective_key, rank.first_limited, network.choice, network.shared};
        found = true;
      }
      return true;
    });
    if (!status.ok()) return status;
    result_.nearest = NearestBudget{.distance = std::get<0>(best), .network = Describe(nearest)};
    for (const Limit& limit : request_.limits) {
      Limit budget = limit;
      const double value = result_.nearest->network.predicted.find(limit.metric)->second;
      if (!Holds(limit, value)) budget.value = value;
      result_.nearest->limits.push_back(budget);
    }
    return absl::OkStatus();
  }

  void ReportLimits() {
    for (size_t l = 0; l < request_.limits.size(); ++l) {
      LimitReport report{.limit = request_.limits[l]};
      if (!reachable_[l].empty()) report.reachable = {reachable_[l].least, reachable_[l].greatest};
      if (!result_.networks.empty()) report.value = result_.networks[0].predicted.find(report.limit.metric)->second;
      result_.limits.push_back(report);
    }
  }

  const Estimator& estimator_;
  const SearchRequest& request_;
  const Problem& problem_;
  internal::TopK top_;
  internal::Front front_;
  std::vector<Range> reachable_;
  std::vector<bool> held_;  // by set of limits: some network holds exactly these
  SearchResult result_;
};

}  // namespace

absl::StatusOr<SearchResult> Search(const BlockTable& table, const SearchRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  const absl::StatusOr<Estimator> estimator = Estimator::Create(table, request.estimator);
  if (!estimator.ok()) return estimator.status();
  const absl::StatusOr<Problem> problem = Resolve(table, request);
  if (!problem.ok()) return problem.status();
  absl::StatusOr<SearchResult> result = Enumeration(*estimator, request, *problem).Run();
  if (!result.ok()) return result.status();
  result->has_top = request.top > 1;
  result->has_front = !request.front.empty();
  result->estimator = request.estimator;
  result->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace mathnas::core
