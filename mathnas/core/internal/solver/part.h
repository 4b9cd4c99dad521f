// A part of the space: what is left of the candidates and of the depths; the least sum over it, and taking out of it
// what is too far above that.
#ifndef MATHNAS_CORE_INTERNAL_SOLVER_PART_H_
#define MATHNAS_CORE_INTERNAL_SOLVER_PART_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "mathnas/core/internal/solver/space.h"

namespace mathnas::core::internal {

// Of the dual as a function of the multipliers u: a - lambda f + u above is above all its values over any part that
// has x.
struct Cut {
  double a, f;
  std::vector<double> above;  // by limit
  std::vector<int> x;
};
using Cuts = std::vector<std::shared_ptr<const Cut>>;

struct Part {
  static constexpr double kNoBound = -std::numeric_limits<double>::infinity();

  std::vector<int> candidates;     // of all nodes, one node after the other: indices of Space's
  std::vector<int> start;          // by node, and one more: where its candidates begin
  std::vector<uint64_t> depths;    // by chain: bit t for depth t
  std::vector<double> multiplier;  // by limit: where the parent's dual ended
  double bound = kNoBound;         // of a - lambda f, lambda as it was then
  Cuts cuts;                       // the parent's that meet in its multiplier

  int count(int node) const { return start[node + 1] - start[node]; }
  bool has_depth(size_t chain, int t) const { return (depths[chain] >> t & 1) != 0; }
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

// By chain: the depths that the program allows.
[[gnu::cold]] std::vector<uint64_t> AllDepths(const Program& program);
[[gnu::cold]] Part Whole(const Space& space);

// How many choices of candidates a part has, depths aside.
double Networks(const Space& space, const Part& part);

// The x of the minimum.
std::vector<int> ChoiceOf(const Space& space, const Part& part, const Minimum<double>& minimum);

// Takes out what breaks one of `limits` whatever the rest does; false if that leaves nothing.
bool KeepWithinLimits(const Space& space, std::span<const int64_t> limits, Part& part);

// Where a network may be that is looked for.
struct Ratios {
  double least, greatest;
  bool positive;  // whether every choice has a positive denominator
};

// Takes out candidates than which `keep` others of their node are better in every network within `ratios`: no network
// with them is among the `keep` best, nor as good. Nothing if that takes more than kMaxDominancePairs comparisons.
[[gnu::cold]] void DropDominated(const Space& space, const Ratios& ratios, int keep, Part& part);
inline constexpr int64_t kMaxDominancePairs = 200'000;

// Nodes behind every depth that is left are the same whatever they choose: one candidate stays.
[[gnu::cold]] void KeepOneOfAbsent(const Space& space, Part& part);

// The ends of chains, sign * of_chain(chain)[depth - 1] each.
template <typename OfChain>
std::vector<std::vector<int64_t>> Ends(const Program& program, int64_t sign, const OfChain& of_chain) {
  std::vector<std::vector<int64_t>> all;
  for (const Program::Chain& chain : program.chains) {
    std::vector<int64_t>& ends = all.emplace_back();
    for (int64_t v : of_chain(chain)) ends.push_back(sign * v);
    ends.push_back(0);
  }
  return all;
}

// The least of every chain, from out.node, whose sum is out.total: the rest of `out` but `arg`, and but for what a
// choice worsens unless it is `all`.
template <typename T>
void MinimiseChains(const Program& program, const std::vector<uint64_t>& depths,
                    const std::vector<std::vector<T>>& ends, Minimum<T>& out, bool all = true) {
  out.forced.assign(out.node.size(), 0);
  out.depth.resize(program.chains.size());
  out.excess.resize(program.chains.size());
  for (size_t c = 0; c < program.chains.size(); ++c) {
    const Program::Chain& chain = program.chains[c];
    const auto has_depth = [&](int t) { return (depths[c] >> t & 1) != 0; };
    std::vector<T>& excess = out.excess[c];
    excess.assign(chain.length, 0);
    T prefix = 0, best = 0;
    int depth = 0;
    for (int t = 1; t <= chain.length; ++t) {
      prefix += out.node[chain.first + t - 1];
      excess[t - 1] = prefix + ends[c][t - 1];
      if (has_depth(t) && (depth == 0 || excess[t - 1] < best)) {
        best = excess[t - 1];
        depth = t;
      }
    }
    out.total += best - prefix;
    out.depth[c] = depth;
    if (!all) continue;
    // A node is there if the chain ends behind it.
    T later = 0;
    bool any = false;
    for (int t = chain.length; t >= 1; --t) {
      if (has_depth(t)) {
        excess[t - 1] -= best;
        later = any ? std::min(later, excess[t - 1]) : excess[t - 1];
        any = true;
      }
      out.forced[chain.first + t - 1] = later;
    }
  }
}

template <typename T>
void Minimise(const Program& program, const Part& part, const Values<T>& values, Minimum<T>& out, bool all = true) {
  const int m = static_cast<int>(program.nodes.size());
  out.node.resize(m);
  out.arg.resize(m);
  out.total = 0;
  for (int i = 0; i < m; ++i) {
    int best = part.start[i];
    T least = values.candidates[best];
    for (int p = best + 1; p < part.start[i + 1]; ++p) {
      // Without a branch, which would often be predicted wrong.
      const T value = values.candidates[p];
      best = value < least ? p : best;
      least = std::min(least, value);
    }
    out.arg[i] = best;
    out.node[i] = least;
    out.total += least;
  }
  MinimiseChains(program, part.depths, values.ends, out, all);
}

// Takes out what is more than `most` above the minimum; true if there was something. What reaches the minimum stays, so
// no node is emptied. T is int64_t or double.
template <typename T>
[[gnu::noinline]] bool Drop(const Space& space, const Values<T>& values, const Minimum<T>& minimum, T most, Part& part);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SOLVER_PART_H_
