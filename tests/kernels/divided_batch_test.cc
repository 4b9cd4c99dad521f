// A batch in parts says what the whole says, whoever runs them, in whatever order.
#include "kernels/divided_batch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "kernels/tasks.h"
#include "tests/kernels/inference_graphs.h"

namespace mathnas::kernels {
namespace {

using testing::Builder;

using Rows = DividedContext::Rows;
using TaskFunction = void (*)(void* argument, int64_t index);

void Backwards(int64_t count, TaskFunction task, void* argument) {
  while (count > 0) task(argument, --count);
}
void OnThreads(int64_t count, TaskFunction task, void* argument) {
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < count; ++i) threads.emplace_back(task, argument, i);
  for (std::thread& t : threads) t.join();
}

TEST(Tasks, RunEachOnce) {
  Tasks tasks(5);
  const auto too_much = [](int64_t count, TaskFunction task, void* argument) {
    for (int64_t i = -2; i < 7; ++i) task(argument, i);
    OnThreads(count, task, argument);
  };
  for (const TaskRunner& runner : {TaskRunner(), TaskRunner(Backwards), TaskRunner(OnThreads), TaskRunner(too_much)}) {
    for (int64_t count : {1, 2, 3, 5}) {
      std::vector<std::atomic<int>> runs(5);
      const auto run = [&](int64_t i) {
        ++runs[static_cast<size_t>(i)];
        return absl::OkStatus();
      };
      ASSERT_TRUE(tasks.Run(runner, count, run).ok());
      for (int64_t i = 0; i < 5; ++i)
        EXPECT_EQ(runs[static_cast<size_t>(i)], i < count ? 1 : 0) << i << " of " << count;
    }
  }
}

TEST(Tasks, ASingleOneRunsOnTheThreadThatCalls) {
  Tasks tasks(1);
  std::thread::id where;
  const auto run = [&](int64_t) {
    where = std::this_thread::get_id();
    return absl::OkStatus();
  };
  const TaskRunner none = [](int64_t, TaskFunction, void*) { FAIL() << "a runner for one task"; };
  ASSERT_TRUE(tasks.Run(none, 1, run).ok());
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST(Tasks, SayTheFirstErrorByNumber) {
  Tasks tasks(4);
  const auto fail = [](int64_t i) {
    return i == 0 ? absl::OkStatus() : absl::NotFoundError("number " + std::to_string(i));
  };
  EXPECT_EQ(Message(tasks.Run(Backwards, 4, fail)), "number 1");
  const auto refuse = [](int64_t i) -> absl::Status {
    if (i == 2) throw std::runtime_error("no memory");
    return absl::OkStatus();
  };
  for (const TaskRunner& runner : {TaskRunner(), TaskRunner(OnThreads)}) {
    const absl::Status status = tasks.Run(runner, 4, refuse);
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_EQ(Message(status), "task 2: no memory");
  }
  EXPECT_TRUE(tasks.Run(OnThreads, 4, [](int64_t) { return absl::OkStatus(); }).ok()) << "of the run before";
}

TEST(Tasks, WaitForWhatRunsWhenTheRunnerReturnsTooEarly) {
  Tasks tasks(3);
  std::thread late;
  std::atomic<bool> begun{false}, done{false};
  const auto run = [&](int64_t i) {
    if (i != 1) return absl::OkStatus();
    begun = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    done = true;
    return absl::OkStatus();
  };
  void* kept = nullptr;
  TaskFunction kept_task = nullptr;
  const TaskRunner too_early = [&](int64_t, TaskFunction task, void* argument) {
    task(argument, 0);
    late = std::thread(task, argument, 1);
    while (!begun) std::this_thread::yield();
    kept = argument;
    kept_task = task;
  };
  const absl::Status status = tasks.Run(too_early, 3, run);
  EXPECT_TRUE(done);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Message(status), "parallel_for returned before task 1 of 3 was done");
  late.join();
  done = false;
  for (int64_t i = 0; i < 3; ++i) kept_task(kept, i);
  EXPECT_FALSE(done) << "a task after its run";

  const TaskRunner throws = [](int64_t, TaskFunction, void*) { throw std::runtime_error("out of threads"); };
  EXPECT_EQ(Message(tasks.Run(throws, 3, run)), "parallel_for threw: out of threads");
}

// A network of convolutions for images of 8x8x3.
class Network {
 public:
  explicit Network(std::shared_ptr<Device> device) : device_(std::move(device)) {}

