#include "mathnas/core/solver.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <limits>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/internal/solver/dynamic_programme.h"
#include "mathnas/core/internal/solver/incumbents.h"
#include "mathnas/core/internal/solver/lagrangian_dual.h"
#include "mathnas/core/internal/solver/local_search.h"
#include "mathnas/core/internal/solver/part.h"
#include "mathnas/core/internal/solver/space.h"
#include "mathnas/core/internal/solver/team.h"
#include "mathnas/core/internal/solver/tree.h"

namespace mathnas::core {
namespace {

using Clock = std::chrono::steady_clock;
using internal::DualPoint;
using internal::DynamicProgramme;
using internal::Incumbents;
using internal::LagrangianDual;
using internal::Part;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kFewCandidates = 40;  // that may be in a network below the first target
// From a target to the next: how much further away it is, at least and at most; where it was refuted at once and no
// network is known, perhaps there is none.
constexpr double kLeastStep = 1.1, kMostStep = 2, kLongStep = 1000;
constexpr int64_t kFewParts = 8;  // a target is refuted at once with fewer
constexpr int64_t kManyCandidates = 4000, kSampledOfNode = 12;
constexpr double kNearlyFew = 10;  // times as many networks as are few
constexpr double kManyMeans = 4;   // what is far above the mean of a node in the dual

class Search {
 public:
  Search(const Program& program, const SolverOptions& options)
      : options_(options), space_(program), incumbents_(space_, options) {}

  absl::StatusOr<Solution> Run() {
    Solution solution;
    if (!incumbents_.Start()) {
      solution.status = SolutionStatus::kInfeasible;
      solution.bound = kInfinity;
      return solution;
    }
    proven_ = incumbents_.least_ratio();
    const absl::StatusOr<bool> finished = FindBest();
    if (!finished.ok()) return finished.status();
    const Incumbents::Networks& kept = incumbents_.kept();
    if (!kept.empty() && *finished && options_.before) BreakTies();
    double best = kInfinity;
    if (!kept.empty()) {
      solution.x = kept.begin()->x;
      solution.a = kept.begin()->a;
      solution.f = kept.begin()->f;
      for (auto it = std::next(kept.begin()); it != kept.end(); ++it) solution.runners_up.push_back(it->x);
      best = static_cast<double>(solution.a) / static_cast<double>(solution.f);
    }
    if (*finished) {
      solution.status = kept.empty() ? SolutionStatus::kInfeasible : SolutionStatus::kOptimal;
      solution.bound = best;
    } else {
      solution.status = kept.empty() ? SolutionStatus::kUnknown : SolutionStatus::kFeasible;
      solution.bound = std::min(best, proven_);
    }
    solution.explored = explored_;
    return solution;
  }

 private:
  double Work() const { return static_cast<double>(tree_.work() + team_work_); }
  double Seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }
  bool Cancelled() const { return options_.cancel != nullptr && options_.cancel->load(); }

  // From the relaxation up: a target just above it cuts nearly everything, and what it finds is nearly always the
  // optimum. If nothing lies below a target, that is proven, and the next one is further away. False: time ran out.
  absl::StatusOr<bool> FindBest() {
    whole_ = internal::Whole(space_);
    root_multiplier_.assign(space_.k, 0);
    double relaxed = incumbents_.lambda();
    if (!FewNetworks()) {
      if (Relaxation()) return true;
      relaxed = incumbents_.lambda();
      if (!options_.accept) {
        Reduce(root_multiplier_, whole_);
        DropDominated();
      }
    }
    double distance = FirstDistance(relaxed), step = kMostStep, work_of_last = kInfinity;
    for (;;) {
      const int64_t parts_before = explored_;
      const double work_before = Work(), target = relaxed + distance;
      Reduce(root_multiplier_, whole_);
      const auto candidates = static_cast<double>(whole_.candidates.size());
      if (work_before > candidates * candidates / 4) {
        internal::ImproveByPairs(space_, whole_, incumbents_);
        Reduce(root_multiplier_, whole_);
      }
      // Close to the incumbent, another target would be nearly as much work as the incumbent itself.
      const bool last = !(distance * std::sqrt(step) < incumbents_.Ratio() - relaxed);
      sums_due_ = std::min(sums_due_, options_.effort.before_sums * space_.first.back());
      if (last) {
        incumbents_.AimBelowWorst();
      } else {
        incumbents_.AimAt(target);
      }
      const absl::StatusOr<bool> finished = BranchAndBound();
      if (!finished.ok() || !*finished) return finished;
      // Whatever was below the target would have been found.
      if (last || incumbents_.lambda() < target) return true;
      proven_ = std::max(proven_, target);
      // Work grows like a power of the distance, 4 to 6 where it is much. All targets together take least where each is
      // e times the work of the one before, if the optimum may be anywhere.
      const double work = Work() - work_before;
      const double power = std::max(0.0, std::log(work / work_of_last) / std::log(step));
      const bool at_once = explored_ - parts_before < kFewParts;
      step = std::clamp(std::exp(1 / power), kLeastStep, at_once && incumbents_.kept().empty() ? kLongStep : kMostStep);
      work_of_last = work;
      distance *= step;
    }
  }

