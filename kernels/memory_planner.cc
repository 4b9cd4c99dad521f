#include "kernels/memory_planner.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace mathnas::kernels {
namespace {

constexpr size_t kAlignment = 64;

size_t Aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

MemoryPlan PlanMemory(absl::Span<const Lifetime> lifetimes) {
  std::vector<size_t> by_size(lifetimes.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });

  MemoryPlan plan;
  plan.offsets.resize(lifetimes.size());
  std::vector<size_t> placed;  // by offset
  for (size_t i : by_size) {
    const size_t bytes = Aligned(lifetimes[i].bytes);
    size_t best = 0, best_gap = std::numeric_limits<size_t>::max(), end = 0;
    for (size_t p : placed) {
      if (lifetimes[p].last < lifetimes[i].first || lifetimes[i].last < lifetimes[p].first) continue;
      if (plan.offsets[p] > end) {
        const size_t gap = plan.offsets[p] - end;
        if (gap >= bytes && gap < best_gap) best = end, best_gap = gap;
      }
      end = std::max(end, plan.offsets[p] + Aligned(lifetimes[p].bytes));
    }
    if (best_gap == std::numeric_limits<size_t>::max()) best = end;
    plan.offsets[i] = best;
    plan.bytes = std::max(plan.bytes, best + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](size_t a, size_t b) { return plan.offsets[a] < plan.offsets[b]; }),
                  i);
  }
  return plan;
}

}  // namespace mathnas::kernels
