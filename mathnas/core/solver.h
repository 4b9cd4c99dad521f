// The exact solver of a Program: one branch and bound for the ratio itself. lambda is the ratio of the best network so
// far (Dinkelbach 1967); a part of the space is left out when a Lagrangian bound proves min (a - lambda f) x >= 0 over
// it. A better network lowers lambda, and what was left out before stays left out.
#ifndef MATHNAS_CORE_SOLVER_H_
#define MATHNAS_CORE_SOLVER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/program.h"

namespace mathnas::core {

struct SolverOptions {
  double time_limit = std::numeric_limits<double>::infinity();  // seconds
  const std::atomic<bool>* cancel = nullptr;                    // set it to true from any thread to stop
  int keep = 1;                                                 // how many of the best to find
  // Whether x, which holds the limits, is a network: for what integers cannot say. Called rarely, by one thread at a
  // time as is `before`; may be empty.
  std::function<bool(std::span<const int> x)> accept = {};
  // A strict total order among networks of equal ratio. If given, ties are searched for and the first in this order are
  // kept; otherwise any. The search for ties ends after kMaxTies of them, or parts with kMaxTieCandidates candidates.
  std::function<bool(std::span<const int> x, std::span<const int> y)> before = {};
  // The limit whose sum decides first in `before`, smaller first; -1: none does.
  int tie_limit = -1;
  // 0: as many as the machine has. The solution is the same whatever their number, unless time runs out.
  int threads = 0;
  // When a search changes its ways; other values are for tests.
  struct Effort {
    int64_t few_networks = 120'000;  // of a part of the space, which are looked at one by one
    int64_t first_parts = 64;        // looked at before the search goes on in rounds of several
    double alone = 5e-3;             // seconds before threads other than the calling one share them
    // With one limit: how often candidates are evaluated before a dynamic programme over the limit is thought of, and
    // how many of its additions take as long as evaluating one: it is made once it takes less than the search did so
    // far.
    double before_sums = 64, sums = 32;
  };
  Effort effort = {};
};
inline constexpr int64_t kMaxTies = 5'000, kMaxTieCandidates = 1'000'000;

enum class SolutionStatus {
  kOptimal,     // proven: no x has a smaller ratio
  kFeasible,    // time ran out: x holds the limits, its ratio is above `bound` or equal to it
  kInfeasible,  // proven: no x holds the limits
  kUnknown,     // time ran out before any x was found
};

struct Solution {
  SolutionStatus status = SolutionStatus::kUnknown;
  std::vector<int> x = {};  // candidate by node, Program::kAbsent behind a cut; empty without a network
  int64_t a = 0, f = 1;     // numerator and denominator of x, constants included
  // The next best, best first: keep - 1 of them, or fewer if no more hold the limits. Unproven if time ran out.
  std::vector<std::vector<int>> runners_up = {};
  double bound = 0;      // proven: no ratio is smaller. a / f when optimal
  int64_t explored = 0;  // parts of the space looked at
};

// InvalidArgument: Validate, fewer than 0 threads. Cancelled: the flag was set.
absl::StatusOr<Solution> Solve(const Program& program, const SolverOptions& options = {});

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_SOLVER_H_
