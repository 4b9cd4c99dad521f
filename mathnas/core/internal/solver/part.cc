#include "mathnas/core/internal/solver/part.h"

#include <cmath>
#include <numeric>

namespace mathnas::core::internal {
namespace {

// Whether candidate `j` instead of `i` of a node makes a - lambda f smaller for every ratio lambda (in which it is
// linear), surely in spite of rounding, and no limit harder to hold.
bool Dominates(const Space& space, const Ratios& ratios, const Program::Node& node, int j, int i) {
  for (size_t l = 0; l < space.k; ++l) {
    if (node.w[l][j] > node.w[l][i]) return false;
  }
  if (!ratios.positive && node.f[j] < node.f[i]) return false;
  const auto a = static_cast<double>(node.a[j] - node.a[i]), f = static_cast<double>(node.f[j] - node.f[i]);
  for (const double lambda : {ratios.least, ratios.greatest}) {
    if (!(a - lambda * f < -0x1p-48 * (std::abs(a) + std::abs(lambda * f)))) return false;
  }
  return true;
}

}  // namespace

std::vector<uint64_t> AllDepths(const Program& program) {
  std::vector<uint64_t> depths;
  for (const Program::Chain& chain : program.chains) {
    depths.push_back(((uint64_t{1} << chain.length) - 1) << 1 & chain.depths);
  }
  return depths;
}

Part Whole(const Space& space) {
  Part part;
  part.start = space.first;
  part.candidates.resize(space.first.back());
  std::iota(part.candidates.begin(), part.candidates.end(), 0);
  part.depths = AllDepths(space.program);
  part.multiplier.assign(space.k, 0);
  return part;
}

double Networks(const Space& space, const Part& part) {
  double networks = 1;
  for (int i = 0; i < space.m; ++i) networks *= part.count(i);
  return networks;
}

std::vector<int> ChoiceOf(const Space& space, const Part& part, const Minimum<double>& minimum) {
  std::vector<int> x(space.m);
  for (int i = 0; i < space.m; ++i) {
    x[i] = space.Present(i, minimum.depth) ? space.candidate[part.candidates[minimum.arg[i]]] : Program::kAbsent;
  }
  return x;
}

template <typename T>
bool Drop(const Space& space, const Values<T>& values, const Minimum<T>& minimum, T most, Part& part) {
  const size_t before = part.candidates.size();
  bool dropped = false;
  for (size_t c = 0; c < space.program.chains.size(); ++c) {
    for (int t = 1; t <= space.program.chains[c].length; ++t) {
      if (!part.has_depth(c, t) || t == minimum.depth[c] || !(minimum.excess[c][t - 1] > most)) continue;
      part.depths[c] &= ~(uint64_t{1} << t);
      dropped = true;
    }
  }
  int kept = 0;
  for (int i = 0; i < space.m; ++i) {
    const int from = part.start[i], to = part.start[i + 1], arg = minimum.arg[i];
    part.start[i] = kept;
    for (int p = from; p < to; ++p) {
      const T excess = values.candidates[p] - minimum.node[i] + minimum.forced[i];
      part.candidates[kept] = part.candidates[p];
      // In a node that is behind every depth the candidates do not matter; one is kept. Without a branch.
      kept += static_cast<int>(!(excess > most)) | static_cast<int>(p == arg);
    }
  }
  part.start[space.m] = kept;
  part.candidates.resize(kept);
  return dropped || part.candidates.size() < before;
}

template bool Drop(const Space&, const Values<int64_t>&, const Minimum<int64_t>&, int64_t, Part&);
template bool Drop(const Space&, const Values<double>&, const Minimum<double>&, double, Part&);

bool KeepWithinLimits(const Space& space, std::span<const int64_t> limits, Part& part) {
  Values<int64_t> values;
  Minimum<int64_t> minimum;
  // Until no limit takes anything out of what the others left.
  for (size_t l = 0, calm = 0; calm < space.k; l = (l + 1) % space.k) {
    const std::vector<int64_t>& w = space.exact_w[l];
    // The sum alone first: there is seldom anything to be taken out.
    minimum.node.resize(space.m);
    minimum.total = 0;
    for (int i = 0; i < space.m; ++i) {
      int64_t least = w[part.candidates[part.start[i]]];
      for (int p = part.start[i] + 1; p < part.start[i + 1]; ++p) least = std::min(least, w[part.candidates[p]]);
      minimum.node[i] = least;
      minimum.total += least;
    }
    MinimiseChains(space.program, part.depths, space.exact_ends[l], minimum, false);
    const int64_t slack = limits[l] - minimum.total;
    if (slack < 0) return false;
    ++calm;
    if (slack >= space.widest_w[l]) continue;
    values.candidates.resize(part.candidates.size());
    for (size_t p = 0; p < part.candidates.size(); ++p) values.candidates[p] = w[part.candidates[p]];
    values.ends = space.exact_ends[l];
    Minimise(space.program, part, values, minimum);
    if (Drop(space, values, minimum, slack, part)) calm = 0;
  }
  return true;
}

void DropDominated(const Space& space, const Ratios& ratios, int keep, Part& part) {
  int64_t pairs = 0;
  for (int i = 0; i < space.m; ++i) pairs += static_cast<int64_t>(part.count(i)) * part.count(i);
  if (pairs > kMaxDominancePairs) return;
  int kept = 0;
  std::vector<int> candidates;  // of a node
  for (int i = 0; i < space.m; ++i) {
    const Program::Node& node = space.program.nodes[i];
    candidates.clear();
    for (int p = part.start[i]; p < part.start[i + 1]; ++p) candidates.push_back(space.candidate[part.candidates[p]]);
    part.start[i] = kept;
    for (int candidate : candidates) {
      int better = 0;
      for (size_t c = 0; c < candidates.size() && better < keep; ++c) {
        better += Dominates(space, ratios, node, candidates[c], candidate) ? 1 : 0;
      }
      if (better < keep) part.candidates[kept++] = space.first[i] + candidate;
    }
  }
  part.start[space.m] = kept;
  part.candidates.resize(kept);
}

void KeepOneOfAbsent(const Space& space, Part& part) {
  std::vector<bool> absent(space.m, false);
  bool any = false;
  for (size_t c = 0; c < space.program.chains.size(); ++c) {
    const Program::Chain& chain = space.program.chains[c];
    for (int t = chain.length; t >= 1 && (part.depths[c] >> t) == 0; --t) absent[chain.first + t - 1] = any = true;
  }
  if (!any) return;
  int kept = 0;
  for (int i = 0; i < space.m; ++i) {
    const int from = part.start[i], to = absent[i] ? from + 1 : part.start[i + 1];
    part.start[i] = kept;
    for (int p = from; p < to; ++p) part.candidates[kept++] = part.candidates[p];
  }
  part.start[space.m] = kept;
  part.candidates.resize(kept);
}

}  // namespace mathnas::core::internal