  absl::StatusOr<std::shared_ptr<const DividedPlan>> Divide(int64_t batch, int parts) {
    prepared.clear();
    return DividedPlan::Create(batch, parts, [&](int64_t rows) -> absl::StatusOr<std::shared_ptr<const Plan>> {
      prepared.push_back(rows);
      Builder b(1);
      const Value logits = b.CellNetwork({3, 1, 2, 4, 0, 3}, rows);
      weights = std::move(b.weights);  // the same each time
      return Plan::Create(b.graph, {{"logits", logits}}, *device_, {.constant_weights = true});
    });
  }

  TensorMap weights;
  std::vector<int64_t> prepared;  // rows of the plans

 private:
  std::shared_ptr<Device> device_;
};

constexpr int64_t kBatch = 8, kPixels = 8 * 8 * 3, kClasses = 10;

std::vector<float> Images() {
  Random random(3);
  std::vector<float> images(static_cast<size_t>(kBatch * kPixels));
  for (float& x : images) x = static_cast<float>(random.Normal());
  return images;
}

absl::Status RunRows(DividedContext& context, const std::vector<float>& images, int64_t rows, float* logits) {
  const auto fill = [&](const Rows& r) {
    EXPECT_EQ(std::ssize(r.values), (r.end - r.begin) * kPixels);
    std::copy_n(images.begin() + r.begin * kPixels, r.values.size(), r.values.begin());
    return absl::OkStatus();
  };
  return context.Run(rows, fill, logits);
}

TEST(DividedBatch, PartsAreAsEqualAsTheyCanBe) {
  Network network(ReferenceDevice(DType::kF32));
  const struct {
    int64_t batch;
    int parts;
    std::vector<int64_t> rows, prepared;
  } cases[] = {{1, 1, {1}, {1}},          {1, 4, {1}, {1}},       {8, 1, {8}, {8}},      {8, 2, {4, 4}, {4}},
               {8, 3, {3, 3, 2}, {3, 2}}, {3, 2, {2, 1}, {2, 1}}, {3, 9, {1, 1, 1}, {1}}};
  for (const auto& c : cases) {
    const auto plan = network.Divide(c.batch, c.parts);
    ASSERT_TRUE(plan.ok()) << Message(plan.status());
    EXPECT_EQ(network.prepared, c.prepared);
    std::vector<int64_t> rows;
    int64_t begin = 0;
    for (const DividedPlan::Part& part : (*plan)->parts()) {
      EXPECT_EQ(part.begin, begin);
      begin += part.rows;
      rows.push_back(part.rows);
    }
    EXPECT_EQ(rows, c.rows);
    EXPECT_EQ((*plan)->batch(), c.batch);
    EXPECT_EQ((*plan)->input().shape, (Shape{c.batch, 8, 8, 3}));
    EXPECT_EQ((*plan)->output().shape, (Shape{c.batch, kClasses}));
  }
  EXPECT_EQ(network.Divide(0, 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(network.Divide(1, 0).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(DividedBatch, RowsAreThoseOfTheWhole) {
  const std::vector<float> images = Images();
  std::vector<std::shared_ptr<Device>> devices = {ReferenceDevice(DType::kF32)};
  if (auto cpu = CpuDevice(1); cpu.ok()) devices.push_back(*cpu);
  for (const auto& device : devices) {
    SCOPED_TRACE(device->name());
    Network network(device);
    std::vector<float> whole(static_cast<size_t>(kBatch * kClasses));
    const auto one = network.Divide(kBatch, 1);
    auto one_context = DividedContext::Create(*one, {&network.weights}, {});
    ASSERT_TRUE(one_context.ok()) << Message(one_context.status());
    ASSERT_TRUE(RunRows(**one_context, images, kBatch, whole.data()).ok());
    for (int parts : {2, 3, 8}) {
      const auto plan = network.Divide(kBatch, parts);
      ASSERT_TRUE(plan.ok()) << Message(plan.status());
      std::vector<float> first;
      for (const TaskRunner& runner : {TaskRunner(), TaskRunner(Backwards), TaskRunner(OnThreads)}) {
        auto context = DividedContext::Create(*plan, {&network.weights}, runner);
        ASSERT_TRUE(context.ok()) << Message(context.status());
        for (int64_t rows = kBatch; rows >= 1; --rows) {
          std::vector<float> logits(whole.size(), -1e6f);
          ASSERT_TRUE(RunRows(**context, images, rows, logits.data()).ok());
          for (int64_t i = 0; i < kBatch * kClasses; ++i) {
            const auto at = static_cast<size_t>(i);
            if (i >= rows * kClasses) {
              ASSERT_EQ(logits[at], -1e6f) << "a row that was not asked for";
            } else if (device->name() == "reference") {
              ASSERT_EQ(logits[at], whole[at]);
            } else {  // kernels may depend on the batch: sums of some 200 products in another order
              ASSERT_NEAR(logits[at], whole[at], 1e-4 * (1 + std::abs(whole[at])));
            }
          }
          if (rows < kBatch) continue;
          if (first.empty()) first = logits;
          EXPECT_EQ(logits, first) << "depends on who runs the parts";
        }
      }
    }
  }
}

TEST(DividedBatch, WeightsArePackedOnceForAllParts) {
  auto device = CpuDevice(1);
  if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << "no CPU kernels: " << Message(device.status());
  Network network(*device);
  const auto plan = network.Divide(kBatch, 2);
  const auto keepers = (*plan)->Pack({&network.weights});
  ASSERT_TRUE(keepers.ok()) << Message(keepers.status());
  EXPECT_EQ(keepers->size(), 1u);
  const size_t packed = (*device)->packed()->bytes();
  EXPECT_GT(packed, 0u);
  auto context = DividedContext::Create(*plan, {&network.weights}, OnThreads);
  ASSERT_TRUE(context.ok());
  EXPECT_EQ((*device)->packed()->bytes(), packed);
}

TEST(DividedBatch, RunsInMemoryOfTheCaller) {
  const std::vector<float> images = Images();
  Network network(ReferenceDevice(DType::kF32));
  const auto plan = network.Divide(kBatch, 3);
  struct alignas(Workspace::kAlignment) Block {
    std::byte bytes[Workspace::kAlignment];
  };
  const size_t blocks = (*plan)->arena_bytes() / sizeof(Block);
  ASSERT_EQ(blocks * sizeof(Block), (*plan)->arena_bytes());
  std::vector<Block> memory(blocks + 1);
  std::memset(static_cast<void*>(&memory[blocks]), 0x5a, sizeof(Block));
  Workspace workspace({memory[0].bytes, blocks * sizeof(Block)});
  auto context = DividedContext::Create(*plan, {&network.weights}, OnThreads, &workspace);
  ASSERT_TRUE(context.ok()) << Message(context.status());
  std::vector<float> logits(static_cast<size_t>(kBatch * kClasses));
  ASSERT_TRUE(RunRows(**context, images, kBatch, logits.data()).ok());
  for (size_t part = 0; part < 3; ++part) {
    for (const std::span<float> own : {(*context)->input(part), (*context)->output(part)}) {
      EXPECT_GE(static_cast<void*>(own.data()), static_cast<void*>(memory.data()));
      EXPECT_LE(static_cast<void*>(own.data() + own.size()), static_cast<void*>(&memory[blocks]));
    }
  }
  for (std::byte b : memory[blocks].bytes) ASSERT_EQ(b, std::byte{0x5a});
}

TEST(DividedBatch, APartThatFailsFailsTheRun) {
  const std::vector<float> images = Images();
  Network network(ReferenceDevice(DType::kF32));
  const auto plan = network.Divide(kBatch, 4);
  auto context = DividedContext::Create(*plan, {&network.weights}, OnThreads);
  ASSERT_TRUE(context.ok());
  std::vector<float> logits(static_cast<size_t>(kBatch * kClasses), -1e6f);
  const std::vector<float> untouched = logits;
  const auto fill = [&](const Rows& rows) {
    return rows.part == 2 ? absl::DataLossError("rows of part 2") : absl::OkStatus();
  };
  EXPECT_EQ(Message((*context)->Run(kBatch, fill, logits.data())), "rows of part 2");
  EXPECT_EQ(logits, untouched);
  EXPECT_TRUE((*context)->Run(4, fill, logits.data()).ok()) << "a part without rows";
  for (int64_t rows : {int64_t{0}, int64_t{-1}, kBatch + 1}) {
    EXPECT_EQ((*context)->Run(rows, fill, logits.data()).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(DividedBatch, PlansMustBeOfRows) {
  const auto device = ReferenceDevice(DType::kF32);
  const auto divide = [&](int inputs, int64_t rows) {
    return DividedPlan::Create(4, 2,
                               [&](int64_t) -> absl::StatusOr<std::shared_ptr<const Plan>> {
                                 Graph graph;
                                 Values terms;
                                 for (int i = 0; i < inputs; ++i)
                                   terms.push_back(graph.Input("x" + std::to_string(i), {rows, 3}));
                                 return Plan::Create(graph, {{"sum", graph.Apply(Add{}, terms)[0]}}, *device);
                               })
        .status();
  };
  EXPECT_TRUE(divide(1, 2).ok());
  EXPECT_EQ(Message(divide(1, 3)),
            "a batch that is divided: expected one input of float32, 2 rows first, found \"x0\" F32 3x3");
  EXPECT_EQ(divide(2, 2).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mathnas::kernels
