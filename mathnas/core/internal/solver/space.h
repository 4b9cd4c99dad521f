// The program as the solver reads it: the candidates of all nodes in one row, as doubles for bounds. What is exact is
// read off the Program.
#ifndef MATHNAS_CORE_INTERNAL_SOLVER_SPACE_H_
#define MATHNAS_CORE_INTERNAL_SOLVER_SPACE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "mathnas/core/program.h"

namespace mathnas::core::internal {

// By node: the least and the greatest of its candidates.
struct Extremes {
  std::vector<int64_t> low, high;
};

struct Space {
  // `of` must be valid and outlive the space.
  [[gnu::cold]] explicit Space(const Program& of);

  // Of chain c in x, which has a candidate per node.
  int DepthOf(size_t c, std::span<const int> x) const;
  bool Present(int node, const std::vector<int>& depths) const {
    const int c = chain_of[node];
    return c < 0 || node - program.chains[c].first < depths[c];
  }

  const Program& program;
  const int m;     // nodes
  const size_t k;  // limits
  // By candidate of all nodes, one node after the other.
  std::vector<int> candidate;  // its index in the node
  std::span<const double> a, f;
  std::vector<std::span<const double>> w;                     // by limit first; divided by `scale`
  std::vector<std::vector<int64_t>> exact_w;                  // by limit first; as in the program
  std::vector<std::vector<std::vector<int64_t>>> exact_ends;  // by limit and chain: Ends
  std::vector<int> first;     // by node, and one more: its candidate 0 among those of all nodes
  std::vector<int> chain_of;  // by node; -1: none
  Extremes extremes_a, extremes_f;
  std::vector<Extremes> extremes_w;  // by limit
  std::vector<double> scale;         // by limit: the widest range of w in a node
  std::vector<int64_t> widest_w;  // by limit: no choice of a candidate or a depth adds more than this to the least sum
  // The largest |sum| there can be; that of w by limit, divided by `scale`.
  double size_a, size_f;
  std::vector<double> size_w;

 private:
  void Convert();

  std::vector<double> doubles_;  // a, f and every w
};

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SOLVER_SPACE_H_