  // Whether there are so few that preparation would take longer than the search, after taking out what limits alone
  // exclude and, where that leaves nearly as few, what is dominated.
  bool FewNetworks() {
    const auto few = static_cast<double>(options_.effort.few_networks);
    if (internal::Networks(space_, whole_) <= few) return true;
    if (!internal::KeepWithinLimits(space_, incumbents_.limits(), whole_)) return true;  // none
    if (!options_.accept && internal::Networks(space_, whole_) <= kNearlyFew * few) DropDominated();
    return internal::Networks(space_, whole_) <= few;
  }

  void DropDominated() {
    const internal::Ratios ratios = {incumbents_.least_ratio(), incumbents_.Ratio(), incumbents_.always_positive()};
    internal::DropDominated(space_, ratios, options_.keep, whole_);
  }

  // From the relaxation's ratio to the first target, which only few candidates are within reach of.
  double FirstDistance(double relaxed) {
    const double most = incumbents_.Ratio() - relaxed;
    if (!(most > 0)) return 0;
    DualPoint point;
    point.u = root_multiplier_;
    dual_.Evaluate(whole_, point);
    std::vector<double> excesses;
    for (int i = 0; i < space_.m; ++i) {
      for (int p = whole_.start[i]; p < whole_.start[i + 1]; ++p) {
        if (p != point.minimum.arg[i]) {
          excesses.push_back(point.values.candidates[p] - point.minimum.node[i] + point.minimum.forced[i]);
        }
      }
    }
    if (std::ssize(excesses) <= kFewCandidates || !(point.f > 0)) return most;
    const auto first_out_of_reach = excesses.begin() + kFewCandidates;
    std::nth_element(excesses.begin(), first_out_of_reach, excesses.end());
    return std::min(most, std::max({1e-5 * std::abs(relaxed), 1e-9 * most, *first_out_of_reach / point.f}));
  }

  // Of the whole space, for networks below lambda.
  absl::StatusOr<bool> BranchAndBound() {
    std::vector<Part> open = {Root()};
    while (!open.empty()) {
      if (Cancelled()) return absl::CancelledError("search was stopped");
      if (Seconds() > options_.time_limit) {
        double least = 0;  // of a - lambda f over what is not finished
        for (const Part& part : open) least = std::min(least, part.bound);
        // Hence a / f >= lambda + least / f; what is better than the incumbent is in what is left of the space.
        const double floor = incumbents_.lambda() + least / LeastDenominator();
        proven_ = std::max(proven_, floor - 1e-12 * std::abs(floor));
        return false;
      }
      if (Work() >= sums_due_ && ProveBySums()) return true;
      Explore(open);
    }
    return true;
  }

  // Ends BranchAndBound by the dynamic programme, once that takes less than the search has; false if it does not.
  [[gnu::cold]] bool ProveBySums() {
    sums_due_ = kInfinity;
    if (space_.k != 1 || !space_.program.chains.empty() || options_.keep != 1 || options_.accept) return false;
    DynamicProgramme programme(space_, incumbents_);
    for (;;) {
      DualPoint point;
      point.u = root_multiplier_;
      dual_.Evaluate(whole_, point);
      const double due = programme.Prepare(whole_, point, 2 * dual_.Error(point.u)) / options_.effort.sums;
      if (due > Work()) {
        sums_due_ = due;
        return false;
      }
      const DynamicProgramme::End end =
          programme.Finish([this] { return Cancelled() || Seconds() > options_.time_limit; });
      if (end != DynamicProgramme::kBetter) return end == DynamicProgramme::kProven;
    }
  }

