#include "mathnas/core/internal/front_lists.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "mathnas/core/solver.h"

namespace mathnas::core::internal {
namespace {

constexpr int kNoStep = -1;

// Partial networks, by index: their sums and how they came to be.
struct List {
  std::vector<int64_t> a, f;
  std::vector<int64_t> w;  // `rows` entries each
  std::vector<int> step;   // index of the last step of each

  size_t size() const { return a.size(); }
};

// A candidate that was chosen.
struct Step {
  int before;  // index of the step before
  int node, candidate;
};

// A partial network where w and a are all there is: one of a list, and a candidate more.
struct Stair {
  int64_t w, a;
  size_t from;
  int candidate;
};

class FrontLists {
 public:
  FrontLists(const Program& program, std::span<const int> rows, std::chrono::steady_clock::time_point until,
             const std::atomic<bool>* cancel)
      : program_(program), until_(until), cancel_(cancel), fronts_(rows.size()) {
    // Front rows first, then the limits.
    row_.assign(rows.begin(), rows.end());
    for (int l = 0; l < std::ssize(program.limits); ++l) {
      if (std::find(rows.begin(), rows.end(), l) == rows.end()) row_.push_back(l);
    }
  }

  absl::StatusOr<FrontPoints> Run() {
    if (absl::Status status = RangeOfRatios(); !status.ok()) return status;
    if (empty_) return FrontPoints();
    LeastRests();
    List list;
    list.a = {program_.a0};
    list.f = {program_.f0};
    list.w.assign(row_.size(), 0);
    list.step = {kNoStep};
    size_t stage = 0;
    for (int i = 0; i < std::ssize(program_.nodes); ++stage) {
      absl::Status status = absl::OkStatus();
      if (const Program::Chain* chain = ChainAt(i)) {
        status = WalkChain(*chain, rest_[stage + 1], list);
        i += chain->length;
      } else {
        status = Extend(i, rest_[stage + 1], list);
        ++i;
      }
      if (!status.ok()) return status;
    }
    return Points(list);
  }

 private:
  const Program::Chain* ChainAt(int node) const {
    for (const Program::Chain& chain : program_.chains) {
      if (chain.first == node) return &chain;
    }
    return nullptr;
  }

  // lo and hi as integers over 2^shift_, rounded outward, where the objective is a ratio.
  [[gnu::cold]] absl::Status RangeOfRatios() {
    const auto any = [](const std::vector<int64_t>& values) {
      return std::ranges::any_of(values, [](int64_t f) { return f != 0; });
    };
    fractional_ = std::ranges::any_of(program_.nodes, [&](const Program::Node& node) { return any(node.f); }) ||
                  std::ranges::any_of(program_.chains, [&](const Program::Chain& chain) { return any(chain.end_f); });
    if (!fractional_) return absl::OkStatus();
    Program free = program_;
    free.limits.clear();
    for (Program::Node& node : free.nodes) node.w.clear();
    for (Program::Chain& chain : free.chains) chain.end_w.clear();
    const absl::StatusOr<Solution> least = Solve(free, {.cancel = cancel_});
    if (!least.ok()) return least.status();
    empty_ = least->x.empty();
    if (empty_) return absl::OkStatus();
    free.a0 = -free.a0;
    for (Program::Node& node : free.nodes) {
      for (int64_t& a : node.a) a = -a;
    }
    for (Program::Chain& chain : free.chains) {
      for (int64_t& a : chain.end_a) a = -a;
    }
    const absl::StatusOr<Solution> greatest = Solve(free, {.cancel = cancel_});
    if (!greatest.ok()) return greatest.status();
    const double lo = static_cast<double>(least->a) / static_cast<double>(least->f);
    const double hi = -static_cast<double>(greatest->a) / static_cast<double>(greatest->f);
    const double size = std::max({std::abs(lo), std::abs(hi), 1.0});
    shift_ = 58 - std::ilogb(size);
    if (shift_ < 0) return absl::ResourceExhaustedError("front: the ratios are too large");
    const double unit = std::ldexp(1.0, shift_), error = std::ldexp(size, shift_ - 50);
    lo_ = static_cast<int64_t>(std::floor(lo * unit - error));
    hi_ = static_cast<int64_t>(std::ceil(hi * unit + error));
    return absl::OkStatus();
  }

