#include "mathnas/core/internal/solver/reduced_cost_enumeration.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace mathnas::core::internal {
namespace {

constexpr size_t kMaxExchanges = 2000;  // of all chains
constexpr double kMaxNetworks = 20000;  // that are looked at one by one

}  // namespace

bool ReducedCostEnumeration::Finish(const Part& part, const DualPoint& point, double error) {
  x_ = ChoiceOf(space_, part, point.minimum);
  const double budget = error - point.value;
  if (!ListExchanges(part, point, budget)) return false;
  OrderGroups();
  if (NetworksWithin(budget) > kMaxNetworks) return false;
  const Totals least = Evaluate(space_.program, x_);
  std::vector<int64_t> totals = {least.a, least.f};
  totals.insert(totals.end(), least.w.begin(), least.w.end());
  totals.resize((groups_.size() + 1) * (space_.k + 2));
  TryExchanges(0, 0, point.value, error, totals);
  return true;
}

bool ReducedCostEnumeration::ListExchanges(const Part& part, const DualPoint& point, double budget) {
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
      if (!ListChain(part, point, c, t, 0, minimum.excess[c][t - 1], budget)) return false;
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
  return true;
}

// Every way to end chain c at depth t within the budget, from its node number `at` on; prefix_ has those before.
bool ReducedCostEnumeration::ListChain(const Part& part, const DualPoint& point, size_t c, int t, int at, double excess,
                                       double budget) {
  const Program::Chain& chain = space_.program.chains[c];
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
    return exchanges_.size() <= kMaxExchanges;
  }
  const int node = chain.first + at;
  for (int p = part.start[node]; p < part.start[node + 1]; ++p) {
    const double sum = excess + point.values.candidates[p] - point.minimum.node[node];
    if (sum > budget) continue;
    prefix_.emplace_back(node, space_.candidate[part.candidates[p]]);
    if (!ListChain(part, point, c, t, at + 1, sum, budget)) return false;
    prefix_.pop_back();
  }
  return true;
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
      ordered.back().rest = (g + 1) * k;
    }
  }
  exchanges_ = std::move(ordered);
}

double ReducedCostEnumeration::NetworksWithin(double budget) const {
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

void ReducedCostEnumeration::TryExchanges(size_t first, size_t level, double value, double error,
                                          std::vector<int64_t>& totals) {
  const size_t k = space_.k, size = k + 2;
  for (size_t e = first; e < exchanges_.size() && !incumbents_.EnoughTies();) {
    const Exchange& exchange = exchanges_[e];
    if (incumbents_.Proven(value + exchange.excess, error)) {
      // Those behind cost more: of this group, and of all others if this is its least.
      if (e == first || exchanges_[e - 1].next == e) return;
      e = exchange.next;
      continue;
    }
    const int64_t* before = &totals[level * size];
    int64_t* after = &totals[(level + 1) * size];
    const int64_t* change = &sums_[exchange.sums];
    bool within = true, reachable = true;
    for (size_t s = 0; s < size; ++s) after[s] = before[s] + change[s];
    for (size_t l = 0; l < k; ++l) {
      const int64_t above = after[2 + l] - space_.program.limits[l];
      within = within && above <= 0;
      reachable = reachable && above + least_rests_[exchange.rest + l] <= 0;
    }
    ++e;
    if (!reachable) continue;
    const size_t undo = undo_.size();
    for (size_t c = exchange.choices_begin; c < exchange.choices_end; ++c) {
      const auto [node, candidate] = choices_[c];
      undo_.emplace_back(node, x_[node]);
      x_[node] = candidate;
    }
    if (within && incumbents_.MayBeKept(after[0], after[1])) {
      incumbents_.Offer(x_, {after[0], after[1], std::vector(after + 2, after + size)});
    }
    TryExchanges(exchange.next, level + 1, value + exchange.excess, error, totals);
    for (; undo_.size() > undo; undo_.pop_back()) x_[undo_.back().first] = undo_.back().second;
  }
}

}  // namespace mathnas::core::internal
