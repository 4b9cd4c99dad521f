#include "mathnas/core/solver.h"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <iterator>
#include <memory>
#include <numeric>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "mathnas/core/internal/cutting_planes.h"

namespace mathnas::core {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kFewParts = 20;          // parts before which a better incumbent is not worth its time
constexpr int64_t kMaxPairs = 1'000'000;   // that are looked at to improve an incumbent once
constexpr size_t kMaxExchanges = 2000;     // of all chains
constexpr double kFinishNetworks = 20000;  // that are looked at one by one

// Of the dual as a function of u: a - lambda f + u above is above all its values over any part that has x.
struct Cut {
  double a, f;
  std::vector<double> above;  // by limit
  std::vector<int> x;
};
using Cuts = std::vector<std::shared_ptr<const Cut>>;

// A part of the space: the candidates that are left by node, and the depths that are left by chain.
struct Part {
  std::vector<int> candidates;     // of all nodes, one node after the other
  std::vector<int> start;          // by node, and one more: where its candidates begin
  std::vector<uint64_t> depths;    // by chain: bit t for depth t
  std::vector<double> multiplier;  // by limit: where the parent's dual ended
  double bound = -kInfinity;       // of a - lambda f, lambda as it was then
  Cuts cuts;                       // the parent's that meet in its multiplier

  int count(int node) const { return start[node + 1] - start[node]; }
};

// Values by candidate of a part (in its order), and by end of every chain: what a minimum is taken of.
template <typename T>
struct Values {
  std::vector<T> candidates;
  std::vector<std::vector<T>> ends;  // by chain and depth - 1; the last is 0
};

// The least sum over a part, which x reaches it, and by how much a choice worsens it.
template <typename T>
struct Minimum {
  T total = 0;
  std::vector<T> node;                 // least value
  std::vector<int> arg;                // its position in Part::candidates
  std::vector<int> depth;              // by chain
  std::vector<std::vector<T>> excess;  // by chain and depth - 1: of ending there; only of depths that are left
  std::vector<T> forced;               // by node: excess of the node being there at all; 0 outside chains
};

template <typename T>
void Minimise(const Program& program, const Part& part, const Values<T>& values, Minimum<T>& out) {
  const int m = static_cast<int>(program.nodes.size());
  out.node.resize(m);
  out.arg.resize(m);
  out.forced.assign(m, 0);
  out.depth.resize(program.chains.size());
  out.excess.resize(program.chains.size());
  out.total = 0;
  for (int i = 0; i < m; ++i) {
    int best = part.start[i];
    for (int p = best + 1; p < part.start[i + 1]; ++p) {
      if (values.candidates[p] < values.candidates[best]) best = p;
    }
    out.arg[i] = best;
    out.node[i] = values.candidates[best];
    out.total += out.node[i];
  }
  for (size_t c = 0; c < program.chains.size(); ++c) {
    const Program::Chain& chain = program.chains[c];
    std::vector<T>& excess = out.excess[c];
    excess.assign(chain.length, 0);
    T prefix = 0, best = 0;
    int depth = 0;
    for (int t = 1; t <= chain.length; ++t) {
      prefix += out.node[chain.first + t - 1];
      excess[t - 1] = prefix + values.ends[c][t - 1];
      if ((part.depths[c] >> t & 1) != 0 && (depth == 0 || excess[t - 1] < best)) {
        best = excess[t - 1];
        depth = t;
      }
    }
    out.total += best - prefix;
    out.depth[c] = depth;
    // A node is there if the chain ends behind it.
    T later = 0;
    bool any = false;
    for (int t = chain.length; t >= 1; --t) {
      if ((part.depths[c] >> t & 1) != 0) {
        excess[t - 1] -= best;
        later = any ? std::min(later, excess[t - 1]) : excess[t - 1];
        any = true;
      }
      out.forced[chain.first + t - 1] = later;
    }
  }
}

class Search {
 public:
  Search(const Program& program, const SolverOptions& options)
      : program_(program), options_(options), m_(static_cast<int>(program.nodes.size())), k_(program.limits.size()) {}

  absl::StatusOr<Solution> Run() {
    Flatten();
    if (!Range()) return Solution{.status = SolutionStatus::kInfeasible, .bound = kInfinity};
    // From the relaxation up: a target just above it cuts nearly everything, and what it finds is nearly always the
    // optimum. If nothing lies below a target, that is proven, and the next one is further away.
    Solution solution;
    double proven = least_ratio_;  // no ratio is below
    whole_ = Whole();
    const double relaxed = Small() ? lambda_ : Relaxation();
    if (root_multiplier_.empty()) root_multiplier_.assign(k_, 0);
    double distance = std::min(1e-2 * (IncumbentRatio() - relaxed), 1e-5 * std::abs(relaxed));
    if (!(distance > 0)) distance = 1e-2 * std::max(0.0, IncumbentRatio() - relaxed);
    bool timed_out = false;
    for (bool last = false; !last && !timed_out;) {
      const int64_t before = solution.explored;
      const double target = relaxed + distance;
      ReduceWhole();
      if (before > kFewParts) {
        ImproveByPairs();
        ReduceWhole();
      }
      last = !(target < IncumbentRatio());
      if (last) {
        AimBelowIncumbent();
      } else {
        lambda_ = target;
        margin_ = 0;
      }
      std::vector<Part> open = {whole_};
      open.back().multiplier = root_multiplier_;
      while (!open.empty()) {
        if (options_.cancel != nullptr && options_.cancel->load()) return absl::CancelledError("search was stopped");
        if (Seconds() > options_.time_limit) {
          timed_out = true;
          double least = kInfinity;  // of a - lambda f over what is not finished
          for (const Part& part : open) least = std::min(least, part.bound);
          // Hence a / f >= lambda + least / f.
          const double floor = lambda_ + std::min(least, 0.0) / static_cast<double>(least_f_);
          proven = std::max(proven, floor - 1e-12 * std::abs(floor));
          break;
        }
        Part part = std::move(open.back());
        open.pop_back();
        ++solution.explored;
        Process(std::move(part), open);
      }
      if (timed_out) break;
      // Whatever was below the target would have been found.
      if (lambda_ < target) last = true;
      if (!last) proven = std::max(proven, target);
      // A target that was refuted at once was far too low.
      distance *= solution.explored - before < 8 ? 4 : 2;
    }
    const bool found = !kept_.empty();
    if (found && !timed_out && options_.before) BreakTies(solution.explored);
    if (found) {
      solution.x = kept_.begin()->x;
      solution.a = kept_.begin()->a;
      solution.f = kept_.begin()->f;
      for (auto it = std::next(kept_.begin()); it != kept_.end(); ++it) solution.runners_up.push_back(it->x);
    }
    const double best = found ? static_cast<double>(solution.a) / static_cast<double>(solution.f) : kInfinity;
    if (!timed_out) {
      solution.status = found ? SolutionStatus::kOptimal : SolutionStatus::kInfeasible;
      solution.bound = best;
    } else {
      solution.status = found ? SolutionStatus::kFeasible : SolutionStatus::kUnknown;
      solution.bound = std::min(best, proven);
    }
    return solution;
  }

