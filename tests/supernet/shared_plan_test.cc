// A deployed network in several threads: one plan with constant weights, a context each, the bits of one thread alone.
#include <barrier>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "supernet/evaluation.h"
#include "supernet/nasbench201/space.h"
#include "supernet/weights.h"
#include "tests/supernet/naive_statistics.h"

namespace mathnas::supernet {
namespace {

constexpr int kThreads = 4, kRuns = 50;

kernels::FoldedGraph Folded(const Choice& choice) {
  const auto space = *NasBench201({.cells = 1});
  kernels::TensorMap weights = AllocateWeights(space->Network(choice, {}).graph);
  FillSynthetic(weights);
  return *FoldedNetwork(*space, choice, weights, 2);
}

// The logits of a series of noise images; run `i` of every series sees the same image.
std::vector<float> Series(kernels::Context& context) {
  std::vector<float> logits;
  for (int run = 0; run < kRuns; ++run) {
    kernels::Random random(1, static_cast<uint64_t>(run % 7));
    for (float& v : context.Input("image")->as<float>()) v = static_cast<float>(random.Normal());
    EXPECT_TRUE(context.Run().ok());
    const auto output = context.Output("logits")->as<float>();
    logits.insert(logits.end(), output.begin(), output.end());
  }
  return logits;
}

class SharedPlan : public ::testing::TestWithParam<int> {};

TEST_P(SharedPlan, FourThreadsGetTheBitsOfOne) {
  const auto device = testing::FloatDevice(GetParam());
  for (const Choice& choice : {Choice{3, 2, 3, 1, 4, 3}, Choice{4, 3, 2, 3, 0, 1}}) {
    const kernels::FoldedGraph folded = Folded(choice);
    const auto plan = kernels::Plan::Create(folded.graph, folded.outputs, *device, {.constant_weights = true});
    ASSERT_TRUE(plan.ok()) << kernels::Message(plan.status());
    const auto alone = kernels::Context::Create(*plan, {&folded.weights});
    ASSERT_TRUE(alone.ok()) << kernels::Message(alone.status());
    const std::vector<float> expected = Series(**alone);
    ASSERT_EQ(expected.size(), size_t{kRuns} * 2 * 10);
    EXPECT_NE(std::vector(expected.begin(), expected.begin() + 20),
              std::vector(expected.begin() + 20, expected.begin() + 40));

    std::barrier start(kThreads);
    std::vector<std::vector<float>> results(kThreads);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        start.arrive_and_wait();  // contexts are made at once, too: they pack the weights
        const auto context = kernels::Context::Create(*plan, {&folded.weights});
        EXPECT_TRUE(context.ok()) << kernels::Message(context.status());
        if (context.ok()) results[static_cast<size_t>(t)] = Series(**context);
      });
    }
    for (std::thread& t : threads) t.join();
    for (const std::vector<float>& r : results) EXPECT_EQ(r, expected);
  }
}

// Plans made at the same time on one device, which shares its kernels between them.
TEST_P(SharedPlan, ThreadsMakePlansOnOneDevice) {
  const std::vector<Choice> choices = {{3, 2, 3, 1, 4, 3}, {4, 3, 2, 3, 0, 1}, {3, 3, 3, 3, 3, 3}, {2, 2, 2, 2, 2, 2}};
  const auto run = [](kernels::Device& device, const Choice& choice) {
    const kernels::FoldedGraph folded = Folded(choice);
    const auto plan = kernels::Plan::Create(folded.graph, folded.outputs, device, {.constant_weights = true});
    EXPECT_TRUE(plan.ok()) << kernels::Message(plan.status());
    if (!plan.ok()) return std::vector<float>();
    return Series(**kernels::Context::Create(*plan, {&folded.weights}));
  };
  std::vector<std::vector<float>> expected, results(kThreads);
  const auto device = testing::FloatDevice(GetParam());
  for (const Choice& c : choices) expected.push_back(run(*testing::FloatDevice(GetParam()), c));
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) threads.emplace_back([&, t] { results[t] = run(*device, choices[t]); });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(results, expected);
}

// Weights are packed when the first context is made; contexts that come and go do not change what others compute.
TEST(SharedPlanContexts, ComeAndGo) {
  const auto device = testing::FloatDevice();
  const kernels::FoldedGraph folded = Folded({3, 2, 3, 1, 4, 3});
  const auto plan = *kernels::Plan::Create(folded.graph, folded.outputs, *device, {.constant_weights = true});
  auto first = *kernels::Context::Create(plan, {&folded.weights});
  const std::vector<float> expected = Series(*first);
  auto second = *kernels::Context::Create(plan, {&folded.weights});
  first.reset();
  EXPECT_EQ(Series(*second), expected);
  second.reset();
  EXPECT_EQ(Series(**kernels::Context::Create(plan, {&folded.weights})), expected);
}

INSTANTIATE_TEST_SUITE_P(Device, SharedPlan, ::testing::Values(1, 2),
                         [](const auto& test) { return "threads_" + std::to_string(test.param); });

}  // namespace
}  // namespace mathnas::supernet