  [[gnu::cold]] double LeastDenominator() const {
    internal::Values<double> values;
    internal::Minimum<double> minimum;
    for (int c : whole_.candidates) values.candidates.push_back(space_.f[c]);
    for (const Program::Chain& chain : space_.program.chains) {
      values.ends.emplace_back(chain.end_f.begin(), chain.end_f.end()).push_back(0);
    }
    internal::Minimise(space_.program, whole_, values, minimum);
    const double least = minimum.total + static_cast<double>(space_.program.f0);
    return std::max(static_cast<double>(incumbents_.least_f()), least * (1 - 1e-12));
  }

  // A part, or a round of several.
  void Explore(std::vector<Part>& open) {
    if (explored_ < options_.effort.first_parts || open.size() < 2) {
      const bool root = open.back().bound == Part::kNoBound;
      tree_.ProcessLast(explored_++, open);
      if (root && !tree_.root_multiplier().empty()) root_multiplier_ = tree_.root_multiplier();
      return;
    }
    if (!team_) {
      team_ = std::make_unique<internal::Team>(space_, whole_, options_,
                                               [this] { return Cancelled() || Seconds() > options_.time_limit; });
    }
    if (!team_started_ && Seconds() > options_.effort.alone) {
      const int threads =
          options_.threads > 0 ? options_.threads : static_cast<int>(std::thread::hardware_concurrency());
      team_->Start(threads - 1);
      team_started_ = true;
    }
    team_->Round(explored_, open, incumbents_);
    explored_ += team_->explored();
    team_work_ += team_->work();
  }

  // Once nothing is better: networks as good as the worst that is kept, which may come before it.
  [[gnu::cold]] void BreakTies() {
    if (!incumbents_.full()) return;  // all networks are kept
    incumbents_.AimAtTies();
    std::vector<Part> open = {Root()};
    for (int64_t candidates = 0; !open.empty() && candidates < kMaxTieCandidates && !incumbents_.EnoughTies();) {
      if (Seconds() > options_.time_limit || Cancelled()) return;
      candidates += std::ssize(open.back().candidates);
      tree_.ProcessLast(explored_++, open);
    }
  }

  Part Root() const {
    Part root = whole_;
    root.multiplier = root_multiplier_;
    return root;
  }

  // Aims at where the root's dual is about zero (Dinkelbach's steps on the relaxation); finds first networks on the
  // way. True if nothing is left to look for: lambda is that of the worst network yet, or above every ratio.
  bool Relaxation() {
    DualPoint point;
    point.u = root_multiplier_;
    const bool proven = !RelaxSample(point) && dual_.Raise(whole_, point);
    if (!proven) Relax(whole_, point);
    root_multiplier_ = point.u;
    return proven;
  }

  // First a few candidates of each node, where all of them take long to look at: any, then those that are best with the
  // multipliers of the first. False if that gave nothing to start from.
  [[gnu::cold]] bool RelaxSample(DualPoint& point) {
    if (std::ssize(whole_.candidates) < kManyCandidates) return false;
    Part sample = whole_;
    sample.candidates.clear();
    for (int i = 0; i < space_.m; ++i) {
      sample.start[i] = static_cast<int>(sample.candidates.size());
      const int step = 1 + (whole_.count(i) - 1) / kSampledOfNode;
      for (int p = whole_.start[i]; p < whole_.start[i + 1]; p += step)
        sample.candidates.push_back(whole_.candidates[p]);
    }
    sample.start[space_.m] = static_cast<int>(sample.candidates.size());
    // Proven: perhaps there are networks in the rest.
    if (dual_.Raise(sample, point)) {
      point.u = root_multiplier_;
      return false;
    }
    sample = whole_;
    dual_.Evaluate(sample, point);
    const double much = kManyMeans * std::abs(point.value) / space_.m;
    internal::Drop(space_, point.values, point.minimum, much, sample);
    const std::vector<double> u = point.u;
    if (dual_.Raise(sample, point)) {
      point.u = u;
      return false;
    }
    Relax(sample, point);
    return true;
  }