 private:
  struct Kept {
    std::vector<int> x;
    int64_t a, f;
  };
  struct Better {
    const SolverOptions* options;
    bool operator()(const Kept& p, const Kept& q) const {
      if (LessRatio(p.a, p.f, q.a, q.f)) return true;
      if (LessRatio(q.a, q.f, p.a, p.f)) return false;
      return options->before ? options->before(p.x, q.x) : p.x < q.x;
    }
  };

  double Seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  // Candidates of all nodes one after the other; w of limit l divided by its scale.
  void Flatten() {
    for (int i = 0; i < m_; ++i) {
      const Program::Node& node = program_.nodes[i];
      for (size_t j = 0; j < node.a.size(); ++j) {
        node_of_.push_back(i);
        candidate_.push_back(static_cast<int>(j));
        a_.push_back(static_cast<double>(node.a[j]));
        f_.push_back(static_cast<double>(node.f[j]));
      }
    }
    chain_of_.assign(m_, -1);
    for (int c = 0; c < std::ssize(program_.chains); ++c) {
      std::fill_n(chain_of_.begin() + program_.chains[c].first, program_.chains[c].length, c);
    }
    scale_.assign(k_, 1);
    w_.resize(k_);
    for (size_t l = 0; l < k_; ++l) {
      double largest = 1;
      for (const Program::Node& node : program_.nodes) {
        const auto [low, high] = std::minmax_element(node.w[l].begin(), node.w[l].end());
        largest = std::max(largest, static_cast<double>(*high - *low));
      }
      scale_[l] = largest;
      for (const Program::Node& node : program_.nodes) {
        for (int64_t w : node.w[l]) w_[l].push_back(static_cast<double>(w) / largest);
      }
    }
    const auto add = [](double& sum, const std::vector<int64_t>& values) {
      double largest = 0;
      for (int64_t v : values) largest = std::max(largest, std::abs(static_cast<double>(v)));
      sum += largest;
    };
    size_a_ = std::abs(static_cast<double>(program_.a0));
    size_f_ = std::abs(static_cast<double>(program_.f0));
    size_w_.assign(k_, 0);
    for (const Program::Node& node : program_.nodes) {
      add(size_a_, node.a);
      add(size_f_, node.f);
      for (size_t l = 0; l < k_; ++l) add(size_w_[l], node.w[l]);
    }
    for (const Program::Chain& chain : program_.chains) {
      add(size_a_, chain.end_a);
      add(size_f_, chain.end_f);
      for (size_t l = 0; l < k_; ++l) add(size_w_[l], chain.end_w[l]);
    }
    for (size_t l = 0; l < k_; ++l) {
      size_w_[l] = (size_w_[l] + std::abs(static_cast<double>(program_.limits[l]))) / scale_[l];
    }
  }

  Part Whole() const {
    Part part;
    part.start.push_back(0);
    for (int i = 0; i < m_; ++i) part.start.push_back(part.start.back() + static_cast<int>(program_.nodes[i].a.size()));
    for (int c = 0; c < part.start.back(); ++c) part.candidates.push_back(c);
    for (const Program::Chain& chain : program_.chains) {
      part.depths.push_back(((uint64_t{1} << chain.length) - 1) << 1 & chain.depths);
    }
    part.multiplier.assign(k_, 0);
    return part;
  }

  template <typename OfNode, typename OfChain>
  Values<int64_t> Integers(const Part& part, int64_t sign, const OfNode& of_node, const OfChain& of_chain) const {
    Values<int64_t> values;
    for (int c : part.candidates)
      values.candidates.push_back(sign * of_node(program_.nodes[node_of_[c]])[candidate_[c]]);
    for (const Program::Chain& chain : program_.chains) {
      values.ends.emplace_back();
      for (int64_t v : of_chain(chain)) values.ends.back().push_back(sign * v);
      values.ends.back().push_back(0);
    }
    return values;
  }
  int64_t Least(const Values<int64_t>& values, const Part& part) const {
    Minimum<int64_t> minimum;
    Minimise(program_, part, values, minimum);
    return minimum.total;
  }

  // Few networks need no preparation.
  bool Small() const {
    double networks = 1;
    for (const Program::Node& node : program_.nodes) networks *= static_cast<double>(node.a.size());
    return networks <= 1e5;
  }

  double IncumbentRatio() const { return static_cast<double>(worst_a_) / static_cast<double>(worst_f_); }
  // With integers, a ratio below a / f means a' - lambda f' <= -1 / f.
  void AimBelowIncumbent() {
    lambda_ = IncumbentRatio();
    margin_ = 1 / static_cast<double>(worst_f_);
  }

  // Where the root's dual is about zero (Dinkelbach's steps on the relaxation); finds first networks on the way.
  double Relaxation() {
    root_multiplier_.assign(k_, 0);
    if (!KeepWithinLimits(whole_)) return lambda_;
    const Part& root = whole_;
    Values<double> values;
    Minimum<double> minimum;
    std::vector<double> above(k_);
    // Lambda is above every ratio yet: a proof says that nothing holds the limits.
    if (RaiseDual(root, root_multiplier_, values, minimum, above)) return lambda_;
    for (int step = 0; step < 12; ++step) {
      RaiseDual(root, root_multiplier_, values, minimum, above, kHighest);
      const double lambda = lambda_;
      const double value = Dual(root, root_multiplier_, values, minimum, above);
      Repair(ChoiceOf(root, minimum));
      // The ratio of the mixture; a step by the dual's own x would go too far.
      double shares = 0, f = 0;
      for (const auto& [cut, share] : mix_) {
        shares += share;
        f += share * cut->f;
      }
      if (!(shares > 0 && f > 0)) break;
      lambda_ = lambda + value * shares / f;
      margin_ = 0;
      if (std::abs(lambda_ - lambda) <= 2e-6 * std::abs(lambda)) break;
    }
    return lambda_;
  }

