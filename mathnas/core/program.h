// The program of Eq 6 and Eq 9 in integers:
//
//   minimise (a0 + sum_ij a_ij x_ij) / (f0 + sum_ij f_ij x_ij)
//   subject to sum_ij w_lij x_ij <= C_l for every limit l,  sum_j x_ij = 1 for every node i,  x_ij in {0, 1}
//
// Acc(N~) - F-bar * ratio is the paper's objective, so the least ratio is the most accurate network. A linear objective
// is f = 0, f0 = 1. Integers make an optimum an exact fraction: whether one is better than another is decided by
// multiplication in 128 bits, whether a limit holds by comparison.
#ifndef MATHNAS_CORE_PROGRAM_H_
#define MATHNAS_CORE_PROGRAM_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"

namespace mathnas::core {

struct Program {
  static constexpr int kAbsent = -1;    // the choice of a node behind a cut
  static constexpr int kMaxChain = 63;  // nodes of a chain
  static constexpr int kMaxLimits = 32;

  // By candidate; w by limit and candidate.
  struct Node {
    std::vector<int64_t> a, f;
    std::vector<std::vector<int64_t>> w;
  };
  // Nodes first .. first + length - 1 may be cut (Eq 9): at depth t, 1 <= t <= length, the first t choose a candidate
  // and the others are absent; if t < length, end_*[t - 1] is added once. Bit t of `depths`: depth t is allowed.
  struct Chain {
    int first = 0, length = 0;
    std::vector<int64_t> end_a, end_f;
    std::vector<std::vector<int64_t>> end_w;
    uint64_t depths = ~uint64_t{0};
  };

  int64_t a0 = 0, f0 = 1;
  std::vector<int64_t> limits;  // C_l
  std::vector<Node> nodes;
  std::vector<Chain> chains;  // by `first`, disjoint
};

// Sums over the chosen candidates, constants included.
struct Totals {
  int64_t a = 0, f = 0;
  std::vector<int64_t> w;
};

// Counts, chains, no empty node; sums stay below 2^61. InvalidArgument names the entry. A choice whose denominator is
// not positive has no ratio: it counts as one that breaks a limit.
absl::Status Validate(const Program& program);

// `x` must have one candidate per node, kAbsent behind a cut.
Totals Evaluate(const Program& program, std::span<const int> x);

// Whether a / f < other_a / other_f, exactly; both denominators positive.
bool LessRatio(int64_t a, int64_t f, int64_t other_a, int64_t other_f);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_PROGRAM_H_
