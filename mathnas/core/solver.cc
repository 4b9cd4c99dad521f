#include "mathnas/core/solver.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <utility>

#include "absl/status/status.h"

namespace mathnas::core {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A part of the space: the candidates that are left by node, and the depths that are left by chain.
struct Part {
  std::vector<int> candidates;     // of all nodes, one node after the other
  std::vector<int> start;          // by node, and one more: where its candidates begin
  std::vector<uint64_t> depths;    // by chain: bit t for depth t
  std::vector<double> multiplier;  // by limit: where the parent's dual ended
  double bound = -kInfinity;       // of a - lambda f, lambda as it was then

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
    if (auto s = Range(); !s.ok()) return s;
    std::vector<Part> open = {Whole()};
    Solution solution;
    bool timed_out = false;
    double least_bound = kInfinity;  // of a - lambda f over what was not finished
    while (!open.empty()) {
      if (options_.cancel != nullptr && options_.cancel->load()) return absl::CancelledError("search was stopped");
      if (Seconds() > options_.time_limit) {
        timed_out = true;
        for (const Part& part : open) least_bound = std::min(least_bound, part.bound);
        break;
      }
      Part part = std::move(open.back());
      open.pop_back();
      ++solution.explored;
      Process(std::move(part), open);
    }
    solution.x = best_;
    const bool found = !best_.empty();
    if (found) {
      solution.a = best_a_;
      solution.f = best_f_;
    }
    solution.bound = lambda_;
    if (!timed_out) {
      solution.status = found ? SolutionStatus::kOptimal : SolutionStatus::kInfeasible;
      if (!found) solution.bound = kInfinity;
    } else {
      solution.status = found ? SolutionStatus::kFeasible : SolutionStatus::kUnknown;
      // a - lambda f >= least_bound, so a / f >= lambda + least_bound / f.
      const double floor = lambda_ + least_bound / static_cast<double>(least_f_);
      solution.bound = std::min(lambda_, std::max(floor - 1e-12 * std::abs(floor), least_ratio_));
    }
    return solution;
  }

 private:
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
    for (const Program::Chain& chain : program_.chains) part.depths.push_back(((uint64_t{1} << chain.length) - 1) << 1);
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

  // The first lambda is above every ratio, so that any network is better.
  absl::Status Range() {
    const Part whole = Whole();
    const auto node_a = [](const Program::Node& n) -> const auto& { return n.a; };
    const auto node_f = [](const Program::Node& n) -> const auto& { return n.f; };
    const auto end_a = [](const Program::Chain& c) -> const auto& { return c.end_a; };
    const auto end_f = [](const Program::Chain& c) -> const auto& { return c.end_f; };
    const int64_t most_a = program_.a0 - Least(Integers(whole, -1, node_a, end_a), whole);
    const int64_t least_a = program_.a0 + Least(Integers(whole, 1, node_a, end_a), whole);
    const int64_t most_f = program_.f0 - Least(Integers(whole, -1, node_f, end_f), whole);
    least_f_ = program_.f0 + Least(Integers(whole, 1, node_f, end_f), whole);
    if (least_f_ <= 0)
      return absl::InvalidArgumentError("the denominator can be zero or negative, expected above zero");
    best_a_ = most_a + 1;
    best_f_ = most_a >= 0 ? least_f_ : most_f;
    lambda_ = static_cast<double>(best_a_) / static_cast<double>(best_f_);
    least_ratio_ = static_cast<double>(least_a) / static_cast<double>(least_a >= 0 ? most_f : least_f_);
    return absl::OkStatus();
  }