  // Takes out of the whole space what can neither be better than the incumbent nor as good (reduced-cost fixing,
  // Ingargiola and Korsh 1973).
  void ReduceWhole() {
    if (std::ssize(kept_) < options_.keep) return;
    lambda_ = IncumbentRatio();
    Values<double> values;
    Minimum<double> minimum;
    std::vector<double> above(k_);
    const double value = Dual(whole_, root_multiplier_, values, minimum, above);
    const double error = 2 * Error(root_multiplier_);
    Drop(whole_, values, minimum, [&](double excess) { return value + excess - error > 0; });
  }

  // The first lambda is above every ratio, so that any network is better. False if no denominator is positive.
  bool Range() {
    const Part whole = Whole();
    const auto node_a = [](const Program::Node& n) -> const auto& { return n.a; };
    const auto node_f = [](const Program::Node& n) -> const auto& { return n.f; };
    const auto end_a = [](const Program::Chain& c) -> const auto& { return c.end_a; };
    const auto end_f = [](const Program::Chain& c) -> const auto& { return c.end_f; };
    const int64_t most_a = program_.a0 - Least(Integers(whole, -1, node_a, end_a), whole);
    const int64_t least_a = program_.a0 + Least(Integers(whole, 1, node_a, end_a), whole);
    const int64_t most_f = program_.f0 - Least(Integers(whole, -1, node_f, end_f), whole);
    if (most_f <= 0) return false;
    least_f_ = std::max<int64_t>(1, program_.f0 + Least(Integers(whole, 1, node_f, end_f), whole));
    worst_a_ = most_a + 1;
    worst_f_ = most_a >= 0 ? least_f_ : most_f;
    AimBelowIncumbent();
    least_ratio_ = static_cast<double>(least_a) / static_cast<double>(least_a >= 0 ? most_f : least_f_);
    return true;
  }

  // Rounding errors of any value of the dual stay below this: each term is off by a few ulp of its size.
  double Error(const std::vector<double>& u) const {
    double size = size_a_ + std::abs(lambda_) * size_f_;
    for (size_t l = 0; l < k_; ++l) size += u[l] * size_w_[l];
    return size * 0x1p-52 * static_cast<double>(m_ + 2 * static_cast<int>(k_) + 16);
  }
  // Whether a part whose dual is `value` has no x below the ratio that is aimed at.
  bool Proven(double value, double error) const {
    return ties_ ? value - error > 0 : value - error >= -margin_ * (1 - 1e-9);
  }

  // Candidates that break a limit whatever the rest does go; false if that leaves nothing.
  bool KeepWithinLimits(Part& part) {
    for (bool again = true; again;) {
      again = false;
      for (size_t l = 0; l < k_; ++l) {
        const auto of_node = [&](const Program::Node& n) -> const auto& { return n.w[l]; };
        const auto of_chain = [&](const Program::Chain& c) -> const auto& { return c.end_w[l]; };
        const Values<int64_t> values = Integers(part, 1, of_node, of_chain);
        Minimum<int64_t> minimum;
        Minimise(program_, part, values, minimum);
        const int64_t slack = limits_[l] - minimum.total;
        if (slack < 0) return false;
        if (Drop(part, values, minimum, [&](int64_t excess) { return excess > slack; })) again = true;
      }
    }
    return true;
  }

  // Takes out what `too_much` says of the excess over the minimum. What reaches the minimum stays, so no node is
  // emptied.
  template <typename T, typename TooMuch>
  bool Drop(Part& part, const Values<T>& values, const Minimum<T>& minimum, const TooMuch& too_much) const {
    bool dropped = false;
    for (size_t c = 0; c < program_.chains.size(); ++c) {
      for (int t = 1; t <= program_.chains[c].length; ++t) {
        if ((part.depths[c] >> t & 1) == 0 || t == minimum.depth[c] || !too_much(minimum.excess[c][t - 1])) continue;
        part.depths[c] &= ~(uint64_t{1} << t);
        dropped = true;
      }
    }
    int kept = 0;
    for (int i = 0; i < m_; ++i) {
      const int from = part.start[i], to = part.start[i + 1];
      part.start[i] = kept;
      for (int p = from; p < to; ++p) {
        const T excess = values.candidates[p] - minimum.node[i] + minimum.forced[i];
        // In a node that is behind every depth the candidates do not matter; one is kept.
        if (p != minimum.arg[i] && too_much(excess)) {
          dropped = true;
          continue;
        }
        part.candidates[kept++] = part.candidates[p];
      }
    }
    part.start[m_] = kept;
    part.candidates.resize(kept);
    return dropped;
  }

  // Nodes behind every depth that is left are the same whatever they choose.
  void KeepOneOfAbsent(Part& part) const {
    std::vector<bool> absent(m_, false);
    bool any = false;
    for (size_t c = 0; c < program_.chains.size(); ++c) {
      const Program::Chain& chain = program_.chains[c];
      for (int t = chain.length; t >= 1 && (part.depths[c] >> t) == 0; --t) {
        absent[chain.first + t - 1] = any = true;
      }
    }
    if (!any) return;
    int kept = 0;
    for (int i = 0; i < m_; ++i) {
      const int from = part.start[i], to = absent[i] ? from + 1 : part.start[i + 1];
      part.start[i] = kept;
      for (int p = from; p < to; ++p) part.candidates[kept++] = part.candidates[p];
    }
    part.start[m_] = kept;
    part.candidates.resize(kept);
  }

