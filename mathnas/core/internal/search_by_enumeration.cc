#include "mathnas/core/internal/search_by_enumeration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/internal/conflict.h"

namespace mathnas::core::internal {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kCancelPeriod = 4096;  // networks between two looks at the flag

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
    absl::Status status = Walk([this](const NetworkView& network) { return Visit(network); });
    if (!status.ok()) return status;
    std::vector<Ranked> front = front_.Take();
    if (front.size() > size_t{kMaxListed}) {
      return absl::ResourceExhaustedError(
          fmt::format("front: expected at most {} points, found more", size_t{kMaxListed}));
    }
    const bool feasible = held_.back();
    if (feasible) {
      TakeNetworks(front);
    } else if (!AnyNetwork()) {
      result_.status = SearchStatus::kInfeasible;
    } else if (status = ExplainInfeasible(); !status.ok()) {
      return status;
    }
    ReportLimits(request_, reachable_, result_);
    return std::move(result_);
  }

 private:
  using Distance = std::tuple<double, double>;  // greatest relative change of a limit, sum of them

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
    if (!problem_.fronts.empty()) {
      double keys[2];
      for (size_t p = 0; p < problem_.fronts.size(); ++p) {
        keys[p] = problem_.front_signs[p] * network.values[problem_.fronts[p]];
      }
      front_.Offer(rank, {keys, problem_.fronts.size()});
    }
    return front_.size() <= size_t{kMaxListed};
  }

  bool AnyNetwork() const { return std::find(held_.begin(), held_.end(), true) != held_.end(); }

  void TakeNetworks(const std::vector<Ranked>& front) {
    result_.status = SearchStatus::kOptimal;
    for (const Ranked& network : top_.Take()) result_.networks.push_back(Describe(estimator_, problem_, network));
    result_.front.reserve(front.size());
    for (const Ranked& network : front) result_.front.push_back(Describe(estimator_, problem_, network));
    result_.bound = result_.networks[0].objective;
  }

  // How far the limits must give way for this network.
  Distance DistanceOf(const NetworkView& network) const {
    double greatest = 0;
    double sum = 0;
    for (size_t l = 0; l < problem_.limited.size(); ++l) {
      const Limit& limit = request_.limits[l];
      const double value = network.values[problem_.limited[l]];
      if (Holds(limit, value)) continue;
      const double relative = std::abs(value - limit.value) / DistanceUnit(limit, reachable_[l]);
      greatest = std::max(greatest, relative);
      sum += relative;
    }
    return {greatest, sum};
  }

  absl::Status ExplainInfeasible() {
    result_.status = SearchStatus::kInfeasible;
    result_.conflict = SmallestConflict(held_, static_cast<int>(request_.limits.size()));
    Distance best = {kInfinity, kInfinity};
    Ranked nearest;
    bool found = false;
    absl::Status status = Walk([&](const NetworkView& network) {
      const Distance distance = DistanceOf(network);
      const Rank rank = RankOf(network);
      if (!found || distance < best || (distance == best && Better(rank, nearest.rank()))) {
        best = distance;
        nearest = {rank.objective_key, rank.first_limited, network.choice, network.shared};
        found = true;
      }
      return true;
    });
    if (!status.ok()) return status;
    result_.nearest = NearestOf(request_, std::get<0>(best), Describe(estimator_, problem_, nearest));
    return absl::OkStatus();
  }

  const Estimator& estimator_;
  const SearchRequest& request_;
  const Problem& problem_;
  TopK top_;
  Front front_;
  std::vector<Range> reachable_;
  std::vector<bool> held_;  // by set of limits: some network holds exactly these
  SearchResult result_;
};

}  // namespace

absl::StatusOr<SearchResult> SearchByEnumeration(const Estimator& estimator, const SearchRequest& request,
                                                 const Problem& problem) {
  return Enumeration(estimator, request, problem).Run();
}

}  // namespace mathnas::core::internal
