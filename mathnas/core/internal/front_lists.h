// Whole fronts of a Program: lists of partial networks that are not dominated, a node at a time (Nemhauser and Ullmann,
// Discrete Dynamic Programming and Capital Allocation, 1969).
#ifndef MATHNAS_CORE_INTERNAL_FRONT_LISTS_H_
#define MATHNAS_CORE_INTERNAL_FRONT_LISTS_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/program.h"

namespace mathnas::core::internal {

// Comparisons and partial networks that are made before a front is given up.
inline constexpr int64_t kMaxFrontComparisons = 2'000'000'000;
inline constexpr int64_t kMaxFrontStates = 5'000'000;

// Networks, one after the other.
struct FrontPoints {
  std::vector<int> x;         // a candidate per node each
  std::vector<int64_t> a, f;  // sums, constants included
  std::vector<int64_t> w;     // of each of `rows`

  size_t size() const { return a.size(); }
};

// One x for every non-dominated (ratio, w of each of `rows`), all to be small, within the limits; in no order.
//
// A fractional objective: for ratios from lo to hi, s is as good as t whatever follows if
//   a_s - lambda f_s <= a_t - lambda f_t  at lambda = lo and at lambda = hi,
// since the left side minus the right is linear in lambda and the completed t has a - lambda f = 0 at its own ratio.
//
// ResourceExhausted: too many partial networks. DeadlineExceeded: `until` has come. Cancelled. InvalidArgument as
// Solve.
absl::StatusOr<FrontPoints> NonDominated(const Program& program, std::span<const int> rows,
                                         std::chrono::steady_clock::time_point until, const std::atomic<bool>* cancel);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_FRONT_LISTS_H_