  // Dinkelbach's steps from point.u on and into it.
  void Relax(Part& part, DualPoint& point) {
    Reduce(point.u, part);
    for (int step = 0; step < 12; ++step) {
      dual_.Raise(part, point, LagrangianDual::kHighest);
      Reduce(point.u, part);
      const double lambda = incumbents_.lambda();
      dual_.Evaluate(part, point);
      internal::Repair(space_, part, internal::ChoiceOf(space_, part, point.minimum), incumbents_);
      // The ratio of the mixture; a step by the dual's own x would go too far.
      double shares = 0, f = 0;
      for (const auto& [cut, share] : dual_.mix()) {
        shares += share;
        f += share * cut->f;
      }
      if (!(shares > 0 && f > 0)) break;
      incumbents_.AimAt(lambda + point.value * shares / f);
      if (std::abs(incumbents_.lambda() - lambda) <= 2e-6 * std::abs(lambda)) break;
    }
  }

  // Takes out of a part what can neither be better than the incumbent nor as good (reduced-cost fixing, Ingargiola and
  // Korsh 1973).
  void Reduce(const std::vector<double>& multiplier, Part& part) {
    if (!incumbents_.full()) return;
    const double lambda = incumbents_.lambda();
    incumbents_.AimBelowWorst();
    DualPoint point;
    point.u = multiplier;
    dual_.Evaluate(part, point);
    const double most = 2 * dual_.Error(point.u) - point.value;
    internal::Drop(space_, point.values, point.minimum, most, part);
    incumbents_.AimAt(lambda);
  }

  const SolverOptions& options_;
  const Clock::time_point begin_ = Clock::now();
  const internal::Space space_;
  Incumbents incumbents_;
  Part whole_;  // the space without what can neither be best nor as good
  internal::Tree tree_{space_, whole_, incumbents_, static_cast<double>(options_.effort.few_networks)};
  LagrangianDual& dual_ = tree_.dual();
  std::vector<double> root_multiplier_;
  double proven_ = 0;            // no ratio is below
  double sums_due_ = kInfinity;  // Work(), for ProveBySums
  int64_t explored_ = 0;
  int64_t team_work_ = 0;                 // tree_ counts its own
  std::unique_ptr<internal::Team> team_;  // once the search takes long
  bool team_started_ = false;
};

// Where every node decides by itself: sums without limits and chains. False where there may be ties that matter.
[[gnu::cold]] bool SolveByNodes(const Program& program, const SolverOptions& options, Solution& solution) {
  if (!program.limits.empty() || !program.chains.empty() || program.f0 <= 0) return false;
  if (options.keep != 1 || options.accept) return false;
  if (options.cancel != nullptr && options.cancel->load()) return false;
  solution.a = program.a0;
  for (const Program::Node& node : program.nodes) {
    const auto least = std::min_element(node.a.begin(), node.a.end());
    if (std::any_of(node.f.begin(), node.f.end(), [](int64_t f) { return f != 0; })) return false;
    if (options.before && std::find(least + 1, node.a.end(), *least) != node.a.end()) return false;
    solution.x.push_back(static_cast<int>(least - node.a.begin()));
    solution.a += *least;
  }
  solution.f = program.f0;
  solution.bound = static_cast<double>(solution.a) / static_cast<double>(solution.f);
  solution.status = SolutionStatus::kOptimal;
  solution.explored = 1;
  return true;
}

}  // namespace

absl::StatusOr<Solution> Solve(const Program& program, const SolverOptions& options) {
  if (auto s = Validate(program); !s.ok()) return s;
  if (options.threads < 0) {
    return absl::InvalidArgumentError(fmt::format("threads: expected a number from 0 on, found {}", options.threads));
  }
  if (Solution solution; SolveByNodes(program, options, solution)) return solution;
  return Search(program, options).Run();
}

}  // namespace mathnas::core
