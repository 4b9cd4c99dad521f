#include "mathnas/core/internal/search_by_solver.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/internal/front_lists.h"
#include "mathnas/core/solver.h"
#include "mathnas/core/table_program.h"

namespace mathnas::core::internal {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kExplanationSeconds = 10;  // for conflict and nearest budget

Limit Moved(Limit limit, double value) {
  limit.value = value;
  return limit;
}

class SolverSearch {
 public:
  SolverSearch(const Estimator& estimator, const SearchRequest& request, const Problem& problem)
      : estimator_(estimator), table_(estimator.table()), request_(request), problem_(problem) {}

  absl::StatusOr<SearchResult> Run() {
    result_.method = SearchMethod::kSolve;
    const std::string first = request_.limits.empty() ? "" : request_.limits[0].metric;
    absl::StatusOr<Found> best =
        Best({.objective = request_.objective, .maximise = problem_.sign < 0, .keep = request_.top, .ties = {first}},
             request_.limits);
    if (!best.ok()) return best.status();
    std::vector<Range> reachable;
    for (const Limit& limit : request_.limits) {
      absl::StatusOr<Range> range = Reachable(limit.metric);
      if (!range.ok()) return range.status();
      reachable.push_back(*range);
    }
    for (const Ranked& network : best->networks) {
      result_.networks.push_back(Describe(estimator_, problem_, network));
    }
    absl::Status status = absl::OkStatus();
    if (!best->networks.empty()) {
      result_.status = best->proven ? SearchStatus::kOptimal : SearchStatus::kFeasible;
      const double objective = result_.networks[0].objective;
      result_.bound = best->proven ? objective : problem_.sign * best->bound_key;
      result_.gap = result_.bound == objective ? 0 : std::abs(result_.bound - objective) / std::abs(objective);
      if (!request_.fronts.empty()) status = FindFront();
    } else if (!best->proven) {
      result_.status = SearchStatus::kUnknown;
    } else {
      result_.status = SearchStatus::kInfeasible;
      status = Explain(reachable);
    }
    if (!status.ok()) return status;
    ReportLimits(request_, reachable, result_);
    return std::move(result_);
  }

 private:
  // What is looked for.
  struct Goal {
    std::string objective;  // "" = any network
    bool maximise = false;
    int keep = 1;
    // Among equal ones: metrics whose smaller value comes first, "" = none; "-latency": whose greater value does.
    std::vector<std::string> ties = {};
    bool break_ties = true;
  };
  struct Found {
    std::vector<Ranked> networks;  // best first
    bool proven = true;            // that no others are better; or that there is none
    double bound_key = kInfinity;  // of the objective: no network is below
  };

  double Seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  double Remaining() const { return time_limit_ - Seconds(); }

  double Value(const std::string& metric, const Choice& choice, int shared) const {
    const absl::StatusOr<double> value = estimator_.Predict(metric, choice, shared);
    return value.ok() ? *value : std::numeric_limits<double>::quiet_NaN();
  }

  bool HoldsAll(const std::vector<Limit>& limits, const Choice& choice, int shared) const {
    return std::all_of(limits.begin(), limits.end(),
                       [&](const Limit& limit) { return Holds(limit, Value(limit.metric, choice, shared)); });
  }

  // Smaller first, as `ties` says; then by choice.
  bool Before(const std::vector<std::string>& ties, const Choice& a, int shared_a, const Choice& b,
              int shared_b) const {
    for (const std::string& tie : ties) {
      if (tie.empty()) continue;
      const double sign = tie[0] == '-' ? -1 : 1;
      const std::string metric = sign < 0 ? tie.substr(1) : tie;
      const double value_a = sign * Value(metric, a, shared_a), value_b = sign * Value(metric, b, shared_b);
      if (value_a != value_b) return value_a < value_b;
    }
    return a != b ? a < b : shared_a < shared_b;
  }

