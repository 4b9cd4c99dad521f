// The caches that `--verbose` prints are bounded and counted.
#include "gtest/gtest.h"
#include "kernels/status.h"
#include "mathnas/benchmark/network_bench.h"
#include "supernet/nasbench201/space.h"
#include "supernet/training/sampling.h"
#include "supernet/training/step.h"
#include "supernet/weights.h"

namespace mathnas::benchmark {
namespace {

TEST(PlansOfATrainingStep, AreBoundedAndCounted) {
  auto space = supernet::NasBench201({.channels = 2, .cells = 1, .height = 4, .width = 4});
  ASSERT_TRUE(space.ok());
  kernels::TensorMap weights = supernet::AllocateWeights((*space)->Supernet({.mode = supernet::Mode::kTraining}).graph);
  supernet::InitializeWeights(weights, 1);
  supernet::TrainingStep step(*space, kernels::ReferenceDevice(kernels::DType::kF32), weights,
                              {.weights = supernet::Weights::kShared});
  const auto run = [&](const supernet::Choice& choice) {
    const kernels::TensorMap noise = NoiseInputs({.space = *space, .choice = choice, .batch = 1});
    std::vector<supernet::StepInput> inputs;
    for (const auto& e : noise.entries()) inputs.push_back({e.name, e.tensor.view()});
    const auto result = step.Backward(choice, inputs);
    EXPECT_TRUE(result.ok()) << kernels::Message(result.status());
  };
  const supernet::Choice first = {3, 3, 3, 3, 3, 3};
  run(first);
  run(first);
  EXPECT_EQ(step.plan_stats().misses, 1);
  EXPECT_EQ(step.plan_stats().hits, 1);
  EXPECT_EQ(step.plan_stats().size, 1);
  const int64_t capacity = step.plan_stats().capacity;
  ASSERT_LE(capacity, 100);
  for (int i = 0; i < capacity; ++i) run({1 + i % 4, 1 + i / 4 % 4, 1 + i / 16 % 4, 1 + i / 64, 1, 1});
  EXPECT_EQ(step.plan_stats().misses, 1 + capacity);
  EXPECT_EQ(step.plan_stats().size, capacity);
  EXPECT_EQ(step.plan_stats().evictions, 1);
  run(first);  // the one that is gone
  EXPECT_EQ(step.plan_stats().misses, 2 + capacity);
  EXPECT_EQ(step.plan_stats().evictions, 2);
}

}  // namespace
}  // namespace mathnas::benchmark
