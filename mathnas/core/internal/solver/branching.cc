#include "mathnas/core/internal/solver/branching.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace mathnas::core::internal {
namespace {

class Branching {
 public:
  Branching(const Space& space, const Part& part, const DualPoint& point, const Mix& mix)
      : space_(space), part_(part), point_(point), mix_(mix), size_(std::max(std::abs(part.bound), 1e-300)) {}

  // Depths first: all candidates of the nodes behind depend on them. But where the relaxation mixes candidates, only
  // those of chains whose depths it mixes, too.
  void Divide(std::vector<Part>& open) const {
    const Place mixed = MostMixed();
    const Place chain = LeastDecidedChain(mixed.index >= 0);
    if (chain.index >= 0) {
      DivideChain(chain.index, open);
    } else if (mixed.index >= 0) {
      DivideNode(mixed.index, SidesByMean(mixed.index, mixed.mean), open);
    } else if (const int node = MostCandidates(); node >= 0) {
      DivideNode(node, SidesOfTwo(node), open);
    }
  }

 private:
  // A node or a chain; index -1: none.
  struct Place {
    int index = -1;
    double score = -1;
    double mean = 0;  // of the weights that are mixed
  };

  // u w of candidate c of all nodes.
  double Weight(int c) const {
    double weight = 0;
    for (size_t l = 0; l < space_.k; ++l) weight += part_.multiplier[l] * space_.w[l][c];
    return weight;
  }
  double WeightAt(int position) const { return Weight(part_.candidates[position]); }
  int From(int node) const { return part_.start[node]; }
  int To(int node) const { return part_.start[node + 1]; }

  // The relaxation is a mix of choices. The node where these differ most in weight, with candidates on both sides of
  // the mean.
  Place MostMixed() const {
    Place most;
    most.score = 0;
    for (int i = 0; i < space_.m; ++i) {
      if (part_.count(i) < 2) continue;
      // Candidate 0 of the node, among those of all nodes.
      const int first = part_.candidates[From(i)] - space_.candidate[part_.candidates[From(i)]];
      double shares = 0, sum = 0, squares = 0;
      for (const auto& [cut, share] : mix_) {
        if (cut->x[i] == Program::kAbsent) continue;
        const double weight = Weight(first + cut->x[i]);
        shares += share;
        sum += share * weight;
        squares += share * weight * weight;
      }
      if (shares < 1e-6) continue;
      const double mean = sum / shares, spread = squares - sum * mean;
      if (!(spread > most.score + 1e-9 * squares)) continue;
      bool lower = false, higher = false;
      for (int p = From(i); p < To(i); ++p) (WeightAt(p) <= mean ? lower : higher) = true;
      if (lower && higher) most = {i, spread, mean};
    }
    return most;
  }

  // -1: no node has a choice. Where nothing is mixed, which node it is was found to matter little.
  int MostCandidates() const {
    int most = -1;
    for (int i = 0; i < space_.m; ++i) {
      if (part_.count(i) > (most < 0 ? 1 : part_.count(most))) most = i;
    }
    return most;
  }

  // The chain whose other depths cost least.
  Place LeastDecidedChain(bool only_mixed) const {
    Place least;
    for (size_t c = 0; c < part_.depths.size(); ++c) {
      if (std::has_single_bit(part_.depths[c])) continue;
      if (only_mixed && !MixesDepths(c)) continue;
      double of_chain = 0;
      for (int t = 1; t <= space_.program.chains[c].length; ++t) {
        if (!part_.has_depth(c, t) || t == point_.minimum.depth[c]) continue;
        of_chain = std::max(of_chain, size_ / (point_.minimum.excess[c][t - 1] + 1e-2 * size_));
      }
      if (of_chain > least.score) least = {static_cast<int>(c), of_chain};
    }
    return least;
  }

  bool MixesDepths(size_t c) const {
    return std::any_of(mix_.begin(), mix_.end(), [&](const auto& cut_and_share) {
      return space_.DepthOf(c, cut_and_share.first->x) != space_.DepthOf(c, mix_[0].first->x);
    });
  }

  void DivideChain(int chain, std::vector<Part>& open) const {
    Part with = part_, without = part_;
    const int depth = point_.minimum.depth[chain];
    with.depths[chain] = uint64_t{1} << depth;
    without.depths[chain] &= ~with.depths[chain];
    with.cuts.clear();
    without.cuts.clear();
    for (const auto& [cut, share] : mix_) {
      (space_.DepthOf(chain, cut->x) == depth ? with : without).cuts.push_back(cut);
    }
    open.push_back(std::move(without));
    open.push_back(std::move(with));
  }

  // By position among the candidates of a node: whether it is on the side of the minimum.
  using Sides = std::vector<bool>;

  Sides SidesByMean(int node, double mean) const {
    const bool heavy = WeightAt(point_.minimum.arg[node]) > mean;
    Sides sides;
    for (int p = From(node); p < To(node); ++p) sides.push_back((WeightAt(p) > mean) == heavy);
    return sides;
  }

  // The minimum's candidate and the next best on different sides, the others with the one that they weigh like.
  Sides SidesOfTwo(int node) const {
    const int arg = point_.minimum.arg[node];
    int second = -1;
    double least = std::numeric_limits<double>::infinity();
    for (int p = From(node); p < To(node); ++p) {
      const double excess = point_.values.candidates[p] - point_.minimum.node[node];
      if (p == arg || !(excess < least)) continue;
      least = excess;
      second = p;
    }
    Sides sides = SidesByMean(node, (WeightAt(arg) + WeightAt(second)) / 2);
    sides[arg - From(node)] = true;
    sides[second - From(node)] = false;
    return sides;
  }

  void DivideNode(int node, const Sides& sides, std::vector<Part>& open) const {
    open.push_back(Side(node, sides, false));
    open.push_back(Side(node, sides, true));
  }

  Part Side(int node, const Sides& sides, bool side) const {
    Part child = part_;
    int kept = From(node);
    for (int p = From(node); p < To(node); ++p) {
      if (sides[p - From(node)] == side) child.candidates[kept++] = part_.candidates[p];
    }
    child.candidates.erase(child.candidates.begin() + kept, child.candidates.begin() + To(node));
    for (int i = node + 1; i <= space_.m; ++i) child.start[i] -= To(node) - kept;
    child.cuts.clear();
    for (const auto& [cut, share] : mix_) {
      const int chosen = cut->x[node];
      const bool there = chosen != Program::kAbsent &&
                         std::any_of(child.candidates.begin() + From(node), child.candidates.begin() + kept,
                                     [&](int c) { return space_.candidate[c] == chosen; });
      if (there) child.cuts.push_back(cut);
    }
    return child;
  }

  const Space& space_;
  const Part& part_;
  const DualPoint& point_;
  const Mix& mix_;
  const double size_;  // of the bound: what costs are compared with
};

}  // namespace

void Divide(const Space& space, const Part& part, const DualPoint& point, const Mix& mix, std::vector<Part>& open) {
  Branching(space, part, point, mix).Divide(open);
}

}  // namespace mathnas::core::internal