  // Any network within the limits. The first limit is the objective: without one the solver would have nothing to
  // prune by.
  absl::StatusOr<Found> Any(const std::vector<Limit>& limits) {
    if (limits.empty()) return Best({}, {});
    absl::StatusOr<Found> found =
        Best({.objective = limits[0].metric, .maximise = limits[0].op == LimitOp::kAtLeast, .break_ties = false},
             {limits.begin() + 1, limits.end()});
    if (!found.ok() || found->networks.empty()) return found;
    const Ranked& best = found->networks[0];
    if (!Holds(limits[0], Value(limits[0].metric, best.choice, best.shared))) {
      found->networks.clear();
    } else {
      found->proven = true;
    }
    return found;
  }

  // The best networks within `limits`, over all values of the shared choice.
  absl::StatusOr<Found> Best(const Goal& goal, const std::vector<Limit>& limits) {
    Found found;
    const auto slices = std::count(problem_.filter.shared.begin(), problem_.filter.shared.end(), true);
    auto slices_left = static_cast<double>(slices);
    for (int shared = 0; shared < table_.SharedCount(); ++shared) {
      if (!problem_.filter.shared[shared]) continue;
      const double seconds = std::max(0.0, Remaining()) / slices_left--;
      if (absl::Status status = BestOfSlice(goal, limits, shared, seconds, found); !status.ok()) return status;
    }
    const auto before = [&](const Ranked& a, const Ranked& b) {
      if (a.objective_key != b.objective_key) return a.objective_key < b.objective_key;
      return Before(goal.ties, a.choice, a.shared, b.choice, b.shared);
    };
    if (slices > 1) {
      std::sort(found.networks.begin(), found.networks.end(), before);
      if (std::ssize(found.networks) > goal.keep) found.networks.resize(goal.keep);
    }
    if (!found.networks.empty()) found.bound_key = std::min(found.bound_key, found.networks[0].objective_key);
    return found;
  }

  // Most forbidden pairs are nothing that anybody would choose: a pair becomes a row of the program when it is found in
  // a solution, and is left to `accept` when there is no room for rows any more.
  absl::Status BestOfSlice(const Goal& goal, const std::vector<Limit>& limits, int shared, double seconds,
                           Found& found) {
    const std::vector<CandidatePair>& pairs = problem_.filter.forbidden_pairs;
    NetworkFilter filter = {.candidates = problem_.filter.candidates, .shared = problem_.filter.shared};
    std::vector<bool> is_row(pairs.size(), false);
    bool check_pairs = false;
    for (const double end = Remaining() - seconds;;) {
      const absl::StatusOr<TableProgram> program = BuildProgram(
          estimator_,
          {.objective = goal.objective, .maximise = goal.maximise, .limits = limits, .metrics = problem_.metrics},
          filter, shared);
      if (!program.ok()) return program.status();
      if (program->empty) return absl::OkStatus();
      const absl::StatusOr<Solution> solution =
          SolveSlice(goal, limits, *program, shared, check_pairs, Remaining() - end);
      if (!solution.ok()) return solution.status();
      std::vector<Choice> choices;
      if (!solution->x.empty()) choices.push_back(program->ToChoice(solution->x));
      for (const std::vector<int>& x : solution->runners_up) choices.push_back(program->ToChoice(x));
      const bool proven =
          solution->status == SolutionStatus::kOptimal || solution->status == SolutionStatus::kInfeasible;
      const bool hold = std::all_of(choices.begin(), choices.end(),
                                    [this](const Choice& choice) { return HoldsPairs(problem_.filter, choice); });
      if (hold || !proven) {
        if (!proven) {
          found.proven = false;
          found.bound_key = std::min(found.bound_key, KeyOfRatio(goal, solution->bound, shared));
        }
        for (Choice& choice : choices) {
          if (HoldsPairs(problem_.filter, choice)) Add(goal, std::move(choice), shared, found);
        }
        return absl::OkStatus();
      }
      for (size_t p = 0; p < pairs.size(); ++p) {
        const bool together = std::any_of(choices.begin(), choices.end(), [&](const Choice& choice) {
          return !HoldsPairs({.candidates = {}, .shared = {}, .forbidden_pairs = {pairs[p]}}, choice);
        });
        if (!together || is_row[p]) continue;
        if (limits.size() + filter.forbidden_pairs.size() + 1 >= Program::kMaxLimits) {
          check_pairs = true;
          break;
        }
        is_row[p] = true;
        filter.forbidden_pairs.push_back(pairs[p]);
      }
    }
  }

