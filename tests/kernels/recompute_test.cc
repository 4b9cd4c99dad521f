// A training step that computes activations again gives what one gives that keeps them, bit for bit, in less memory.
#include "kernels/recompute.h"

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/differentiate.h"
#include "kernels/status.h"
#include "tests/kernels/training_graph.h"

namespace mathnas::kernels {
namespace {

constexpr int64_t kBatch = 3, kChannels = 8;

// Blocks of convolution, normalisation, activation, dropout and a sum, on sliced weights, and a head.
struct Network {
  Graph graph;
  Value logits, loss;
  size_t forward = 0;

  explicit Network(DType real, int blocks = 6) : graph(real) {
    Graph& g = graph;
    const Value x = g.Input("x", {kBatch, 12, 12, 3}), seed = g.Integers("seed", {1});
    g.SetBlock("stem");
    Value y = Convolve(g, x, g.Parameter("stem", {kChannels, 3, 3, 3}), Value{}, 1, 1);
    g.SetName(y, "after stem");
    for (int b = 0; b < blocks; ++b) {
      const std::string name = "block" + std::to_string(b);
      g.SetBlock(name);
      const Value wide =
          Convolve(g, y, Leading(g, g.Parameter(name + ".wide", {40, kChannels, 1, 1}), 32), Value{}, 1, 0);
      const Value norm =
          g.Apply(BatchNormTraining{}, {wide, g.Parameter(name + ".gamma", {32}), g.Parameter(name + ".beta", {32}),
                                        g.State(name + ".mean", {32}), g.State(name + ".var", {32})})[0];
      const Value active = g.Apply(HardSwish{}, {norm})[0];
      const Value some = g.Apply(Dropout{.rate = 0.25, .stream = b}, {active, seed})[0];
      const Value thin = Convolve(g, some, g.Parameter(name + ".thin", {kChannels, 32, 1, 1}), Value{}, 1, 0);
      y = g.Apply(Add{}, {y, g.Apply(Relu{}, {thin})[0]})[0];
    }
    g.SetBlock("head");
    const Value pooled = g.Apply(GlobalAvgPool{}, {g.Apply(Relu{}, {y})[0]})[0];
    logits = g.Apply(Linear{false}, {pooled, g.Parameter("head", {4, kChannels})})[0];
    loss = g.Apply(SoftmaxCrossEntropy{}, {logits, g.Labels("labels", kBatch)})[0];
    forward = g.nodes().size();
    AccumulateGradients(g, Differentiate(g, loss));
  }
};

struct Ran {
  TensorMap tensors;  // parameters and states afterwards
  std::vector<double> loss, logits;
  size_t activation_bytes;
};

std::vector<double> Values(const TensorView& view) {
  std::vector<double> values;
  if (view.desc.dtype == DType::kF64) {
    for (double v : view.as<double>()) values.push_back(v);
  } else {
    for (float v : view.as<float>()) values.push_back(v);
  }
  return values;
}

Ran RunTwice(const Graph& graph, Value loss, Value logits, const std::shared_ptr<Device>& device) {
  Ran ran;
  ran.tensors = testing::RandomTensors(graph, 3);
  auto plan = Plan::Create(graph, {{"loss", loss}, {"logits", logits}}, *device);
  EXPECT_TRUE(plan.ok()) << Message(plan.status());
  auto context = Context::Create(*plan, {&ran.tensors});
  EXPECT_TRUE(context.ok()) << Message(context.status());
  for (uint64_t run = 0; run < 2; ++run) {
    testing::FillInputs(**context, 7 + run);
    EXPECT_TRUE((*context)->Run().ok());
    for (double v : Values(*(*context)->Output("loss"))) ran.loss.push_back(v);
    for (double v : Values(*(*context)->Output("logits"))) ran.logits.push_back(v);
  }
  ran.activation_bytes = (*plan)->activation_bytes();
  return ran;
}

// Of the first nodes.
std::map<std::string, int> CountOperators(const Graph& graph, size_t nodes) {
  std::map<std::string, int> count;
  for (size_t n = 0; n < nodes; ++n) {
    const Graph::Node& node = graph.nodes()[n];
    ++count[graph.blocks()[node.block] + " " + std::string(NameOf(node.op))];
  }
  return count;
}

TEST(Recompute, GivesTheSameBitsInLessMemory) {
  std::vector<std::shared_ptr<Device>> devices = {ReferenceDevice(DType::kF32), ReferenceDevice(DType::kF64)};
  if (auto cpu = CpuDevice(2); cpu.ok()) devices.push_back(*cpu);
  for (const std::shared_ptr<Device>& device : devices) {
    const Network network(device->real());
    ASSERT_TRUE(network.graph.status().ok()) << network.graph.status();
    const Ran kept = RunTwice(network.graph, network.loss, network.logits, device);
    for (const Recomputed what : {Recomputed::kActivations, Recomputed::kBlocks}) {
      const FusedGraph again = Recompute(network.graph, network.forward, {network.loss, network.logits}, what);
      ASSERT_TRUE(again.graph.status().ok()) << again.graph.status();
      const Ran computed = RunTwice(again.graph, again[network.loss], again[network.logits], device);
      EXPECT_EQ(computed.loss, kept.loss);
      EXPECT_EQ(computed.logits, kept.logits);
      ASSERT_EQ(computed.tensors.size(), kept.tensors.size());
      for (const TensorMap::Entry& e : kept.tensors.entries()) {
        const Tensor* other = computed.tensors.Find(e.name);
        ASSERT_NE(other, nullptr) << e.name;
        EXPECT_EQ(std::memcmp(other->data(), e.tensor.data(), e.tensor.desc().bytes()), 0)
            << device->name() << " " << e.name;
      }
      EXPECT_LT(static_cast<double>(computed.activation_bytes),
                (what == Recomputed::kBlocks ? 0.5 : 0.75) * static_cast<double>(kept.activation_bytes))
          << device->name();
    }
  }
}

TEST(Recompute, WhatIsComputedAgain) {
  const Network network(DType::kF32, 2);
  for (const Recomputed what : {Recomputed::kNothing, Recomputed::kActivations, Recomputed::kBlocks}) {
    SCOPED_TRACE(static_cast<int>(what));
    const FusedGraph again = Recompute(network.graph, network.forward, {network.loss, network.logits}, what);
    ASSERT_TRUE(again.graph.status().ok()) << again.graph.status();
    const auto before = CountOperators(network.graph, network.graph.nodes().size());
    auto forward = CountOperators(network.graph, network.forward);
    auto after = CountOperators(again.graph, again.graph.nodes().size());
    for (const auto& [name, count] : before) {
      // Sums are what blocks hand on, slices are no work, and the head is where the backward pass begins.
      bool twice = name.starts_with("block") && !name.ends_with(" add") && !name.ends_with(" slice");
      if (what == Recomputed::kActivations) twice = twice && !name.ends_with(" conv2d");
      if (what == Recomputed::kNothing) twice = false;
      EXPECT_EQ(after[name], count + (twice ? forward[name] : 0)) << name;
    }
    EXPECT_EQ(after.size(), before.size());
    int tracking = 0;
    for (const Graph::Node& n : again.graph.nodes())
      tracking += ChangesState(n.op) && NameOf(n.op) == "batch_norm_training";
    EXPECT_EQ(tracking, 2);
    const Value named = again.graph.Find("after stem");
    ASSERT_TRUE(named.valid());
    EXPECT_EQ(again.graph.desc(named).shape, (Shape{kBatch, 12, 12, kChannels}));
  }
}

// Sums of convolutions, each of a block of its own, or of a convolution and the sum before.
Network Sums(bool with_skip, int count) {
  Network network(DType::kF32, 0);
  Graph& g = network.graph = Graph(DType::kF32);
  Value y = g.Input("x", {kBatch, 12, 12, kChannels});
  for (int i = 0; i < count; ++i) {
    g.SetBlock("sum" + std::to_string(i));
    const auto branch = [&](const std::string& name) {
      const Value weights = g.Parameter(name + std::to_string(i), {kChannels, kChannels, 3, 3});
      return Convolve(g, y, weights, Value{}, 1, 1);
    };
    const Value left = branch("left");
    y = g.Apply(Add{}, {left, with_skip ? y : branch("right")})[0];
  }
  g.SetBlock("head");
  const Value pooled = g.Apply(GlobalAvgPool{}, {y})[0];
  network.logits = g.Apply(Linear{false}, {pooled, g.Parameter("head", {4, kChannels})})[0];
  network.loss = g.Apply(SoftmaxCrossEntropy{}, {network.logits, g.Labels("labels", kBatch)})[0];
  network.forward = g.nodes().size();
  AccumulateGradients(g, Differentiate(g, network.loss));
  return network;
}

TEST(Recompute, WhatBlocksHandOnIfOneOperatorBringsItBack) {
  for (const bool with_skip : {false, true}) {
    SCOPED_TRACE(with_skip);
    const Network network = Sums(with_skip, 5);
    ASSERT_TRUE(network.graph.status().ok()) << Message(network.graph.status());
    for (const Recomputed what : {Recomputed::kActivations, Recomputed::kBlocks}) {
      SCOPED_TRACE(static_cast<int>(what));
      const FusedGraph again = Recompute(network.graph, network.forward, {network.loss, network.logits}, what);
      const auto after = CountOperators(again.graph, again.graph.nodes().size());
      const auto before = CountOperators(network.graph, network.graph.nodes().size());
      for (int i = 0; i < 5; ++i) {
        const std::string name = "sum" + std::to_string(i) + " add";
        // The last one is read by the head alone, of which no gradient reads it. Of sums that read each other every
        // second one stays, the input of the network to begin with.
        const bool twice = what == Recomputed::kActivations && i < 4 && (!with_skip || i % 2 == 0);
        EXPECT_EQ(after.at(name), before.at(name) + (twice ? 1 : 0)) << name;
      }
      const auto device = ReferenceDevice(DType::kF32);
      const Ran kept = RunTwice(network.graph, network.loss, network.logits, device);
      const Ran computed = RunTwice(again.graph, again[network.loss], again[network.logits], device);
      EXPECT_EQ(computed.loss, kept.loss);
      for (const TensorMap::Entry& e : kept.tensors.entries()) {
        EXPECT_EQ(Values(computed.tensors.Find(e.name)->view()), Values(e.tensor.view())) << e.name;
      }
    }
  }
}

TEST(Recompute, AnErrorOfTheGraphStays) {
  Graph graph;
  graph.Apply(Add{}, {graph.Input("x", {2}), graph.Input("y", {3})});
  ASSERT_FALSE(graph.status().ok());
  EXPECT_EQ(Recompute(graph, graph.nodes().size(), {}, Recomputed::kBlocks).graph.status(), graph.status());
}

}  // namespace
}  // namespace mathnas::kernels