  // Rounding errors of any value of the dual stay below this: each term is off by a few ulp of its size.
  double Error(const std::vector<double>& u) const {
    double size = size_a_ + std::abs(lambda_) * size_f_;
    for (size_t l = 0; l < k_; ++l) size += u[l] * size_w_[l];
    return size * 0x1p-52 * static_cast<double>(m_ + 2 * static_cast<int>(k_) + 16);
  }
  // A part without x of a smaller ratio: with integers, a smaller ratio means a - lambda f <= -1 / f of the best.
  bool Proven(double value, double error) const { return value - error > -1.0 / static_cast<double>(best_f_); }

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
        const int64_t slack = program_.limits[l] - minimum.total;
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
    for (size_t c = 0; c < program_.chains.size(); ++c) {
      const Program::Chain& chain = program_.chains[c];
      if (node >= chain.first && node < chain.first + chain.length) return node - chain.first < depth[c];
    }
    return true;
  }

  std::vector<int> ChoiceOf(const Part& part, const Minimum<double>& minimum) const {
    std::vector<int> x(m_);
    for (int i = 0; i < m_; ++i) {
      x[i] = Present(i, minimum.depth) ? candidate_[part.candidates[minimum.arg[i]]] : Program::kAbsent;
    }
    return x;
  }

  // Exactly: takes x if it holds the limits and has a smaller ratio.
  bool Offer(const std::vector<int>& x, const Totals& totals) {
    for (size_t l = 0; l < k_; ++l) {
      if (totals.w[l] > program_.limits[l]) return false;
    }
    if (!LessRatio(totals.a, totals.f, best_a_, best_f_)) return false;
    best_ = x;
    best_a_ = totals.a;
    best_f_ = totals.f;
    lambda_ = static_cast<double>(best_a_) / static_cast<double>(best_f_);
    return true;
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
        for (int j = 0; j < static_cast<int>(node.a.size()); ++j) {
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

  // Bounds the part; divides it if that proves nothing.
  void Process(Part part, std::vector<Part>& open) {
    if (part.bound > -kInfinity && Proven(part.bound, Error(part.multiplier))) return;
    if (!KeepWithinLimits(part)) return;
    KeepOneOfAbsent(part);
    const bool root = part.bound == -kInfinity;
    std::vector<double> u = part.multiplier, best_u = u, above(k_), step_above(k_);
    Values<double> values;
    Minimum<double> minimum;
    double best = -kInfinity, step = 1;
    int since = 0;
    const int rounds = root ? 400 : 40;
    for (int round = 0; round < rounds; ++round) {
      const double value = Dual(part, u, values, minimum, above);
      if (Proven(value, Error(u))) return;
      bool within = true;
      double norm = 0;
      for (size_t l = 0; l < k_; ++l) {
        within = within && above[l] <= 1e-9;
        // A multiplier of zero whose limit holds does not move.
        if (!(u[l] == 0 && above[l] < 0)) norm += above[l] * above[l];
      }
      if (within) {
        const std::vector<int> x = ChoiceOf(part, minimum);
        if (Offer(x, Evaluate(program_, x))) {
          best = -kInfinity;
          since = 0;
          continue;
        }
      }
      if (value > best) {
        // Progress that matters is of a size with what is missing to the proof.
        since = value > best + 1e-3 * std::abs(best) ? 0 : since + 1;
        best = value;
        best_u = u;
        step_above = above;
        if (root && round % 8 == 0) Repair(ChoiceOf(part, minimum));
      } else {
        ++since;
      }
      if (norm == 0) break;
      if (since >= 4) {
        step /= 2;
        since = 0;
        u = best_u;
        above = step_above;
        if (step < (root ? 1e-4 : 1e-2)) break;
        norm = 0;
        for (size_t l = 0; l < k_; ++l) {
          if (!(u[l] == 0 && above[l] < 0)) norm += above[l] * above[l];
        }
        if (norm == 0) break;
      }
      // Polyak's step towards a value of zero, which would be a proof.
      const double length = step * std::max(-value, 0.0) / norm;
      for (size_t l = 0; l < k_; ++l) u[l] = std::max(0.0, u[l] + length * above[l]);
    }

    double value = Dual(part, best_u, values, minimum, above);
    const double error = Error(best_u);
    if (Proven(value, error)) return;
    const std::vector<int> x = ChoiceOf(part, minimum);
    Offer(x, Evaluate(program_, x));
    Repair(x);
    value = Dual(part, best_u, values, minimum, above);  // lambda may have changed
    if (Proven(value, Error(best_u))) return;
    if (Drop(part, values, minimum, [&](double excess) { return Proven(value + excess, 2 * Error(best_u)); })) {
      value = Dual(part, best_u, values, minimum, above);
    }
    // The least x may be another one by now, and the only one that is left.
    const std::vector<int> last = ChoiceOf(part, minimum);
    Offer(last, Evaluate(program_, last));
    part.bound = value - Error(best_u);
    part.multiplier = best_u;
    Divide(std::move(part), values, minimum, open);
  }

  // In two, where the dual is least decided: the node (or chain) whose second choice costs least next to the weight it
  // moves.
  void Divide(Part part, const Values<double>& values, const Minimum<double>& minimum, std::vector<Part>& open) const {
    const auto weight = [&](int c) {
      double v = 0;
      for (size_t l = 0; l < k_; ++l) v += part.multiplier[l] * w_[l][c];
      return v;
    };
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
    if (chain >= 0) {
      Part other = part;
      const uint64_t chosen = uint64_t{1} << minimum.depth[chain];
      other.depths[chain] &= ~chosen;
      part.depths[chain] = chosen;
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
    const double middle = (chosen + weight(part.candidates[second])) / 2;
    std::vector<bool> with_chosen(to - from);
    int others = 0;
    for (int p = from; p < to; ++p) {
      const bool heavy = weight(part.candidates[p]) > middle, chosen_heavy = chosen > middle;
      with_chosen[p - from] = p == minimum.arg[node] || (p != second && heavy == chosen_heavy);
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
  std::vector<double> a_, f_;
  std::vector<std::vector<double>> w_;  // by limit first
  std::vector<double> scale_;           // by limit
  double size_a_ = 0, size_f_ = 0;      // the largest |sum| there can be
  std::vector<double> size_w_;
  int64_t least_f_ = 1;
  double least_ratio_ = 0;
  // The best network so far; before there is one, a ratio above all of them.
  std::vector<int> best_;
  int64_t best_a_ = 0, best_f_ = 1;
  double lambda_ = 0;
};

}  // namespace

absl::StatusOr<Solution> Solve(const Program& program, const SolverOptions& options) {
  if (auto s = Validate(program); !s.ok()) return s;
  return Search(program, options).Run();
}

}  // namespace mathnas::core