  absl::StatusOr<Solution> SolveSlice(const Goal& goal, const std::vector<Limit>& limits, const TableProgram& program,
                                      int shared, bool check_pairs, double seconds) {
    SolverOptions options = {
        .time_limit = seconds, .cancel = request_.cancel, .keep = goal.keep, .threads = request_.threads};
    if (check_pairs || std::find(program.exact.begin(), program.exact.end(), false) != program.exact.end()) {
      options.accept = [&, check_pairs, shared](std::span<const int> x) {
        const Choice choice = program.ToChoice(x);
        return HoldsAll(limits, choice, shared) && (!check_pairs || HoldsPairs(problem_.filter, choice));
      };
    }
    if (!goal.objective.empty() && goal.break_ties) {
      options.before = [&, shared](std::span<const int> x, std::span<const int> y) {
        return Before(goal.ties, program.ToChoice(x), shared, program.ToChoice(y), shared);
      };
      options.tie_limit = TieRow(goal, limits, program);
    }
    absl::StatusOr<Solution> solution = Solve(program.program, options);
    if (solution.ok()) result_.explored += solution->explored;
    if (!absl::IsInvalidArgument(solution.status())) return solution;
    return absl::FailedPreconditionError(fmt::format("search: {}", std::string(solution.status().message())));
  }

  // The row that says what the first tie metric is, if there is one.
  static int TieRow(const Goal& goal, const std::vector<Limit>& limits, const TableProgram& program) {
    const auto tie = std::find_if(goal.ties.begin(), goal.ties.end(), [](const auto& t) { return !t.empty(); });
    if (tie == goal.ties.end()) return -1;
    const bool greater = tie->front() == '-';
    const std::string metric = greater ? tie->substr(1) : *tie;
    for (size_t l = 0; l < limits.size(); ++l) {
      const bool same = limits[l].metric == metric && (limits[l].op == LimitOp::kAtLeast) == greater;
      if (same && program.rows[l] >= 0 && program.exact[program.rows[l]]) return program.rows[l];
    }
    return -1;
  }

  void Add(const Goal& goal, Choice choice, int shared, Found& found) const {
    const double key = goal.objective.empty() ? 0 : (goal.maximise ? -1 : 1) * Value(goal.objective, choice, shared);
    found.networks.push_back({.objective_key = key, .first_limited = 0, .choice = std::move(choice), .shared = shared});
  }

  // The objective key that belongs to a ratio of the program.
  double KeyOfRatio(const Goal& goal, double ratio, int shared) const {
    if (goal.objective.empty()) return 0;
    const absl::StatusOr<const MetricForm*> form = estimator_.FormOf(goal.objective, shared);
    if (!form.ok()) return -kInfinity;
    if (!(*form)->divided) return ratio / (*form)->sum.scale;
    const double value = (*form)->factor * ratio * (*form)->denominator.scale / (*form)->sum.scale;
    return goal.maximise ? value - (*form)->base : (*form)->base + value;
  }

  // Over all networks, limits ignored.
  absl::StatusOr<Range> Reachable(const std::string& metric) {
    if (const auto it = reachable_.find(metric); it != reachable_.end()) return it->second;
    Range range;
    for (const bool maximise : {false, true}) {
      const absl::StatusOr<Found> end = Best({.objective = metric, .maximise = maximise}, {});
      if (!end.ok()) return end.status();
      if (!end->networks.empty()) range.Include((maximise ? -1 : 1) * end->networks[0].objective_key);
    }
    return reachable_[metric] = range;
  }