  // rest_[s][r]: the least that the stages from s on add to row r.
  [[gnu::cold]] void LeastRests() {
    std::vector<std::vector<int64_t>> stages;
    for (int i = 0; i < std::ssize(program_.nodes);) {
      std::vector<int64_t> least(row_.size());
      const Program::Chain* chain = ChainAt(i);
      for (size_t r = 0; r < row_.size(); ++r) {
        least[r] = chain == nullptr ? LeastOfNode(i, row_[r]) : LeastOfChain(*chain, 0, row_[r]);
      }
      i += chain == nullptr ? 1 : chain->length;
      stages.push_back(std::move(least));
    }
    rest_.assign(stages.size() + 1, std::vector<int64_t>(row_.size(), 0));
    for (size_t s = stages.size(); s-- > 0;) {
      for (size_t r = 0; r < row_.size(); ++r) rest_[s][r] = rest_[s + 1][r] + stages[s][r];
    }
  }

  int64_t LeastOfNode(int node, int l) const { return *std::ranges::min_element(program_.nodes[node].w[l]); }

  // Of the nodes behind depth `from`, of those depths that are allowed; very large if there is none.
  [[gnu::cold]] int64_t LeastOfChain(const Program::Chain& chain, int from, int l) const {
    int64_t prefix = 0, least = std::numeric_limits<int64_t>::max() / 4;
    for (int t = std::max(1, from); t <= chain.length; ++t) {
      if (t > from) prefix += LeastOfNode(chain.first + t - 1, l);
      if ((chain.depths >> t & 1) == 0) continue;
      least = std::min(least, prefix + (t < chain.length ? chain.end_w[l][t - 1] : 0));
    }
    return least;
  }

  void Append(const List& from, size_t index, const std::vector<int64_t>& rest, int64_t a, int64_t f,
              const std::vector<std::vector<int64_t>>& w, size_t entry, int node, int candidate, List& to) {
    const size_t rows = row_.size();
    for (size_t r = 0; r < rows; ++r) {
      if (from.w[index * rows + r] + w[row_[r]][entry] + rest[r] > program_.limits[row_[r]]) return;
    }
    to.a.push_back(from.a[index] + a);
    to.f.push_back(from.f[index] + f);
    for (size_t r = 0; r < rows; ++r) to.w.push_back(from.w[index * rows + r] + w[row_[r]][entry]);
    if (candidate == Program::kAbsent) {
      to.step.push_back(from.step[index]);
      return;
    }
    to.step.push_back(static_cast<int>(steps_.size()));
    steps_.push_back({from.step[index], node, candidate});
  }

  [[gnu::hot]] absl::Status Extend(int node, const std::vector<int64_t>& rest, List& list) {
    if (!fractional_ && row_.size() == 1) return ExtendStairs(node, rest[0], list);
    const Program::Node& n = program_.nodes[node];
    List next;
    for (int j : Undominated(n)) {
      for (size_t s = 0; s < list.size(); ++s) Append(list, s, rest, n.a[j], n.f[j], n.w, j, node, j, next);
    }
    list = std::move(next);
    return Reduce(list);
  }

  // The same where w and a are all there is: lists are stairs, w rises and a falls, and so they stay when a candidate
  // is added. One candidate after the other is merged into what is kept.
  [[gnu::hot]] absl::Status ExtendStairs(int node, int64_t rest, List& list) {
    if (absl::Status status = Interrupted(); !status.ok()) return status;
    const Program::Node& n = program_.nodes[node];
    const int64_t most = program_.limits[row_[0]] - rest;
    std::vector<Stair>&kept = kept_, &merged = merged_;
    kept.clear();
    for (int j : Undominated(n)) {
      merged.clear();
      const int64_t w = n.w[row_[0]][j], a = n.a[j];
      const auto keep = [&merged](const Stair& stair) {
        if (merged.empty() || stair.a < merged.back().a) merged.push_back(stair);
      };
      size_t k = 0;
      for (size_t s = 0; s < list.size() && list.w[s] + w <= most; ++s) {
        const Stair stair = {list.w[s] + w, list.a[s] + a, s, j};
        const auto goes_first = [&](const Stair& other) {
          if (other.w != stair.w) return other.w < stair.w;
          if (other.a != stair.a) return other.a < stair.a;
          return FirstByChoice(list.step[other.from], other.candidate, list.step[s], j);
        };
        while (k < kept.size() && goes_first(kept[k])) keep(kept[k++]);
        keep(stair);
      }
      for (; k < kept.size(); ++k) keep(kept[k]);
      std::swap(kept, merged);
    }
    const size_t size = kept.size();
    for (auto* sums : {&next_.a, &next_.f, &next_.w}) sums->resize(size);
    next_.step.resize(size);
    for (size_t s = 0; s < size; ++s) {
      const Stair& stair = kept[s];
      next_.a[s] = stair.a;
      next_.f[s] = list.f[stair.from];
      next_.w[s] = stair.w;
      next_.step[s] = static_cast<int>(steps_.size());
      steps_.push_back({list.step[stair.from], node, stair.candidate});
    }
    std::swap(list, next_);
    return std::ssize(steps_) > kMaxFrontStates ? TooMany() : absl::OkStatus();
  }