  // min over the part of (a - lambda f + u w) x - u C, and how far its x is above the limits.
  double Dual(const Part& part, const std::vector<double>& u, Values<double>& values, Minimum<double>& minimum,
              std::vector<double>& above) const {
    const size_t n = part.candidates.size();
    values.candidates.resize(n);
    for (size_t p = 0; p < n; ++p) {
      const int c = part.candidates[p];
      double v = a_[c] - lambda_ * f_[c];
      for (size_t l = 0; l < k_; ++l) v += u[l] * w_[l][c];
      values.candidates[p] = v;
    }
    values.ends.resize(program_.chains.size());
    for (size_t c = 0; c < program_.chains.size(); ++c) {
      const Program::Chain& chain = program_.chains[c];
      values.ends[c].assign(chain.length, 0);
      for (int t = 0; t + 1 < chain.length; ++t) {
        double v = static_cast<double>(chain.end_a[t]) - lambda_ * static_cast<double>(chain.end_f[t]);
        for (size_t l = 0; l < k_; ++l) v += u[l] * static_cast<double>(chain.end_w[l][t]) / scale_[l];
        values.ends[c][t] = v;
      }
    }
    Minimise(program_, part, values, minimum);
    double value = minimum.total + static_cast<double>(program_.a0) - lambda_ * static_cast<double>(program_.f0);
    for (size_t l = 0; l < k_; ++l) {
      above[l] = -static_cast<double>(program_.limits[l]) / scale_[l];
      value += u[l] * above[l];
    }
    for (int i = 0; i < m_; ++i) {
      if (!Present(i, minimum.depth)) continue;
      const int c = part.candidates[minimum.arg[i]];
      for (size_t l = 0; l < k_; ++l) above[l] += w_[l][c];
    }
    for (size_t c = 0; c < program_.chains.size(); ++c) {
      const Program::Chain& chain = program_.chains[c];
      if (minimum.depth[c] == chain.length) continue;
      for (size_t l = 0; l < k_; ++l) {
        above[l] += static_cast<double>(chain.end_w[l][minimum.depth[c] - 1]) / scale_[l];
      }
    }
    return value;
  }

  bool Present(int node, const std::vector<int>& depth) const {
    const int c = chain_of_[node];
    return c < 0 || node - program_.chains[c].first < depth[c];
  }

  std::vector<int> ChoiceOf(const Part& part, const Minimum<double>& minimum) const {
    std::vector<int> x(m_);
    for (int i = 0; i < m_; ++i) {
      x[i] = Present(i, minimum.depth) ? candidate_[part.candidates[minimum.arg[i]]] : Program::kAbsent;
    }
    return x;
  }

  // Exactly: keeps x if it holds the limits and is among the best so far; true if lambda became smaller.
  bool Offer(const std::vector<int>& x, const Totals& totals) {
    if (totals.f <= 0) return false;
    for (size_t l = 0; l < k_; ++l) {
      if (totals.w[l] > program_.limits[l]) return false;
    }
    if (LessRatio(worst_a_, worst_f_, totals.a, totals.f)) return false;
    if (options_.accept && !options_.accept(x)) return false;
    if (ties_) ++ties_seen_;
    if (!kept_.insert({x, totals.a, totals.f}).second) return false;
    if (std::ssize(kept_) < options_.keep) return false;
    if (std::ssize(kept_) > options_.keep) kept_.erase(std::prev(kept_.end()));
    const Kept& worst = *std::prev(kept_.end());
    if (options_.tie_limit >= 0 && options_.keep == 1 && ties_) {
      limits_[options_.tie_limit] = Evaluate(program_, worst.x).w[options_.tie_limit];
    }
    if (!LessRatio(worst.a, worst.f, worst_a_, worst_f_)) return false;
    worst_a_ = worst.a;
    worst_f_ = worst.f;
    if (IncumbentRatio() > lambda_) return false;
    AimBelowIncumbent();
    return true;
  }

  // Once nothing is better: networks as good as the worst that is kept, which may come before it.
  void BreakTies(int64_t& explored) {
    if (std::ssize(kept_) < options_.keep) return;  // all networks are kept
    ties_ = true;
    lambda_ = IncumbentRatio();
    if (options_.tie_limit >= 0 && options_.keep == 1) {
      limits_[options_.tie_limit] = Evaluate(program_, kept_.begin()->x).w[options_.tie_limit];
    }
    std::vector<Part> open = {whole_};
    open.back().multiplier = root_multiplier_;
    for (int64_t candidates = 0; !open.empty() && candidates < kMaxTieCandidates && ties_seen_ < kMaxTies;) {
      if (Seconds() > options_.time_limit || (options_.cancel != nullptr && options_.cancel->load())) return;
      Part part = std::move(open.back());
      open.pop_back();
      candidates += std::ssize(part.candidates);
      ++explored;
      Process(std::move(part), open);
    }
  }

  // From x, by exchanges of one candidate: first until the limits hold, then while lambda falls.
  void Repair(std::vector<int> x) {
    Totals totals = Evaluate(program_, x);
    for (int round = 0; round < 4 * m_ + 8; ++round) {
      double excess = 0;
      for (size_t l = 0; l < k_; ++l) {
        excess += std::max(0.0, static_cast<double>(totals.w[l] - program_.limits[l]) / scale_[l]);
      }
      const bool within = excess == 0;
      if (within) Offer(x, totals);
      int best_node = -1, best_candidate = 0;
      double best_score = within ? -1e-9 * std::abs(lambda_) : kInfinity;
      for (int i = 0; i < m_; ++i) {
        if (x[i] == Program::kAbsent) continue;
        const Program::Node& node = program_.nodes[i];
        for (int p = whole_.start[i]; p < whole_.start[i + 1]; ++p) {
          const int j = candidate_[whole_.candidates[p]];
          if (j == x[i]) continue;
          double after = 0;
          for (size_t l = 0; l < k_; ++l) {
            const int64_t w = totals.w[l] - node.w[l][x[i]] + node.w[l][j] - program_.limits[l];
            if (w > 0) after += static_cast<double>(w) / scale_[l];
          }
          const double cost =
              static_cast<double>(node.a[j] - node.a[x[i]]) - lambda_ * static_cast<double>(node.f[j] - node.f[x[i]]);
          double score = cost;
          if (within) {
            if (after > 0) continue;
          } else {
            if (after >= excess) continue;
            score = cost > 0 ? cost / (excess - after) : cost * (excess - after);
          }
          if (score < best_score) {
            best_score = score;
            best_node = i;
            best_candidate = j;
          }
        }
      }
      if (best_node < 0) return;
      const Program::Node& node = program_.nodes[best_node];
      const int old = x[best_node];
      totals.a += node.a[best_candidate] - node.a[old];
      totals.f += node.f[best_candidate] - node.f[old];
      for (size_t l = 0; l < k_; ++l) totals.w[l] += node.w[l][best_candidate] - node.w[l][old];
      x[best_node] = best_candidate;
    }
  }