  // By lists of partial networks; where these grow too long or take half the time, or a limit is no exact row, one
  // point after the other.
  absl::Status FindFront() {
    absl::StatusOr<std::vector<Ranked>> front = FrontByLists();
    const absl::Status& lists = front.status();
    if (absl::IsResourceExhausted(lists) || absl::IsDeadlineExceeded(lists) || absl::IsFailedPrecondition(lists)) {
      front = FrontByPoints();
    }
    if (!front.ok()) return front.status();
    if (front->size() > size_t{kMaxListed}) {
      return absl::ResourceExhaustedError(
          fmt::format("front: expected at most {} points, found more", size_t{kMaxListed}));
    }
    result_.front.reserve(front->size());
    for (const Ranked& network : *front) result_.front.push_back(Describe(estimator_, problem_, network));
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Ranked>> FrontByLists() {
    Front front;
    const Goal goal = {.objective = request_.objective, .maximise = problem_.sign < 0};
    const double half = std::min(Remaining() / 2, 1e9);
    const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(half));
    for (int shared = 0; shared < table_.SharedCount(); ++shared) {
      if (!problem_.filter.shared[shared]) continue;
      const absl::StatusOr<TableProgram> program = BuildProgram(estimator_,
                                                                {.objective = goal.objective,
                                                                 .maximise = goal.maximise,
                                                                 .limits = request_.limits,
                                                                 .fronts = request_.fronts,
                                                                 .metrics = problem_.metrics},
                                                                problem_.filter, shared);
      if (!program.ok()) return program.status();
      if (program->empty) continue;
      if (std::find(program->exact.begin(), program->exact.end(), false) != program->exact.end()) {
        return absl::FailedPreconditionError("front: expected limits on metrics that are not divided by the FLOPs");
      }
      const absl::StatusOr<FrontPoints> points =
          NonDominated(program->program, program->front_rows, until, request_.cancel);
      if (!points.ok()) return points.status();
      result_.explored += std::ssize(*points);
      // BuildProgram has found them all. The sums are those of the estimator, in integers.
      const MetricForm& objective = **estimator_.FormOf(goal.objective, shared);
      const int64_t sign = objective.divided == goal.maximise ? 1 : -1;
      const MetricForm* forms[2] = {};
      const size_t metrics = request_.fronts.size(), nodes = program->nodes.size();
      for (size_t k = 0; k < metrics; ++k) forms[k] = *estimator_.FormOf(request_.fronts[k], shared);
      for (size_t p = 0; p < points->size(); ++p) {
        const Choice choice = program->ToChoice({points->x.data() + p * nodes, nodes});
        double keys[2];
        for (size_t k = 0; k < metrics; ++k) {
          const double sum = problem_.front_signs[k] * static_cast<double>(points->w[p * metrics + k]);
          keys[k] = problem_.front_signs[k] * ValueFromTotals(*forms[k], sum + forms[k]->sum.constant, 0);
        }
        const double value =
            ValueFromTotals(objective, static_cast<double>(sign * points->a[p]), static_cast<double>(points->f[p]));
        front.Offer({.objective_key = problem_.sign * value,
                     .first_limited = request_.limits.empty() ? 0 : Value(request_.limits[0].metric, choice, shared),
                     .choice = &choice,
                     .shared = shared},
                    std::span<const double>(keys, metrics));
      }
    }
    return front.Take();
  }

  // What no point found so far dominates is a union of boxes "front keys below `keys`". The best network of all boxes
  // is a point of the front; whatever it dominates is no better, so every box that it lies in becomes one box per front
  // metric. (With two of them, the local upper bounds of Klamroth, Lacour and Vanderpooten, On the representation of
  // the search region in multi-objective optimization, 2015.)
  struct Box {
    std::array<double, 2> keys;
    std::optional<Ranked> best = {};  // once it was solved
    std::array<double, 2> best_keys = {};

    bool Contains(const std::array<double, 2>& at) const { return at[0] < keys[0] && at[1] < keys[1]; }
    bool Inside(const Box& other) const { return keys[0] <= other.keys[0] && keys[1] <= other.keys[1]; }
  };

