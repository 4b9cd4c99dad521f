#include "kernels/memory_planner.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/random.h"

namespace mathnas::kernels {
namespace {

size_t Aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

// What lives at the same step has to fit at the same time.
size_t LowerBound(const std::vector<Lifetime>& lifetimes) {
  size_t bound = 0;
  for (const Lifetime& at : lifetimes) {
    size_t live = 0;
    for (const Lifetime& l : lifetimes) live += l.first <= at.first && at.first <= l.last ? Aligned(l.bytes) : 0;
    bound = std::max(bound, live);
  }
  return bound;
}

void ExpectSound(const std::vector<Lifetime>& lifetimes) {
  const MemoryPlan plan = PlanMemory(lifetimes);
  ASSERT_EQ(plan.offsets.size(), lifetimes.size());
  for (size_t i = 0; i < lifetimes.size(); ++i) {
    EXPECT_EQ(plan.offsets[i] % 64, 0u);
    EXPECT_LE(plan.offsets[i] + lifetimes[i].bytes, plan.bytes);
    for (size_t j = 0; j < i; ++j) {
      const bool together = lifetimes[i].first <= lifetimes[j].last && lifetimes[j].first <= lifetimes[i].last;
      const bool overlap = plan.offsets[i] < plan.offsets[j] + lifetimes[j].bytes &&
                           plan.offsets[j] < plan.offsets[i] + lifetimes[i].bytes;
      EXPECT_FALSE(together && overlap) << i << " and " << j;
    }
  }
  EXPECT_GE(plan.bytes, LowerBound(lifetimes));
}

TEST(PlanMemory, RandomLifetimesNeverOverlap) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::vector<Lifetime> lifetimes(1 + random.Below(60));
    for (Lifetime& l : lifetimes) {
      l.first = static_cast<int32_t>(random.Below(30));
      l.last = l.first + static_cast<int32_t>(random.Below(1 + random.Below(30)));
      l.bytes = random.Below(8) == 0 ? 0 : random.Below(2000);
    }
    ExpectSound(lifetimes);
  }
}

TEST(PlanMemory, NothingTakesNothing) { EXPECT_EQ(PlanMemory({}).bytes, 0u); }

TEST(PlanMemory, ValuesThatFollowEachOtherShareMemory) {
  const std::vector<Lifetime> chain = {{0, 1, 100}, {2, 3, 128}, {4, 5, 64}, {6, 6, 1}};
  ExpectSound(chain);
  EXPECT_EQ(PlanMemory(chain).bytes, 128u);
}

// Steps are included on both sides: an operator's output must not lie where its input is.
TEST(PlanMemory, InputAndOutputOfAStepAreApart) {
  const std::vector<Lifetime> lifetimes = {{0, 1, 64}, {1, 2, 64}};
  EXPECT_EQ(PlanMemory(lifetimes).bytes, 128u);
}

TEST(PlanMemory, FillsTheGapThatFits) {
  // The large ones leave a gap of 128 between them at step 1, which the small one of step 1 takes.
  const std::vector<Lifetime> lifetimes = {{0, 3, 1024}, {0, 0, 512}, {0, 3, 256}, {1, 3, 512}};
  ExpectSound(lifetimes);
  EXPECT_EQ(PlanMemory(lifetimes).bytes, LowerBound(lifetimes));
}

// Backward passes read activations in reverse order: nested lifetimes pack without loss.
TEST(PlanMemory, NestedLifetimesPackTightly) {
  std::vector<Lifetime> lifetimes;
  for (int32_t i = 0; i < 50; ++i) lifetimes.push_back({i, 100 - i, static_cast<size_t>(64 * (1 + i % 3))});
  ExpectSound(lifetimes);
  EXPECT_EQ(PlanMemory(lifetimes).bytes, LowerBound(lifetimes));
}

}  // namespace
}  // namespace mathnas::kernels