  // Exchanges of two candidates at once that leave the limits and make the ratio smaller: what single ones cannot reach
  // once the limits are tight. Among those candidates that are cheapest by the dual of the whole space.
  void ImproveByPairs() {
    if (kept_.empty()) return;
    struct Single {
      double cost;
      int node, candidate;
      std::vector<int64_t> w;  // what it adds
    };
    std::vector<int> x = kept_.begin()->x;
    for (int round = 0; round < 50; ++round) {
      const Totals totals = Evaluate(program_, x);
      const double ratio = static_cast<double>(totals.a) / static_cast<double>(totals.f);
      std::vector<Single> singles;
      for (int i = 0; i < m_; ++i) {
        if (x[i] == Program::kAbsent) continue;
        const Program::Node& node = program_.nodes[i];
        for (int p = whole_.start[i]; p < whole_.start[i + 1]; ++p) {
          const int j = candidate_[whole_.candidates[p]];
          if (j == x[i]) continue;
          const double cost =
              static_cast<double>(node.a[j] - node.a[x[i]]) - ratio * static_cast<double>(node.f[j] - node.f[x[i]]);
          singles.push_back({cost, i, j, std::vector<int64_t>(k_)});
          for (size_t l = 0; l < k_; ++l) singles.back().w[l] = node.w[l][j] - node.w[l][x[i]];
        }
      }
      std::sort(singles.begin(), singles.end(), [](const Single& a, const Single& b) { return a.cost < b.cost; });
      double best = -1e-12 * (size_a_ + std::abs(ratio) * size_f_);
      const Single *first = nullptr, *second = nullptr;
      int64_t looked_at = 0;
      for (size_t s = 0; s < singles.size() && looked_at < kMaxPairs; ++s) {
        // The first of a pair is the cheaper one.
        for (size_t t = s + 1; t < singles.size() && singles[s].cost + singles[t].cost < best; ++t) {
          ++looked_at;
          if (singles[s].node == singles[t].node) continue;
          bool within = true;
          for (size_t l = 0; l < k_ && within; ++l) {
            within = totals.w[l] + singles[s].w[l] + singles[t].w[l] <= program_.limits[l];
          }
          if (!within) continue;
          best = singles[s].cost + singles[t].cost;
          first = &singles[s];
          second = &singles[t];
        }
      }
      if (first == nullptr) return;
      x[first->node] = first->candidate;
      x[second->node] = second->candidate;
      Offer(x, Evaluate(program_, x));
    }
  }

  // Searches multipliers with a high dual, from `u` on and into it; true if one proves the part, unless the highest is
  // asked for.
  enum Aim { kProof, kHighest };
  bool RaiseDual(const Part& part, std::vector<double>& u, Values<double>& values, Minimum<double>& minimum,
                 std::vector<double>& above, Aim aim = kProof) {
    const bool root = part.bound == -kInfinity;
    internal::CuttingPlanes planes(k_);
    double reach = 0;  // half of the box
    std::vector<double> centre = u, best_u = u;
    const auto make_box = [&] {
      for (size_t l = 0; l < k_; ++l) {
        planes.low[l] = std::max(0.0, centre[l] - reach);
        planes.high[l] = centre[l] + reach;
      }
    };
    for (double v : u) reach = std::max(reach, 0.25 * v);
    if (reach == 0) reach = (size_a_ + std::abs(lambda_) * size_f_) / m_;
    make_box();
    Cuts own = part.cuts;
    Cuts& cuts = root ? root_cuts_ : own;  // whatever lambda is, those of the root hold
    for (const auto& cut : cuts) planes.Add(cut->a - lambda_ * cut->f, cut->above);
    if (root && !cuts.empty()) planes.Maximise(u);
    double best = -kInfinity;
    for (int round = 0; round < (root ? 300 : 60); ++round) {
      const double value = Dual(part, u, values, minimum, above);
      if (aim == kProof && Proven(value, Error(u))) return true;
      if (value > best) {
        best = value;
        best_u = u;
      }
      std::vector<int> x = ChoiceOf(part, minimum);
      const Totals totals = Evaluate(program_, x);
      const bool better = Offer(x, totals);
      if (k_ == 0) break;
      const bool known = std::any_of(cuts.begin(), cuts.end(), [&x](const auto& cut) { return cut->x == x; });
      if (!known) {
        cuts.push_back(std::make_shared<const Cut>(
            Cut{static_cast<double>(totals.a), static_cast<double>(totals.f), above, std::move(x)}));
        planes.Add(0, above);
      }
      for (size_t t = 0; t < cuts.size(); ++t) planes.SetAlpha(t, cuts[t]->a - lambda_ * cuts[t]->f);
      if (better) best = -kInfinity;
      const double most = planes.Maximise(u);
      // At the maximum of the planes a known x says that they are the dual there.
      const bool exact = known && round > 0;
      // Near a value of zero what counts is what it does to the ratio.
      const double near =
          root ? std::max(1e-4 * std::abs(best), 1e-6 * std::abs(lambda_ * static_cast<double>(totals.f)))
               : 1e-2 * std::abs(best);
      if (better || (!exact && most - best > near)) continue;
      bool at_border = false;
      for (size_t l = 0; l < k_; ++l) {
        at_border = at_border || u[l] >= planes.high[l] || (u[l] <= planes.low[l] && u[l] > 0);
      }
      if (!at_border) break;
      centre = u;
      reach *= 4;
      make_box();
      planes.Maximise(u);
    }
    u = best_u;
    mix_.clear();
    for (const auto& [cut, weight] : planes.Mix()) mix_.emplace_back(cuts[cut], weight);
    return false;
  }