  static std::vector<Box> Cut(const std::vector<Box>& boxes, const std::array<double, 2>& at, size_t metrics) {
    std::vector<Box> cut, parts;
    for (const Box& box : boxes) {
      if (!box.Contains(at)) {
        cut.push_back(box);
        continue;
      }
      for (size_t k = 0; k < metrics; ++k) {
        Box part = box;
        part.keys[k] = at[k];
        if (!part.Contains(part.best_keys)) part.best.reset();
        parts.push_back(std::move(part));
      }
    }
    std::sort(parts.begin(), parts.end(), [](const Box& a, const Box& b) { return a.keys > b.keys; });
    for (const Box& part : parts) {  // larger ones first
      const auto holds = [&part](const Box& other) { return part.Inside(other); };
      if (std::none_of(cut.begin(), cut.end(), holds)) cut.push_back(part);
    }
    return cut;
  }

  // Solves a box; false if there is nothing in it that is proven.
  absl::StatusOr<bool> SolveBox(const Goal& goal, Box& box) {
    std::vector<Limit> limits = request_.limits;
    for (size_t k = 0; k < request_.fronts.size(); ++k) {
      if (box.keys[k] == kInfinity) continue;
      const bool less = problem_.front_signs[k] > 0;
      const Limit below = {.metric = request_.fronts[k], .op = less ? LimitOp::kAtMost : LimitOp::kAtLeast};
      limits.push_back(
          Moved(below, std::nextafter(problem_.front_signs[k] * box.keys[k], less ? -kInfinity : kInfinity)));
    }
    absl::StatusOr<Found> found = Best(goal, limits);
    if (!found.ok()) return found.status();
    if (!found->proven) result_.status = SearchStatus::kFeasible;
    if (found->networks.empty() || !found->proven) return false;
    box.best = std::move(found->networks[0]);
    box.best_keys = {-kInfinity, -kInfinity};
    for (size_t k = 0; k < request_.fronts.size(); ++k) {
      box.best_keys[k] = problem_.front_signs[k] * Value(request_.fronts[k], box.best->choice, box.best->shared);
    }
    return true;
  }

  absl::StatusOr<std::vector<Ranked>> FrontByPoints() {
    const size_t metrics = request_.fronts.size();
    Goal goal = {.objective = request_.objective, .maximise = problem_.sign < 0};
    for (size_t k = 0; k < metrics; ++k) {
      goal.ties.push_back(problem_.front_signs[k] > 0 ? request_.fronts[k] : "-" + request_.fronts[k]);
    }
    goal.ties.push_back(request_.limits.empty() ? "" : request_.limits[0].metric);
    Front front;
    std::vector<Box> boxes = {{.keys = {kInfinity, kInfinity}}};
    while (front.size() <= size_t{kMaxListed}) {
      for (size_t b = 0; b < boxes.size();) {
        const absl::StatusOr<bool> there = boxes[b].best ? true : SolveBox(goal, boxes[b]);
        if (!there.ok()) return there.status();
        if (*there) {
          ++b;
        } else {
          boxes.erase(boxes.begin() + static_cast<std::ptrdiff_t>(b));
        }
      }
      if (boxes.empty()) break;
      const auto best = std::min_element(boxes.begin(), boxes.end(), [](const Box& a, const Box& b) {
        return std::tie(a.best->objective_key, a.best_keys) < std::tie(b.best->objective_key, b.best_keys);
      });
      const std::array<double, 2> at = best->best_keys;
      front.Offer(best->best->rank(), std::span<const double>(at.data(), metrics));
      boxes = Cut(boxes, at, metrics);
    }
    return front.Take();
  }

  // Which limits clash, and the nearest budget that does not.
  absl::Status Explain(const std::vector<Range>& reachable) {
    time_limit_ = std::min(time_limit_, Seconds() + kExplanationSeconds);
    const absl::StatusOr<Found> any = Any({});
    if (!any.ok()) return any.status();
    if (any->networks.empty()) return absl::OkStatus();  // no network even without limits
    if (absl::Status status = FindConflict(); !status.ok()) return status;
    return FindNearest(any->networks[0], reachable);
  }