  // Of two partial networks with the same nodes, each a last candidate behind steps: whether the first has the
  // lexicographically smaller choice.
  bool FirstByChoice(int step, int candidate, int other_step, int other_candidate) const {
    int difference = candidate - other_candidate;
    for (; step != other_step && step != kNoStep && other_step != kNoStep;
         step = steps_[step].before, other_step = steps_[other_step].before) {
      const int here = steps_[step].candidate - steps_[other_step].candidate;
      if (here != 0) difference = here;  // what comes earlier decides
    }
    return difference < 0;
  }

  absl::Status WalkChain(const Program::Chain& chain, const std::vector<int64_t>& rest, List& list) {
    List done;
    for (int t = 1; t <= chain.length; ++t) {
      std::vector<int64_t> rest_of_chain(row_.size());
      for (size_t r = 0; r < row_.size(); ++r) rest_of_chain[r] = rest[r] + LeastOfChain(chain, t, row_[r]);
      if (absl::Status status = Extend(chain.first + t - 1, rest_of_chain, list); !status.ok()) return status;
      if ((chain.depths >> t & 1) == 0) continue;
      if (t == chain.length) {
        done.a.insert(done.a.end(), list.a.begin(), list.a.end());
        done.f.insert(done.f.end(), list.f.begin(), list.f.end());
        done.w.insert(done.w.end(), list.w.begin(), list.w.end());
        done.step.insert(done.step.end(), list.step.begin(), list.step.end());
        break;
      }
      for (size_t s = 0; s < list.size(); ++s) {
        Append(list, s, rest, chain.end_a[t - 1], chain.end_f[t - 1], chain.end_w, t - 1, chain.first + t,
               Program::kAbsent, done);
      }
    }
    list = std::move(done);
    return Reduce(list);
  }

  // Whether a - lambda f of the first is not above that of the second at lo and at hi.
  bool NoWorse(int64_t a, int64_t f, int64_t other_a, int64_t other_f) const {
    if (!fractional_) return a <= other_a;
    const auto difference = static_cast<__int128>(a - other_a) << shift_;
    return difference <= static_cast<__int128>(lo_) * (f - other_f) &&
           difference <= static_cast<__int128>(hi_) * (f - other_f);
  }

  // Candidates that no other one of the node dominates; of equal ones the first.
  std::vector<int> Undominated(const Program::Node& n) const {
    std::vector<int> kept;
    const auto dominates = [&](int j, int i) {
      return NoWorse(n.a[j], n.f[j], n.a[i], n.f[i]) &&
             std::ranges::all_of(row_, [&](int l) { return n.w[l][j] <= n.w[l][i]; });
    };
    const int count = static_cast<int>(n.a.size());
    for (int i = 0; i < count; ++i) {
      bool dominated = false;
      for (int j = 0; j < count && !dominated; ++j)
        dominated = j != i && dominates(j, i) && (j < i || !dominates(i, j));
      if (!dominated) kept.push_back(i);
    }
    return kept;
  }

  // Leaves what is not dominated; of equal ones the first.
  [[gnu::hot]] absl::Status Reduce(List& list) {
    if (absl::Status status = Interrupted(); !status.ok()) return status;
    if (std::ssize(steps_) > kMaxFrontStates) return TooMany();
    const size_t rows = row_.size();
    std::vector<int> order(list.size());
    for (size_t s = 0; s < order.size(); ++s) order[s] = static_cast<int>(s);
    const auto* w = list.w.data();
    // What dominates comes before what it dominates: by the first row, the others, and at last by a and f.
    std::sort(order.begin(), order.end(), [&](int s, int t) {
      for (size_t r = 0; r < rows; ++r) {
        if (w[s * rows + r] != w[t * rows + r]) return w[s * rows + r] < w[t * rows + r];
      }
      if (list.a[s] != list.a[t]) return list.a[s] < list.a[t];
      return list.f[s] != list.f[t] ? list.f[s] < list.f[t] : s < t;
    });
    std::vector<int> kept;
    if (!fractional_ && rows == 1) {
      for (int s : order) {
        if (kept.empty() || list.a[s] < list.a[kept.back()]) kept.push_back(s);
      }
    } else {
      for (int s : order) {
        const auto dominates = [&](int t) {
          if (!NoWorse(list.a[t], list.f[t], list.a[s], list.f[s])) return false;
          for (size_t r = 0; r < rows; ++r) {
            if (w[t * rows + r] > w[s * rows + r]) return false;
          }
          return true;
        };
        // Near ones first: they are the most alike.
        bool dominated = false;
        for (size_t k = kept.size(); k-- > 0 && !dominated; ++comparisons_) dominated = dominates(kept[k]);
        if (!dominated) kept.push_back(s);
        if (kept.size() % 256 == 0) {
          if (absl::Status status = Interrupted(); !status.ok()) return status;
        }
        if (comparisons_ > kMaxFrontComparisons) return TooMany();
      }
    }
    List reduced;
    for (int s : kept) {
      reduced.a.push_back(list.a[s]);
      reduced.f.push_back(list.f[s]);
      reduced.w.insert(reduced.w.end(), w + s * rows, w + (s + 1) * rows);
      reduced.step.push_back(list.step[s]);
    }
    list = std::move(reduced);
    return absl::OkStatus();
  }