  // Bounds the part; divides it if that proves nothing.
  void Process(Part part, std::vector<Part>& open) {
    if (part.bound > -kInfinity && Proven(part.bound, Error(part.multiplier))) return;
    if (!KeepWithinLimits(part)) return;
    KeepOneOfAbsent(part);
    std::vector<double> best_u = part.multiplier;
    Values<double> values;
    Minimum<double> minimum;
    std::vector<double> above(k_);
    if (RaiseDual(part, best_u, values, minimum, above)) return;

    double value = Dual(part, best_u, values, minimum, above);
    const double error = Error(best_u);
    if (part.bound == -kInfinity && !ties_) root_multiplier_ = best_u;
    if (Proven(value, error)) return;
    const std::vector<int> x = ChoiceOf(part, minimum);
    Offer(x, Evaluate(program_, x));
    // Seldom, since it takes as long as many bounds.
    if (parts_++ % 64 == 0) Repair(x);
    value = Dual(part, best_u, values, minimum, above);  // lambda may have changed
    if (Proven(value, Error(best_u))) return;
    if (Drop(part, values, minimum, [&](double excess) { return Proven(value + excess, 2 * Error(best_u)); })) {
      value = Dual(part, best_u, values, minimum, above);
    }
    // The least x may be another one by now, and the only one that is left.
    const std::vector<int> last = ChoiceOf(part, minimum);
    Offer(last, Evaluate(program_, last));
    if (Finish(part, value, values, minimum, 2 * Error(best_u))) return;
    part.bound = value - Error(best_u);
    part.multiplier = best_u;
    Divide(std::move(part), values, minimum, open);
  }

  // Another choice than that of the minimum, of one node or of a whole chain.
  struct Exchange {
    double excess;
    size_t choices_begin, choices_end;  // in exchanged_: node and candidate
    size_t sums;                        // in exchange_sums_: what it adds to a, f and every w
    size_t next;                        // the first exchange of the groups behind
    size_t rest;                        // in least_rests_: what those can take off every w at most
  };

  // Looks at the networks of a part one by one if few are left: those whose excess over the minimum, summed over their
  // exchanges, proves nothing (Boussier, Vasquez, Vimont, Hanafi and Michelon, 2010). False if there may be too many.
  bool Finish(const Part& part, double value, const Values<double>& values, const Minimum<double>& minimum,
              double error) {
    exchanges_.clear();
    exchanged_.clear();
    exchange_sums_.clear();
    groups_.clear();
    const std::vector<int> x = ChoiceOf(part, minimum);
    const double budget = error - value;
    for (size_t c = 0; c < program_.chains.size(); ++c) {
      const Program::Chain& chain = program_.chains[c];
      const size_t first = exchanges_.size();
      for (int t = 1; t <= chain.length; ++t) {
        if ((part.depths[c] >> t & 1) == 0 || minimum.excess[c][t - 1] > budget) continue;
        prefix_.clear();
        if (!ExchangeChain(part, values, minimum, c, t, 0, minimum.excess[c][t - 1], budget, x)) return false;
      }
      if (exchanges_.size() > first) AddGroup(first);
    }
    for (int i = 0; i < m_; ++i) {
      if (part.count(i) < 2 || chain_of_[i] >= 0) continue;
      const size_t first = exchanges_.size();
      for (int p = part.start[i]; p < part.start[i + 1]; ++p) {
        if (p == minimum.arg[i]) continue;
        prefix_.assign(1, {i, candidate_[part.candidates[p]]});
        AddExchange(values.candidates[p] - minimum.node[i], x);
      }
      AddGroup(first);
    }
    std::sort(groups_.begin(), groups_.end(),
              [this](const auto& g, const auto& h) { return exchanges_[g.first].excess < exchanges_[h.first].excess; });
    least_rests_.assign((groups_.size() + 1) * k_, 0);
    for (size_t g = groups_.size(); g-- > 0;) {
      for (size_t l = 0; l < k_; ++l) {
        int64_t least = 0;
        for (size_t e = groups_[g].first; e < groups_[g].second; ++e) {
          least = std::min(least, exchange_sums_[exchanges_[e].sums + 2 + l]);
        }
        least_rests_[g * k_ + l] = least_rests_[(g + 1) * k_ + l] + least;
      }
    }
    std::vector<Exchange> ordered;
    for (size_t g = 0; g < groups_.size(); ++g) {
      const auto& [begin, end] = groups_[g];
      const size_t next = ordered.size() + end - begin;
      for (size_t e = begin; e < end; ++e) {
        ordered.push_back(exchanges_[e]);
        ordered.back().next = next;
        ordered.back().rest = (g + 1) * k_;
      }
    }
    exchanges_ = std::move(ordered);
    if (NetworksWithin(budget) > kFinishNetworks) return false;
    std::vector<int> tried = x;
    const Totals totals = Evaluate(program_, x);
    std::vector<int64_t> sums = {totals.a, totals.f};
    sums.insert(sums.end(), totals.w.begin(), totals.w.end());
    sums.resize((groups_.size() + 1) * (k_ + 2));
    TryExchanges(0, 0, value, error, tried, sums);
    return true;
  }

  // prefix_ instead of what x has there.
  void AddExchange(double excess, const std::vector<int>& x) {
    Exchange exchange = {excess, exchanged_.size(), exchanged_.size() + prefix_.size(), exchange_sums_.size(), 0, 0};
    exchange_sums_.resize(exchange_sums_.size() + k_ + 2, 0);
    int64_t* sums = &exchange_sums_[exchange.sums];
    const auto add = [&](int node, int candidate, int64_t sign) {
      if (candidate == Program::kAbsent) return;
      const Program::Node& n = program_.nodes[node];
      sums[0] += sign * n.a[candidate];
      sums[1] += sign * n.f[candidate];
      for (size_t l = 0; l < k_; ++l) sums[2 + l] += sign * n.w[l][candidate];
    };
    for (const auto& [node, candidate] : prefix_) {
      add(node, candidate, 1);
      add(node, x[node], -1);
      exchanged_.emplace_back(node, candidate);
    }
    exchanges_.push_back(exchange);
  }