  // Subsets by size, each size in lexicographic order; all limits if time runs out.
  absl::Status FindConflict() {
    const int n = static_cast<int>(request_.limits.size());
    for (int size = 1; size <= n; ++size) {
      std::vector<int> chosen(size);
      for (int c = 0; c < size; ++c) chosen[c] = c;
      for (;;) {
        std::vector<Limit> limits;
        for (int l : chosen) limits.push_back(request_.limits[l]);
        const absl::StatusOr<Found> found = size == n ? Found{} : Any(limits);
        if (!found.ok()) return found.status();
        if (found->networks.empty() && found->proven) {
          result_.conflict = chosen;
          return absl::OkStatus();
        }
        int at = size - 1;
        while (at >= 0 && chosen[at] == n - size + at) --at;
        if (at < 0) break;
        ++chosen[at];
        for (int c = at + 1; c < size; ++c) chosen[c] = chosen[c - 1] + 1;
      }
    }
    return absl::OkStatus();
  }

  double Distance(const Ranked& network, const std::vector<double>& units) const {
    double distance = 0;
    for (size_t l = 0; l < request_.limits.size(); ++l) {
      const Limit& limit = request_.limits[l];
      const double value = Value(limit.metric, network.choice, network.shared);
      if (!Holds(limit, value)) distance = std::max(distance, std::abs(value - limit.value) / units[l]);
    }
    return distance;
  }

  // The limits as they are for networks whose distance is below `distance` > 0, or equal to it if `inclusive`.
  std::vector<Limit> Relaxed(double distance, bool inclusive, const std::vector<double>& units) const {
    std::vector<Limit> relaxed;
    for (size_t l = 0; l < request_.limits.size(); ++l) {
      const Limit& limit = request_.limits[l];
      const double out = limit.op == LimitOp::kAtMost ? 1 : -1;
      const auto within = [&](double value) {
        const double d = std::abs(value - limit.value) / units[l];
        return value == limit.value || d < distance || (inclusive && d == distance);
      };
      // The last double that is within; neighbours are found by halving, for near zero there are very many.
      double value = limit.value, beyond = limit.value + std::copysign(2 * distance * units[l], out);
      for (double middle = value + (beyond - value) / 2; middle != value && middle != beyond;
           middle = value + (beyond - value) / 2) {
        (within(middle) ? value : beyond) = middle;
      }
      relaxed.push_back(Moved(limit, value));
    }
    return relaxed;
  }

  // Halves the distance while that finds a network; then any that is nearer than the nearest so far, until none is.
  absl::Status FindNearest(const Ranked& start, const std::vector<Range>& reachable) {
    std::vector<double> units;
    for (size_t l = 0; l < request_.limits.size(); ++l) {
      units.push_back(DistanceUnit(request_.limits[l], reachable[l]));
    }
    double far = Distance(start, units), near = 0;
    bool proven = true;
    for (bool halving = true;;) {
      const double tried = halving ? near + (far - near) / 2 : far;
      const absl::StatusOr<Found> found = Any(Relaxed(tried, halving, units));
      if (!found.ok()) return found.status();
      if (!found->proven && found->networks.empty()) {
        proven = false;  // out of time: the nearest that is known
        break;
      }
      if (!found->networks.empty()) {
        far = Distance(found->networks[0], units);
      } else if (halving) {
        near = tried;
      } else {
        break;
      }
      halving = halving && far - near > 1e-6 * far;
    }
    const std::string first = request_.limits[0].metric;
    const absl::StatusOr<Found> best = Best(
        {.objective = request_.objective, .maximise = problem_.sign < 0, .ties = {first}}, Relaxed(far, true, units));
    if (!best.ok()) return best.status();
    if (best->networks.empty()) return absl::OkStatus();  // out of time
    result_.nearest = NearestOf(request_, far, Describe(estimator_, problem_, best->networks[0]));
    result_.nearest->proven = proven && best->proven;
    return absl::OkStatus();
  }

  const Estimator& estimator_;
  const BlockTable& table_;
  const SearchRequest& request_;
  const Problem& problem_;
  const Clock::time_point begin_ = Clock::now();
  double time_limit_ = request_.time_limit;
  std::map<std::string, Range> reachable_;
  SearchResult result_;
};

}  // namespace

absl::StatusOr<SearchResult> SearchBySolver(const Estimator& estimator, const SearchRequest& request,
                                            const Problem& problem) {
  return SolverSearch(estimator, request, problem).Run();
}

}  // namespace mathnas::core::internal
