// Running a plan allocates nothing: not one call of malloc by this project on any thread, and no growth in the library
// beneath it, which keeps a list of arguments for each call that it executes.
#include <algorithm>
#include <cstdlib>
#include <limits>

#include "gtest/gtest.h"
#include "kernels/differentiate.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "tests/kernels/allocation_counter.h"
#include "tests/kernels/training_graph.h"

namespace mathnas::kernels::testing {
namespace {

// Where everybody could read it: what nobody sees is optimised away.
void* volatile plain;
void* volatile aligned;
void* volatile zeroed;
int* volatile integer;

TEST(AllocationCounter, SeesAllocations) {
  const Allocations before = CountAllocations();
  integer = new int(1);
  plain = std::malloc(10);
  aligned = std::aligned_alloc(64, 128);
  zeroed = std::calloc(3, 4);
  const Allocations after = CountAllocations();
  delete integer;
  std::free(plain);
  std::free(aligned);
  std::free(zeroed);
  const Allocations freed = CountAllocations();
  EXPECT_EQ(after.own - before.own, 4);
  EXPECT_EQ(after.live - before.live, 4);
  EXPECT_EQ(freed.live - before.live, 0);
}

void ExpectNoAllocation(Device& device) {
  TrainingGraph t(DType::kF32);
  TensorMap tensors = RandomTensors(t.graph, 1);
  const TensorMap* const bound[] = {&tensors};
  auto plan = Plan::Create(t.graph, t.outputs, device);
  ASSERT_TRUE(plan.ok()) << Message(plan.status());
  auto context = Context::Create(*plan, bound);
  ASSERT_TRUE(context.ok()) << Message(context.status());
  FillInputs(**context, 2);
  // The first runs start threads and fill what libraries keep per thread.
  for (int run = 0; run < 3; ++run) ASSERT_TRUE((*context)->Run().ok());

  // A library with a task scheduler beneath adds objects to a pool now and then. What is kept per run, by anybody,
  // shows in every series.
  constexpr int kSeries = 10, kRuns = 100;
  int64_t least_kept = std::numeric_limits<int64_t>::max();
  for (int series = 0; series < kSeries; ++series) {
    const Allocations before = CountAllocations();
    bool ok = true;
    for (int run = 0; run < kRuns; ++run) ok &= (*context)->Run().ok();
    const Allocations after = CountAllocations();
    EXPECT_TRUE(ok);
    EXPECT_EQ(after.own - before.own, 0);
    least_kept = std::min(least_kept, after.live - before.live);
  }
  EXPECT_LE(least_kept, 0);
}

TEST(Context, RunAllocatesNothingOnTheReferenceDevice) { ExpectNoAllocation(*ReferenceDevice(DType::kF32)); }

TEST(Context, RunAllocatesNothingOnTheCpu) {
  for (int threads : {1, 2}) {
    SCOPED_TRACE(threads);
    auto device = CpuDevice(threads);
    if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << "no CPU kernels: " << Message(device.status());
    ASSERT_TRUE(device.ok()) << Message(device.status());
    ExpectNoAllocation(**device);
  }
}

}  // namespace
}  // namespace mathnas::kernels::testing