  // Every way to end chain c at depth t within the budget, from its node number `at` on.
  bool ExchangeChain(const Part& part, const Values<double>& values, const Minimum<double>& minimum, size_t c, int t,
                     int at, double excess, double budget, const std::vector<int>& x) {
    const Program::Chain& chain = program_.chains[c];
    if (at == t) {
      for (int rest = t; rest < chain.length; ++rest) prefix_.emplace_back(chain.first + rest, Program::kAbsent);
      const bool same = std::all_of(prefix_.begin(), prefix_.end(),
                                    [&](const auto& choice) { return x[choice.first] == choice.second; });
      if (!same) {
        AddExchange(excess, x);
        int64_t* sums = &exchange_sums_[exchanges_.back().sums];
        const auto add_end = [&](int depth, int64_t sign) {
          if (depth == chain.length) return;
          sums[0] += sign * chain.end_a[depth - 1];
          sums[1] += sign * chain.end_f[depth - 1];
          for (size_t l = 0; l < k_; ++l) sums[2 + l] += sign * chain.end_w[l][depth - 1];
        };
        add_end(t, 1);
        add_end(minimum.depth[c], -1);
      }
      prefix_.resize(t);
      return exchanges_.size() <= kMaxExchanges;
    }
    const int node = chain.first + at;
    for (int p = part.start[node]; p < part.start[node + 1]; ++p) {
      const double sum = excess + values.candidates[p] - minimum.node[node];
      if (sum > budget) continue;
      prefix_.emplace_back(node, candidate_[part.candidates[p]]);
      if (!ExchangeChain(part, values, minimum, c, t, at + 1, sum, budget, x)) return false;
      prefix_.pop_back();
    }
    return true;
  }

  // The exchanges from `first` on, least excess first.
  void AddGroup(size_t first) {
    std::sort(exchanges_.begin() + static_cast<std::ptrdiff_t>(first), exchanges_.end(),
              [](const Exchange& a, const Exchange& b) { return a.excess < b.excess; });
    groups_.emplace_back(first, exchanges_.size());
  }

  // At least as many as there are networks whose excess is `budget` or less: counted by excesses rounded down.
  double NetworksWithin(double budget) const {
    constexpr int kSteps = 32;
    std::array<double, kSteps + 1> count = {1}, longer;
    const double step = budget / kSteps;
    for (size_t e = 0; e < exchanges_.size();) {
      longer = count;
      for (const size_t next = exchanges_[e].next; e < next; ++e) {
        const double steps = exchanges_[e].excess / step;
        if (!(steps <= kSteps)) continue;
        const int shift = static_cast<int>(steps);
        for (int s = shift; s <= kSteps; ++s) longer[s] += count[s - shift];
      }
      count = longer;
    }
    return std::accumulate(count.begin(), count.end(), 0.0);
  }

  // Every set of exchanges, at most one of a group, from exchange `first` on that is not proven to be no better.
  // `sums` has those of x at position `level`.
  void TryExchanges(size_t first, size_t level, double value, double error, std::vector<int>& x,
                    std::vector<int64_t>& sums) {
    const size_t size = k_ + 2;
    for (size_t e = first; e < exchanges_.size() && ties_seen_ < kMaxTies;) {
      const Exchange& exchange = exchanges_[e];
      if (Proven(value + exchange.excess, error)) {
        // Those behind cost more: of this group, and of all others if this is its least.
        if (e == first || exchanges_[e - 1].next == e) return;
        e = exchange.next;
        continue;
      }
      const int64_t* before = &sums[level * size];
      int64_t* after = &sums[(level + 1) * size];
      const int64_t* change = &exchange_sums_[exchange.sums];
      bool within = true, reachable = true;
      for (size_t s = 0; s < size; ++s) after[s] = before[s] + change[s];
      for (size_t l = 0; l < k_; ++l) {
        const int64_t above = after[2 + l] - program_.limits[l];
        within = within && above <= 0;
        reachable = reachable && above + least_rests_[exchange.rest + l] <= 0;
      }
      ++e;
      if (!reachable) continue;
      const size_t undo = undo_.size();
      for (size_t c = exchange.choices_begin; c < exchange.choices_end; ++c) {
        const auto [node, candidate] = exchanged_[c];
        undo_.emplace_back(node, x[node]);
        x[node] = candidate;
      }
      if (within && after[1] > 0 && !LessRatio(worst_a_, worst_f_, after[0], after[1])) {
        Offer(x, {after[0], after[1], std::vector(after + 2, after + size)});
      }
      TryExchanges(exchange.next, level + 1, value + exchange.excess, error, x, sums);
      for (; undo_.size() > undo; undo_.pop_back()) x[undo_.back().first] = undo_.back().second;
    }
  }

  int DepthOf(size_t c, const std::vector<int>& x) const {
    const Program::Chain& chain = program_.chains[c];
    int depth = 0;
    while (depth < chain.length && x[chain.first + depth] != Program::kAbsent) ++depth;
    return depth;
  }

