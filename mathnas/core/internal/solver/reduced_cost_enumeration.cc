#include "mathnas/core/internal/solver/reduced_cost_enumeration.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>

namespace mathnas::core::internal {
namespace {

constexpr size_t kMaxExchanges = 200;        // of all chains
constexpr double kQuantiles[] = {0.1, 0.5};  // of the changes of a multiplier that are tried
constexpr size_t kSampled = 64;              // exchanges, about, that these are taken from

// At least as many as there are networks whose excess is `budget` or less, by the excesses of groups of exchanges, at
// most one of a group: counted with excesses rounded down.
class NetworkCount {
 public:
  explicit NetworkCount(double budget) : step_(budget / kSteps) {}

  void AddGroup(std::span<const double> excesses) {
    const std::array<double, kSteps + 1> before = count_;
    for (double excess : excesses) {
      const double steps = excess / step_;
      if (!(steps <= kSteps)) continue;
      const int shift = static_cast<int>(steps);
      for (int s = shift; s <= kSteps; ++s) count_[s] += before[s - shift];
    }
  }
  double total() const { return std::accumulate(count_.begin(), count_.end(), 0.0); }

 private:
  static constexpr int kSteps = 32;
  double step_;
  std::array<double, kSteps + 1> count_ = {1};
};

// Doubles that are computed with together; GCC would keep a reduction that it vectorizes itself in memory.
using Pair [[gnu::vector_size(16)]] = double;

Pair PairAt(const double* p) {
  Pair pair;
  std::memcpy(&pair, p, sizeof pair);
  return pair;
}

// Whether a sum p[i] + q[i] is greater than `bound`; n is a multiple of 4.
bool AnyAbove(double bound, const double* p, const double* q, size_t n) {
  const Pair bounds = {bound, bound};
  Pair most = bounds, more = bounds;  // no number is never the greater one
  for (size_t i = 0; i < n; i += 4) {
    const Pair sum = PairAt(p + i) + PairAt(q + i), next = PairAt(p + i + 2) + PairAt(q + i + 2);
    most = sum > most ? sum : most;
    more = next > more ? next : more;
  }
  const auto above = (most > bounds) | (more > bounds);
  return (above[0] | above[1]) != 0;
}

}  // namespace

bool ReducedCostEnumeration::Finish(const Part& part, const DualPoint& point, double error) {
  x_ = ChoiceOf(space_, part, point.minimum);
  const double budget = error - point.value;
  if (!Few(part, point, budget)) return false;
  ListExchanges(part, point, budget);
  OrderGroups();
  const Totals least = Evaluate(space_.program, x_);
  totals_.resize((groups_.size() + 1) * (space_.k + 2));
  totals_[0] = least.a;
  totals_[1] = least.f;
  for (size_t l = 0; l < space_.k; ++l) totals_[2 + l] = least.w[l] - space_.program.limits[l];
  ListSlants(point, error);
  made_.clear();
  Aim(point, error);
  TryExchanges(point, error, 0, 0);
  return true;
}

void ReducedCostEnumeration::Aim(const DualPoint& point, double error) {
  double rise = 0;
  if (const double lower = point.lambda - incumbents_.lambda(); lower > 0) {
    int64_t least_f = totals_[1];
    for (size_t e = 0; e < exchanges_.size();) {
      int64_t least = 0;
      for (const size_t end = exchanges_[e].next; e < end; ++e) least = std::min(least, sums_[exchanges_[e].sums + 1]);
      least_f += least;
    }
    rise = lower * static_cast<double>(std::max(incumbents_.least_f(), least_f)) * (1 - 1e-12);
  }
  most_excess_ = incumbents_.Budget(point.value + rise, error);
  least_bound_ = incumbents_.Budget(rise, 0);
  if (incumbents_.EnoughTies()) most_excess_ = -std::numeric_limits<double>::infinity();
}

bool ReducedCostEnumeration::Few(const Part& part, const DualPoint& point, double budget) {
  NetworkCount count(budget);
  size_t exchanges = 0;
  for (size_t c = 0; c < space_.program.chains.size(); ++c) {
    const int first = space_.program.chains[c].first;
    excesses_.clear();
    for (int t = 1; t <= space_.program.chains[c].length; ++t) {
      const double excess = point.minimum.excess[c][t - 1];
      if (!part.has_depth(c, t) || excess > budget) continue;
      const bool same = t == point.minimum.depth[c];
      if (!CountChain(part, point, first, first + t, same, excess, budget, kMaxExchanges - exchanges)) return false;
    }
    exchanges += excesses_.size();
    count.AddGroup(excesses_);
  }
  for (int i = 0; i < space_.m; ++i) {
    if (part.count(i) < 2 || space_.chain_of[i] >= 0) continue;
    excesses_.clear();
    for (int p = part.start[i]; p < part.start[i + 1]; ++p) {
      if (p != point.minimum.arg[i]) excesses_.push_back(point.values.candidates[p] - point.minimum.node[i]);
    }
    count.AddGroup(excesses_);
  }
  return count.total() <= few_networks_;
}

// The excesses of all choices of nodes first to end - 1 within the budget, but of the minimum's if `same`, into
// excesses_; false if these become more than `most`.
bool ReducedCostEnumeration::CountChain(const Part& part, const DualPoint& point, int first, int end, bool same,
                                        double excess, double budget, size_t most) {
  for (int p = part.start[first]; p < part.start[first + 1]; ++p) {
    const double sum = excess + point.values.candidates[p] - point.minimum.node[first];
    if (sum > budget) continue;
    const bool still_same = same && p == point.minimum.arg[first];
    if (first + 1 < end) {
      if (!CountChain(part, point, first + 1, end, still_same, sum, budget, most)) return false;
    } else if (!still_same) {
      excesses_.push_back(sum);
    }
  }
  return excesses_.size() <= most;
}

void ReducedCostEnumeration::ListExchanges(const Part& part, const DualPoint& point, double budget) {
  exchanges_.clear();
  choices_.clear();
  sums_.clear();
  groups_.clear();
  const Minimum<double>& minimum = point.minimum;
  for (size_t c = 0; c < space_.program.chains.size(); ++c) {
    const size_t first = exchanges_.size();
    for (int t = 1; t <= space_.program.chains[c].length; ++t) {
      if (!part.has_depth(c, t) || minimum.excess[c][t - 1] > budget) continue;
      prefix_.clear();
      ListChain(part, point, c, t, minimum.excess[c][t - 1], budget);
    }
    if (exchanges_.size() > first) AddGroup(first);
  }
  for (int i = 0; i < space_.m; ++i) {
    if (part.count(i) < 2 || space_.chain_of[i] >= 0) continue;
    const size_t first = exchanges_.size();
    for (int p = part.start[i]; p < part.start[i + 1]; ++p) {
      if (p == minimum.arg[i]) continue;
      prefix_.assign(1, {i, space_.candidate[part.candidates[p]]});
      AddExchange(point.values.candidates[p] - minimum.node[i]);
    }
    AddGroup(first);
  }
}

// Every way to end chain c at depth t within the budget; prefix_ has its first nodes.
void ReducedCostEnumeration::ListChain(const Part& part, const DualPoint& point, size_t c, int t, double excess,
                                       double budget) {
  const Program::Chain& chain = space_.program.chains[c];
  const int at = static_cast<int>(prefix_.size()), node = chain.first + at;
  if (at == t) {
    for (int rest = t; rest < chain.length; ++rest) prefix_.emplace_back(chain.first + rest, Program::kAbsent);
    const bool same = std::all_of(prefix_.begin(), prefix_.end(),
                                  [&](const auto& choice) { return x_[choice.first] == choice.second; });
    if (!same) {
      AddExchange(excess);
      int64_t* sums = &sums_[exchanges_.back().sums];
      AddEnd(chain, t, 1, sums);
      AddEnd(chain, point.minimum.depth[c], -1, sums);
    }
    prefix_.resize(t);
    return;
  }
  for (int p = part.start[node]; p < part.start[node + 1]; ++p) {
    const double sum = excess + point.values.candidates[p] - point.minimum.node[node];
    if (sum > budget) continue;
    prefix_.emplace_back(node, space_.candidate[part.candidates[p]]);
    ListChain(part, point, c, t, sum, budget);
    prefix_.pop_back();
  }
}

void ReducedCostEnumeration::AddEnd(const Program::Chain& chain, int depth, int64_t sign, int64_t* sums) const {
  if (depth == chain.length) return;
  sums[0] += sign * chain.end_a[depth - 1];
  sums[1] += sign * chain.end_f[depth - 1];
  for (size_t l = 0; l < space_.k; ++l) sums[2 + l] += sign * chain.end_w[l][depth - 1];
}

// prefix_ instead of what x_ has there.
void ReducedCostEnumeration::AddExchange(double excess) {
  exchanges_.push_back({excess, choices_.size(), choices_.size() + prefix_.size(), sums_.size(), 0, 0});
  sums_.resize(sums_.size() + space_.k + 2, 0);
  int64_t* sums = &sums_[exchanges_.back().sums];
  const auto add = [&](int node, int candidate, int64_t sign) {
    if (candidate == Program::kAbsent) return;
    const Program::Node& n = space_.program.nodes[node];
    sums[0] += sign * n.a[candidate];
    sums[1] += sign * n.f[candidate];
    for (size_t l = 0; l < space_.k; ++l) sums[2 + l] += sign * n.w[l][candidate];
  };
  for (const auto& [node, candidate] : prefix_) {
    add(node, candidate, 1);
    add(node, x_[node], -1);
    choices_.emplace_back(node, candidate);
  }
}

// The exchanges from `first` on.
void ReducedCostEnumeration::AddGroup(size_t first) {
  std::sort(exchanges_.begin() + static_cast<std::ptrdiff_t>(first), exchanges_.end(),
            [](const Exchange& a, const Exchange& b) { return a.excess < b.excess; });
  groups_.emplace_back(first, exchanges_.size());
}

void ReducedCostEnumeration::OrderGroups() {
  const size_t k = space_.k;
  std::sort(groups_.begin(), groups_.end(),
            [this](const auto& g, const auto& h) { return exchanges_[g.first].excess < exchanges_[h.first].excess; });
  least_rests_.assign((groups_.size() + 1) * k, 0);
  for (size_t g = groups_.size(); g-- > 0;) {
    for (size_t l = 0; l < k; ++l) {
      int64_t least = 0;
      for (size_t e = groups_[g].first; e < groups_[g].second; ++e) {
        least = std::min(least, sums_[exchanges_[e].sums + 2 + l]);
      }
      least_rests_[g * k + l] = least_rests_[(g + 1) * k + l] + least;
    }
  }
  std::vector<Exchange> ordered;
  ordered.reserve(exchanges_.size());
  for (size_t g = 0; g < groups_.size(); ++g) {
    const auto& [begin, end] = groups_[g];
    const size_t next = ordered.size() + end - begin;
    for (size_t e = begin; e < end; ++e) {
      ordered.push_back(exchanges_[e]);
      ordered.back().next = next;
      ordered.back().group = g;
    }
  }
  exchanges_ = std::move(ordered);
  least_.clear();
  for (const Exchange& exchange : exchanges_) {
    for (size_t l = 0; l < k; ++l) {
      least_.push_back(sums_[exchange.sums + 2 + l] + least_rests_[(exchange.group + 1) * k + l] - 1);
    }
  }
}

void ReducedCostEnumeration::ListSlants(const DualPoint& point, double error) {
  slants_.clear();
  const size_t step = 1 + exchanges_.size() / kSampled;
  for (size_t l = 0; l < space_.k; ++l) {
    for (const double sign : {1.0, -1.0}) {
      // The changes at which an exchange begins to lower the bound.
      breaks_.clear();
      for (size_t e = 0; e < exchanges_.size(); e += step) {
        const Exchange& exchange = exchanges_[e];
        const double falls = -sign * static_cast<double>(sums_[exchange.sums + 2 + l]);
        if (falls > 0) breaks_.push_back(exchange.excess / falls);
      }
      if (breaks_.empty()) continue;
      for (const double quantile : kQuantiles) {
        const auto place =
            breaks_.begin() + static_cast<std::ptrdiff_t>(quantile * static_cast<double>(breaks_.size() - 1));
        std::nth_element(breaks_.begin(), place, breaks_.end());
        double change = *place;
        if (sign < 0) change = std::min(change, point.u[l] / space_.scale[l]);
        // A bound is off as much as that of `point`, and by ulps of what the change multiplies.
        const double size = change * space_.scale[l] * space_.size_w[l];
        const double off = 2 * error + size * 0x1p-50 * static_cast<double>(space_.m + 16);
        const auto above = static_cast<double>(totals_[2 + l]);
        if (change > 0) slants_.push_back({l, sign * change, point.value + sign * change * above - off});
      }
    }
  }
  // Some that prove nothing, for AnyAbove.
  while (slants_.size() % 4 != 0) slants_.push_back({0, 0, -std::numeric_limits<double>::infinity()});
  const size_t count = slants_.size();
  slant_rests_.assign((groups_.size() + 1) * count, 0);
  slant_least_.resize(exchanges_.size() * count);
  bounds_.resize((groups_.size() + 1) * count);
  for (size_t s = 0; s < count; ++s) bounds_[s] = slants_[s].bound;
  // Exchanges are in the order of groups by now.
  for (size_t end = exchanges_.size(); end > 0;) {
    const size_t g = exchanges_[end - 1].group;
    double* rests = slant_rests_.data() + g * count;
    size_t e = end;
    for (; e > 0 && exchanges_[e - 1].group == g; --e) {
      const Exchange& exchange = exchanges_[e - 1];
      double* least = slant_least_.data() + (e - 1) * count;
      for (size_t s = 0; s < count;) {
        const size_t limit = slants_[s].limit;
        const auto w = static_cast<double>(sums_[exchange.sums + 2 + limit]);
        for (; s < count && slants_[s].limit == limit; ++s) {
          const double added = exchange.excess + slants_[s].change * w;
          rests[s] = std::min(rests[s], added);
          least[s] = added + rests[count + s];
        }
      }
    }
    for (size_t s = 0; s < count; ++s) rests[s] += rests[count + s];
    end = e;
  }
}

void ReducedCostEnumeration::TryExchanges(const DualPoint& point, double error, size_t first, double excess) {
  const size_t k = space_.k, size = k + 2, slants = slants_.size(), level = made_.size(), count = exchanges_.size();
  const int64_t *before = &totals_[level * size], *least_of_all = least_.data();
  const double *bounds = bounds_.data() + level * slants, *slant_least_of_all = slant_least_.data();
  const Exchange* exchanges = exchanges_.data();
  for (size_t e = first; e < count; ++e) {
    ++work_;
    const Exchange* exchange = exchanges + e;
    // Those behind cost more: of this group, and of all others if this is its least. Written so that nothing is left
    // out where a sum is no number.
    if (excess + exchange->excess > most_excess_) {
      if (e == first || exchanges[e - 1].group != exchange->group) return;
      e = exchange->next - 1;
      continue;
    }
    // Without branches inside, which would often be predicted wrong.
    const int64_t* least = least_of_all + e * k;
    int64_t reachable = -1;  // negative if all limits are
    for (size_t l = 0; l < k; ++l) reachable &= before[2 + l] + least[l];
    if (reachable >= 0) continue;
    const double* slant_least = slant_least_of_all + e * slants;
    if (AnyAbove(least_bound_, bounds, slant_least, slants)) continue;
    int64_t* after = &totals_[(level + 1) * size];
    const int64_t* change = &sums_[exchange->sums];
    for (size_t s = 0; s < size; ++s) after[s] = before[s] + change[s];
    made_.push_back(e);
    if (std::all_of(after + 2, after + size, [](int64_t above) { return above <= 0; }) &&
        incumbents_.MayBeKept(after[0], after[1])) {
      Offer(after);
      Aim(point, error);
    }
    const double sum = excess + exchange->excess;
    if (exchange->next < count && !(sum + exchanges[exchange->next].excess > most_excess_)) {
      const double* rests = slant_rests_.data() + (exchange->group + 1) * slants;
      double* bounds_after = bounds_.data() + (level + 1) * slants;
      for (size_t s = 0; s < slants; s += 2) {
        const Pair bound = PairAt(bounds + s) + (PairAt(slant_least + s) - PairAt(rests + s));
        std::memcpy(bounds_after + s, &bound, sizeof bound);
      }
      TryExchanges(point, error, exchange->next, sum);
    }
    made_.pop_back();
  }
}

void ReducedCostEnumeration::Offer(const int64_t* of) {
  Totals totals = {of[0], of[1], space_.program.limits};
  for (size_t l = 0; l < space_.k; ++l) totals.w[l] += of[2 + l];
  std::vector<int> x = x_;
  for (size_t e : made_) {
    for (size_t c = exchanges_[e].choices_begin; c < exchanges_[e].choices_end; ++c)
      x[choices_[c].first] = choices_[c].second;
  }
  incumbents_.Offer(x, totals);
}

}  // namespace mathnas::core::internal