  absl::Status Interrupted() const {
    if (cancel_ != nullptr && cancel_->load(std::memory_order_relaxed)) {
      return absl::CancelledError("search: cancelled");
    }
    if (std::chrono::steady_clock::now() >= until_) return absl::DeadlineExceededError("front: out of time");
    return absl::OkStatus();
  }
  static absl::Status TooMany() { return absl::ResourceExhaustedError("front: too many partial networks"); }

  // What is left of the whole networks by their ratios, exactly.
  [[gnu::cold]] FrontPoints Points(const List& list) const {
    const size_t rows = row_.size();
    const auto w = [&](size_t s, size_t r) { return list.w[s * rows + r]; };
    std::vector<size_t> order;
    for (size_t s = 0; s < list.size(); ++s) {
      if (list.f[s] > 0) order.push_back(s);
    }
    std::sort(order.begin(), order.end(), [&](size_t s, size_t t) {
      for (size_t r = 0; r < fronts_; ++r) {
        if (w(s, r) != w(t, r)) return w(s, r) < w(t, r);
      }
      return LessRatio(list.a[s], list.f[s], list.a[t], list.f[t]);
    });
    std::vector<size_t> kept;
    for (size_t s : order) {
      // With one row the last that was kept has the least ratio.
      const auto last = fronts_ == 1 && !kept.empty() ? kept.rbegin() + 1 : kept.rend();
      const bool dominated = std::any_of(kept.rbegin(), last, [&](size_t t) {
        if (LessRatio(list.a[s], list.f[s], list.a[t], list.f[t])) return false;
        for (size_t r = 1; r < fronts_; ++r) {
          if (w(t, r) > w(s, r)) return false;
        }
        return true;
      });
      if (dominated) continue;
      kept.push_back(s);
    }
    return PointsOf(list, kept);
  }

  [[gnu::cold]] FrontPoints PointsOf(const List& list, const std::vector<size_t>& kept) const {
    FrontPoints points;
    const size_t nodes = program_.nodes.size();
    points.x.resize(kept.size() * nodes, Program::kAbsent);
    int* x = points.x.data();
    for (size_t s : kept) {
      points.a.push_back(list.a[s]);
      points.f.push_back(list.f[s]);
      for (size_t r = 0; r < fronts_; ++r) points.w.push_back(list.w[s * row_.size() + r]);
      for (int step = list.step[s]; step != kNoStep; step = steps_[step].before) {
        x[steps_[step].node] = steps_[step].candidate;
      }
      x += nodes;
    }
    return points;
  }

  const Program& program_;
  const std::chrono::steady_clock::time_point until_;
  const std::atomic<bool>* cancel_;
  const size_t fronts_;
  std::vector<int> row_;  // of the program, fronts first
  bool fractional_ = false, empty_ = false;
  int shift_ = 0;
  int64_t lo_ = 0, hi_ = 0;
  std::vector<std::vector<int64_t>> rest_;
  std::vector<Step> steps_;
  // Of ExtendStairs, kept for the next node.
  std::vector<Stair> kept_, merged_;
  List next_;
  int64_t comparisons_ = 0;
};

}  // namespace

absl::StatusOr<FrontPoints> NonDominated(const Program& program, std::span<const int> rows,
                                         std::chrono::steady_clock::time_point until, const std::atomic<bool>* cancel) {
  if (absl::Status status = Validate(program); !status.ok()) return status;
  return FrontLists(program, rows, until, cancel).Run();
}

}  // namespace mathnas::core::internal