  // In two, where the dual is least decided: the node (or chain) whose second choice costs least next to the weight it
  // moves.
  void Divide(Part part, const Values<double>& values, const Minimum<double>& minimum, std::vector<Part>& open) const {
    const auto weight = [&](int c) {
      double v = 0;
      for (size_t l = 0; l < k_; ++l) v += part.multiplier[l] * w_[l][c];
      return v;
    };
    // The relaxation is a mix of choices. Where these differ most in weight, it is undecided.
    int mixed = -1;
    double mixed_mean = 0, widest = 0;
    for (int i = 0; i < m_; ++i) {
      if (part.count(i) < 2) continue;
      double sum = 0, sum_weight = 0, sum_square = 0;
      for (const auto& [cut, share] : mix_) {
        const int j = cut->x[i];
        if (j == Program::kAbsent) continue;
        const double w = weight(part.candidates[part.start[i]] - candidate_[part.candidates[part.start[i]]] + j);
        sum += share;
        sum_weight += share * w;
        sum_square += share * w * w;
      }
      if (sum < 1e-6) continue;
      const double mean = sum_weight / sum, spread = sum_square - sum_weight * mean;
      if (spread > widest + 1e-9 * sum_square) {
        bool lower = false, higher = false;
        for (int p = part.start[i]; p < part.start[i + 1]; ++p) {
          (weight(part.candidates[p]) <= mean ? lower : higher) = true;
        }
        if (!lower || !higher) continue;
        widest = spread;
        mixed = i;
        mixed_mean = mean;
      }
    }
    int node = -1, chain = -1;
    double best_score = -1;
    const double size = std::max(std::abs(part.bound), 1e-300);
    for (int i = 0; i < m_; ++i) {
      if (part.count(i) < 2) continue;
      const double chosen = weight(part.candidates[minimum.arg[i]]);
      double score = 0;
      for (int p = part.start[i]; p < part.start[i + 1]; ++p) {
        if (p == minimum.arg[i]) continue;
        const double excess = values.candidates[p] - minimum.node[i] + minimum.forced[i];
        const double moved = std::abs(weight(part.candidates[p]) - chosen) + 1e-3 * size;
        score = std::max(score, moved / (excess + 1e-2 * size));
      }
      if (score > best_score) {
        best_score = score;
        node = i;
      }
    }
    for (size_t c = 0; c < program_.chains.size(); ++c) {
      if (std::has_single_bit(part.depths[c])) continue;
      // Depths first: all candidates of the nodes behind depend on them.
      bool differs = false;
      for (const auto& [cut, share] : mix_) differs = differs || DepthOf(c, cut->x) != DepthOf(c, mix_[0].first->x);
      if (mixed >= 0 && !differs) continue;
      double score = 0;
      for (int t = 1; t <= program_.chains[c].length; ++t) {
        if ((part.depths[c] >> t & 1) == 0 || t == minimum.depth[c]) continue;
        score = std::max(score, size / (minimum.excess[c][t - 1] + 1e-2 * size));
      }
      if (score > best_score) {
        best_score = score;
        node = -1;
        chain = static_cast<int>(c);
      }
    }
    if (chain >= 0 && mixed >= 0) mixed = -1;
    if (mixed >= 0) {
      node = mixed;
      chain = -1;
    }
    if (chain >= 0) {
      Part other = part;
      const uint64_t chosen = uint64_t{1} << minimum.depth[chain];
      other.depths[chain] &= ~chosen;
      part.depths[chain] = chosen;
      part.cuts.clear();
      other.cuts.clear();
      for (const auto& [cut, share] : mix_) {
        (DepthOf(chain, cut->x) == minimum.depth[chain] ? part : other).cuts.push_back(cut);
      }
      open.push_back(std::move(other));
      open.push_back(std::move(part));
      return;
    }
    if (node < 0) return;  // one network, and it was offered

    const int from = part.start[node], to = part.start[node + 1];
    const double chosen = weight(part.candidates[minimum.arg[node]]);
    int second = -1;
    double least = kInfinity;
    for (int p = from; p < to; ++p) {
      if (p == minimum.arg[node]) continue;
      const double excess = values.candidates[p] - minimum.node[node];
      if (excess < least) {
        least = excess;
        second = p;
      }
    }
    const double middle = mixed >= 0 ? mixed_mean : (chosen + weight(part.candidates[second])) / 2;
    std::vector<bool> with_chosen(to - from);
    int others = 0;
    for (int p = from; p < to; ++p) {
      const bool heavy = weight(part.candidates[p]) > middle, chosen_heavy = chosen > middle;
      with_chosen[p - from] =
          mixed >= 0 ? heavy == chosen_heavy : p == minimum.arg[node] || (p != second && heavy == chosen_heavy);
      others += with_chosen[p - from] ? 0 : 1;
    }
    const auto half = [&](bool chosen_side) {
      Part child = part;
      std::vector<int> candidates(part.candidates.begin(), part.candidates.begin() + from);
      for (int p = from; p < to; ++p) {
        if (with_chosen[p - from] == chosen_side) candidates.push_back(part.candidates[p]);
      }
      candidates.insert(candidates.end(), part.candidates.begin() + to, part.candidates.end());
      const int gone = chosen_side ? others : to - from - others;
      for (int i = node + 1; i <= m_; ++i) child.start[i] -= gone;
      child.candidates = std::move(candidates);
      child.cuts.clear();
      for (const auto& [cut, share] : mix_) {
        const int chosen = cut->x[node];
        const bool there = chosen != Program::kAbsent && std::any_of(child.candidates.begin() + child.start[node],
                                                                     child.candidates.begin() + child.start[node + 1],
                                                                     [&](int c) { return candidate_[c] == chosen; });
        if (there) child.cuts.push_back(cut);
      }
      return child;
    };
    open.push_back(half(false));
    open.push_back(half(true));
  }

  const Program& program_;
  const SolverOptions& options_;
  const int m_;
  const size_t k_;
  const Clock::time_point begin_ = Clock::now();
  // By candidate of all nodes.
  std::vector<int> node_of_, candidate_;
  std::vector<int> chain_of_;  // by node; -1: none
  Part whole_;                 // the space without what can neither be best nor as good
  std::vector<double> a_, f_;
  std::vector<std::vector<double>> w_;  // by limit first
  std::vector<double> scale_;           // by limit
  double size_a_ = 0, size_f_ = 0;      // the largest |sum| there can be
  std::vector<double> size_w_;
  int64_t least_f_ = 1;
  double least_ratio_ = 0;
  std::set<Kept, Better> kept_{Better{&options_}};
  // The ratio to be below: that of the worst kept network, or above all ratios as long as there are too few.
  int64_t worst_a_ = 0, worst_f_ = 1;
  bool ties_ = false;  // looking for networks that are as good as the worst
  int64_t ties_seen_ = 0;
  std::vector<int64_t> limits_ = program_.limits;
  // What is aimed at: a ratio of the best network, or a target below it; and by how much a - lambda f must be below
  // zero.
  double lambda_ = 0, margin_ = 0;
  std::vector<double> root_multiplier_;
  Cuts root_cuts_;
  int64_t parts_ = 0;
  // Of Finish.
  std::vector<Exchange> exchanges_;
  std::vector<std::pair<size_t, size_t>> groups_;  // of exchanges
  std::vector<std::pair<int, int>> exchanged_, prefix_, undo_;
  std::vector<int64_t> exchange_sums_, least_rests_;
  std::vector<std::pair<std::shared_ptr<const Cut>, double>> mix_;  // with their shares: the last relaxation
};

}  // namespace

absl::StatusOr<Solution> Solve(const Program& program, const SolverOptions& options) {
  if (auto s = Validate(program); !s.ok()) return s;
  return Search(program, options).Run();
}

}  // namespace mathnas::core
