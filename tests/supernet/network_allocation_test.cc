// Running whole networks allocates nothing, deployed or in training: not one call of malloc by this project on any
// thread, and no growth in the library beneath it.
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "kernels/differentiate.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "supernet/evaluation.h"
#include "supernet/nasbench201/space.h"
#include "supernet/weights.h"
#include "tests/kernels/allocation_counter.h"

namespace mathnas::supernet {
namespace {

using kernels::testing::Allocations;
using kernels::testing::CountAllocations;

constexpr int64_t kBatch = 4;

void ExpectNoAllocation(kernels::Context& context) {
  for (float& v : context.Input("image")->as<float>()) v = 0.5F;
  if (const auto labels = context.Input("labels"); labels.ok()) {
    for (int64_t& label : labels->as<int64_t>()) label = 7;
  }
  // The first runs start threads and fill what libraries keep per thread.
  for (int run = 0; run < 3; ++run) ASSERT_TRUE(context.Run().ok());
  const Allocations before = CountAllocations();
  bool ok = true;
  for (int run = 0; run < 20; ++run) ok &= context.Run().ok();
  const Allocations after = CountAllocations();
  EXPECT_TRUE(ok);
  EXPECT_EQ(after.own - before.own, 0);
  EXPECT_EQ(after.live - before.live, 0);
}

class NetworkAllocation : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    const auto cpu = kernels::CpuDevice(GetParam());
    if (!cpu.ok()) GTEST_SKIP() << "no CPU kernels: " << kernels::Message(cpu.status());
    device_ = *cpu;
    space_ = *NasBench201({.cells = 1, .height = 16, .width = 16});
  }
  // All operations: every kind of kernel that a network of the space has.
  const Choice choice_ = {3, 4, 2, 1, 3, 2};
  std::shared_ptr<kernels::Device> device_;
  std::shared_ptr<const SearchSpace> space_;
};

TEST_P(NetworkAllocation, DeployedNetwork) {
  kernels::TensorMap weights = AllocateWeights(space_->Network(choice_, {}).graph);
  FillSynthetic(weights);
  const auto folded = FoldedNetwork(*space_, choice_, weights, kBatch);
  ASSERT_TRUE(folded.ok()) << folded.status();
  for (const bool constant : {true, false}) {
    SCOPED_TRACE(constant);
    const auto plan = kernels::Plan::Create(folded->graph, folded->outputs, *device_, {.constant_weights = constant});
    ASSERT_TRUE(plan.ok()) << kernels::Message(plan.status());
    const auto context = kernels::Context::Create(*plan, {&folded->weights});
    ASSERT_TRUE(context.ok()) << kernels::Message(context.status());
    ExpectNoAllocation(**context);
  }
}

TEST_P(NetworkAllocation, NetworksInTraining) {
  const GraphRequest request = {.batch = kBatch, .mode = Mode::kTraining, .weights = Weights::kShared};
  for (const bool whole : {false, true}) {
    SCOPED_TRACE(whole);
    NetworkGraph network = whole ? space_->Supernet(request) : space_->Network(choice_, request);
    kernels::Graph& g = network.graph;
    const kernels::Value loss =
        g.Apply(kernels::SoftmaxCrossEntropy{0.1}, {network.logits, g.Labels("labels", kBatch)})[0];
    kernels::AccumulateGradients(g, kernels::Differentiate(g, loss));
    kernels::TensorMap weights = AllocateWeights(g);  // the gradient sums are states of it
    FillSynthetic(weights);
    const auto plan = kernels::Plan::Create(g, {{"loss", loss}}, *device_);
    ASSERT_TRUE(plan.ok()) << kernels::Message(plan.status());
    const auto context = kernels::Context::Create(*plan, {&weights});
    ASSERT_TRUE(context.ok()) << kernels::Message(context.status());
    ExpectNoAllocation(**context);
  }
}

INSTANTIATE_TEST_SUITE_P(Device, NetworkAllocation, ::testing::Values(1, 2),
                         [](const auto& test) { return "threads_" + std::to_string(test.param); });

}  // namespace
}  // namespace mathnas::supernet
