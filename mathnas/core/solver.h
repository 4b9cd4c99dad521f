// The exact solver of a Program: one branch and bound for the ratio itself. lambda is the ratio of the best network so
// far (Dinkelbach 1967); a part of the space is left out when a Lagrangian bound proves min (a - lambda f) x >= 0 over
// it. A better network lowers lambda, and what was left out before stays left out.
#ifndef MATHNAS_CORE_SOLVER_H_
#define MATHNAS_CORE_SOLVER_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/program.h"

namespace mathnas::core {

struct SolverOptions {
  double time_limit = std::numeric_limits<double>::infinity();  // seconds
  const std::atomic<bool>* cancel = nullptr;                    // set it to true from any thread to stop
};

enum class SolutionStatus {
  kOptimal,     // proven: no x has a smaller ratio
  kFeasible,    // time ran out: x holds the limits, its ratio is above `bound` or equal to it
  kInfeasible,  // proven: no x holds the limits
  kUnknown,     // time ran out before any x was found
};

struct Solution {
  SolutionStatus status = SolutionStatus::kUnknown;
  std::vector<int> x;    // candidate by node, Program::kAbsent behind a cut; empty without a network
  int64_t a = 0, f = 1;  // numerator and denominator of x, constants included
  double bound = 0;      // proven: no ratio is smaller. a / f when optimal
  int64_t explored = 0;  // parts of the space looked at
};

// InvalidArgument: Validate, or a denominator that some structure makes zero or negative. Cancelled: the flag was set.
absl::StatusOr<Solution> Solve(const Program& program, const SolverOptions& options = {});

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_SOLVER_H_
