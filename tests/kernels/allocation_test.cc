// Running a plan allocates nothing: not one call of malloc by this project on any thread, and no growth in the library
// beneath it, which keeps a list of arguments for each call that it executes.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "gtest/gtest.h"
#include "kernels/differentiate.h"
#include "kernels/divided_batch.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "tests/kernels/allocation_counter.h"
#include "tests/kernels/inference_graphs.h"
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

void ExpectNoAllocation(absl::FunctionRef<absl::Status()> run_once) {
  // The first runs start threads and fill what libraries keep per thread.
  for (int run = 0; run < 3; ++run) ASSERT_TRUE(run_once().ok());

  // A library with a task scheduler beneath adds objects to a pool now and then. What is kept per run, by anybody,
  // shows in every series.
  constexpr int kSeries = 10, kRuns = 100;
  int64_t least_kept = std::numeric_limits<int64_t>::max();
  for (int series = 0; series < kSeries; ++series) {
    const Allocations before = CountAllocations();
    bool ok = true;
    for (int run = 0; run < kRuns; ++run) ok &= run_once().ok();
    const Allocations after = CountAllocations();
    EXPECT_TRUE(ok);
    EXPECT_EQ(after.own - before.own, 0);
    least_kept = std::min(least_kept, after.live - before.live);
  }
  EXPECT_LE(least_kept, 0);
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
  ExpectNoAllocation([&] { return (*context)->Run(); });
}

// A thread that takes every second task; the other half stay with who calls.
class Helper {
 public:
  Helper() : thread_([this] { Work(); }) {}
  ~Helper() {
    asked_ = -1;
    asked_.notify_one();
    thread_.join();
  }
  void ParallelFor(int64_t count, void (*task)(void*, int64_t), void* argument) {
    task_ = task;
    argument_ = argument;
    asked_ = count;
    asked_.notify_one();
    for (int64_t i = 0; i < count; i += 2) task(argument, i);
    asked_.wait(count);
  }

 private:
  void Work() {
    while (true) {
      asked_.wait(0);
      const int64_t count = asked_;
      if (count < 0) return;
      for (int64_t i = 1; i < count; i += 2) task_(argument_, i);
      asked_ = 0;
      asked_.notify_one();
    }
  }

  std::atomic<int64_t> asked_{0};
  void (*task_)(void*, int64_t) = nullptr;
  void* argument_ = nullptr;
  std::thread thread_;
};

TEST(DividedContext, RunAllocatesNothing) {
  auto device = CpuDevice(1);
  if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << "no CPU kernels: " << Message(device.status());
  TensorMap weights;
  const auto plan = DividedPlan::Create(5, 3, [&](int64_t rows) -> absl::StatusOr<std::shared_ptr<const Plan>> {
    Builder b(1);
    const Value logits = b.CellNetwork({3, 1, 2, 4, 0, 3}, rows);
    weights = std::move(b.weights);
    return Plan::Create(b.graph, {{"logits", logits}}, **device, {.constant_weights = true});
  });
  ASSERT_TRUE(plan.ok()) << Message(plan.status());
  Helper helper;
  const auto parallel_for = [&](int64_t count, void (*task)(void*, int64_t), void* argument) {
    helper.ParallelFor(count, task, argument);
  };
  auto context = DividedContext::Create(*plan, {&weights}, parallel_for);
  ASSERT_TRUE(context.ok()) << Message(context.status());
  std::vector<float> logits(5 * 10);
  const auto fill = [](const DividedContext::Rows& rows) {
    std::fill(rows.values.begin(), rows.values.end(), 0.5f);
    return absl::OkStatus();
  };
  ExpectNoAllocation([&] { return (*context)->Run(5, fill, logits.data()); });
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
