// Lays values with known lifetimes into one arena.
#ifndef MATHNAS_KERNELS_MEMORY_PLANNER_H_
#define MATHNAS_KERNELS_MEMORY_PLANNER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace mathnas::kernels {

// Steps first .. last, both included, during which `bytes` must not be shared with another value.
struct Lifetime {
  int32_t first;
  int32_t last;
  size_t bytes;
};

struct MemoryPlan {
  std::vector<size_t> offsets;  // one per lifetime, multiples of 64
  size_t bytes = 0;             // of the whole arena
};

// Largest first, each into the smallest gap that fits.
MemoryPlan PlanMemory(absl::Span<const Lifetime> lifetimes);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_MEMORY_PLANNER_H_
