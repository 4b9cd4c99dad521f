#include "kernels/memory_planner.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

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

  // What has its place, by offset.
  struct Placed {
    int32_t first, last;
    size_t begin, end;  // in the arena
  };
  std::vector<Placed> placed;
  placed.reserve(lifetimes.size());
  // Of these, what lives at the same time as the value at hand.
  std::vector<std::pair<size_t, size_t>> beside(lifetimes.size());
  MemoryPlan plan;
  plan.offsets.resize(lifetimes.size());
  for (size_t i : by_size) {
    const auto [first, last, exact_bytes] = lifetimes[i];
    const size_t bytes = Aligned(exact_bytes);
    size_t best = 0, best_gap = std::numeric_limits<size_t>::max(), end = 0;
    // All that is placed is looked at for every value, so without a branch, which would often be guessed wrong.
    size_t count = 0;
    for (const Placed& p : placed) {
      beside[count] = {p.begin, p.end};
      count += static_cast<size_t>((p.last >= first) & (p.first <= last));
    }
    for (const auto& [begin, behind] : absl::MakeConstSpan(beside).first(count)) {
      if (begin > end) {
        const size_t gap = begin - end;
        if (gap >= bytes && gap < best_gap) best = end, best_gap = gap;
      }
      end = std::max(end, behind);
    }
    if (best_gap == std::numeric_limits<size_t>::max()) best = end;
    plan.offsets[i] = best;
    plan.bytes = std::max(plan.bytes, best + bytes);
    const auto place = std::upper_bound(placed.begin(), placed.end(), best,
                                        [](size_t offset, const Placed& p) { return offset < p.begin; });
    placed.insert(place, {first, last, best, best + bytes});
  }
  return plan;
}

}  // namespace mathnas::kernels
