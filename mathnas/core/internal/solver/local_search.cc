#include "mathnas/core/internal/solver/local_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mathnas::core::internal {
namespace {

constexpr int64_t kMaxPairs = 1'000'000;  // that are looked at for one exchange
constexpr int kMaxPairExchanges = 50;

// What candidate `to` instead of `from` adds to a - lambda f.
double Cost(const Program::Node& node, int from, int to, double lambda) {
  return static_cast<double>(node.a[to] - node.a[from]) - lambda * static_cast<double>(node.f[to] - node.f[from]);
}

// The exchange of one candidate of a network.
struct Single {
  double cost;
  int node, candidate;
};

// Cheapest first.
[[gnu::cold]] std::vector<Single> Singles(const Space& space, const Part& part, const std::vector<int>& x,
                                          double lambda) {
  std::vector<Single> singles;
  for (int i = 0; i < space.m; ++i) {
    if (x[i] == Program::kAbsent) continue;
    const Program::Node& node = space.program.nodes[i];
    for (int p = part.start[i]; p < part.start[i + 1]; ++p) {
      const int j = space.candidate[part.candidates[p]];
      if (j != x[i]) singles.push_back({Cost(node, x[i], j, lambda), i, j});
    }
  }
  std::sort(singles.begin(), singles.end(), [](const Single& a, const Single& b) { return a.cost < b.cost; });
  return singles;
}

}  // namespace

void Repair(const Space& space, const Part& part, std::vector<int> x, Incumbents& incumbents) {
  const Program& program = space.program;
  Totals totals = Evaluate(program, x);
  for (int round = 0; round < 4 * space.m + 8; ++round) {
    double excess = 0;
    for (size_t l = 0; l < space.k; ++l) {
      excess += std::max(0.0, static_cast<double>(totals.w[l] - program.limits[l]) / space.scale[l]);
    }
    const bool within = excess == 0;
    if (within) incumbents.Offer(x, totals);
    const double lambda = incumbents.lambda();
    int best_node = -1, best_candidate = 0;
    double best_score = within ? -1e-9 * std::abs(lambda) : std::numeric_limits<double>::infinity();
    for (int i = 0; i < space.m; ++i) {
      if (x[i] == Program::kAbsent) continue;
      const int chosen = space.first[i] + x[i];
      for (int p = part.start[i]; p < part.start[i + 1]; ++p) {
        const int c = part.candidates[p];
        if (c == chosen) continue;
        const double cost = space.a[c] - space.a[chosen] - lambda * (space.f[c] - space.f[chosen]);
        // Its score is no less than if it made the whole excess go away.
        if (!((within ? cost : cost > 0 ? cost / excess : cost * excess) < best_score)) continue;
        double after = 0;
        for (size_t l = 0; l < space.k; ++l) {
          const std::vector<int64_t>& w = space.exact_w[l];
          const int64_t above = totals.w[l] - w[chosen] + w[c] - program.limits[l];
          if (above > 0) after += static_cast<double>(above) / space.scale[l];
        }
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
          best_candidate = space.candidate[c];
        }
      }
    }
    if (best_node < 0) return;
    const Program::Node& node = program.nodes[best_node];
    const int old = x[best_node];
    totals.a += node.a[best_candidate] - node.a[old];
    totals.f += node.f[best_candidate] - node.f[old];
    for (size_t l = 0; l < space.k; ++l) totals.w[l] += node.w[l][best_candidate] - node.w[l][old];
    x[best_node] = best_candidate;
  }
}

void ImproveByPairs(const Space& space, const Part& part, Incumbents& incumbents) {
  if (incumbents.kept().empty()) return;
  const size_t k = space.k;
  std::vector<int> x = incumbents.kept().begin()->x;
  std::vector<int64_t> added;  // by single and limit
  for (int round = 0; round < kMaxPairExchanges; ++round) {
    const Totals totals = Evaluate(space.program, x);
    const double ratio = static_cast<double>(totals.a) / static_cast<double>(totals.f);
    const std::vector<Single> singles = Singles(space, part, x, ratio);
    added.clear();
    for (const Single& s : singles) {
      for (const std::vector<int64_t>& w : space.program.nodes[s.node].w)
        added.push_back(w[s.candidate] - w[x[s.node]]);
    }
    double best = -1e-12 * (space.size_a + std::abs(ratio) * space.size_f);
    const Single *first = nullptr, *second = nullptr;
    int64_t looked_at = 0;
    for (size_t s = 0; s < singles.size() && looked_at < kMaxPairs; ++s) {
      // The first of a pair is the cheaper one.
      for (size_t t = s + 1; t < singles.size() && singles[s].cost + singles[t].cost < best; ++t) {
        ++looked_at;
        if (singles[s].node == singles[t].node) continue;
        bool within = true;
        for (size_t l = 0; l < k && within; ++l) {
          within = totals.w[l] + added[s * k + l] + added[t * k + l] <= space.program.limits[l];
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
    incumbents.Offer(x);
  }
}

}  // namespace mathnas::core::internal
