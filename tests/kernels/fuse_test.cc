// A network fused for training against the same network as it was: loss, gradients and running statistics in double
// precision on the reference device, and in float on the CPU. The gradients of what is not fused are checked against
// finite differences elsewhere (differentiate_test.cc).
#include "kernels/fuse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/differentiate.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "tests/kernels/training_graph.h"

namespace mathnas::kernels {
namespace {

constexpr Shape::value_type kBatch = 3;

// A graph with normalisations in all the surroundings that there are.
class Network {
 public:
  explicit Network(DType real) : g_(real) {}

  Value Norm(Value x, const std::string& name, bool affine = true, bool track = true) {
    const Shape c = {g_.desc(x).shape[3]};
    Values inputs = {x};
    if (affine) inputs.push_back(g_.Parameter(name + ".gamma", c)), inputs.push_back(g_.Parameter(name + ".beta", c));
    if (track) inputs.push_back(g_.State(name + ".mean", c)), inputs.push_back(g_.State(name + ".var", c));
    return g_.Apply(BatchNormTraining{.epsilon = 1e-3, .momentum = 0.3, .affine = affine, .track = track}, inputs)[0];
  }
  Value Conv(Value x, const std::string& name, int64_t channels) {
    return Convolve(g_, x, g_.Parameter(name, {channels, g_.desc(x).shape[3], 3, 3}), Value{}, 1, 1);
  }
  Value ConvNorm(Value x, const std::string& name, bool affine = true) {
    return Norm(Conv(x, name, g_.desc(x).shape[3]), "bn_" + name, affine);
  }
  template <typename Op>
  Value Apply(const Op& op, const Values& inputs) {
    return g_.Apply(op, inputs)[0];
  }
  Value Image() { return g_.Input("x", {kBatch, 6, 6, 3}); }
  Value Stem() { return Norm(Conv(Image(), "stem", 8), "bn_stem"); }
  // The loss of features x.
  void End(Value x) {
    const Value features = Apply(GlobalAvgPool{}, {x});
    const Value logits = Apply(Linear{false}, {features, g_.Parameter("w", {4, g_.desc(x).shape[3]})});
    loss_ = Apply(SoftmaxCrossEntropy{}, {logits, g_.Labels("labels", kBatch)});
  }

  Graph& graph() { return g_; }
  Value loss() const { return loss_; }

 private:
  Graph g_;
  Value loss_;
};

template <typename Op>
int Count(const Graph& g) {
  return static_cast<int>(std::count_if(g.nodes().begin(), g.nodes().end(),
                                        [](const Graph::Node& n) { return std::holds_alternative<Op>(n.op); }));
}

struct Named {
  std::string name;
  std::vector<double> values;
};

std::vector<double> Doubles(const TensorView& view) {
  std::vector<double> values;
  if (view.desc.dtype == DType::kF64) {
    for (double v : view.as<double>()) values.push_back(v);
  } else {
    for (float v : view.as<float>()) values.push_back(v);
  }
  return values;
}

// The loss, all gradients and then all states, after one run.
std::vector<Named> Train(Graph g, Value loss, Device& device) {
  std::vector<PlanOutput> outputs = {{"loss", loss}};
  const std::vector<ParameterGradient> gradients = Differentiate(g, loss);
  for (const ParameterGradient& p : gradients) outputs.push_back({g.info(p.parameter).name, p.gradient});
  const TensorMap tensors = testing::RandomTensors(g, 11);
  auto plan = Plan::Create(g, outputs, device);
  EXPECT_TRUE(plan.ok()) << Message(plan.status());
  auto context = Context::Create(*plan, {&tensors});
  EXPECT_TRUE(context.ok()) << Message(context.status());
  testing::FillInputs(**context, 5);
  EXPECT_TRUE((*context)->Run().ok());
  std::vector<Named> results;
  for (const PlanOutput& o : outputs) results.push_back({o.name, Doubles(*(*context)->Output(o.name))});
  for (Value v : g.Leaves(ValueKind::kState)) {
    results.push_back({g.info(v).name, Doubles(tensors.Find(g.info(v).name)->view())});
  }
  return results;
}

void ExpectSame(const std::vector<Named>& got, const std::vector<Named>& expected, double tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].name, expected[i].name);
    ASSERT_EQ(got[i].values.size(), expected[i].values.size()) << got[i].name;
    double size = 1e-3;
    for (double v : expected[i].values) size = std::max(size, std::abs(v));
    for (size_t j = 0; j < got[i].values.size(); ++j) {
      ASSERT_NEAR(got[i].values[j], expected[i].values[j], tolerance * size) << got[i].name << "[" << j << "]";
    }
  }
}

// build(network) adds everything up to the loss. Returns the fused graph in double.
template <typename Build>
Graph FuseAndCompare(const Build& build) {
  Network exact(DType::kF64);
  build(exact);
  EXPECT_TRUE(exact.graph().status().ok()) << Message(exact.graph().status());
  FusedGraph fused = FuseForTraining(exact.graph(), {exact.loss()});
  EXPECT_TRUE(fused.graph.status().ok()) << Message(fused.graph.status());
  const auto reference = ReferenceDevice(DType::kF64);
  const std::vector<Named> expected = Train(exact.graph(), exact.loss(), *reference);
  ExpectSame(Train(fused.graph, fused[exact.loss()], *reference), expected, 1e-11);

  for (int threads : {1, 2}) {
    auto cpu = CpuDevice(threads);
    if (!cpu.ok()) continue;
    Network single(DType::kF32);
    build(single);
    FusedGraph small = FuseForTraining(single.graph(), {single.loss()});
    // float32 through a handful of normalised layers, for which 1e-4 leaves a factor of some 100 above 2^-24.
    ExpectSame(Train(small.graph, small[single.loss()], **cpu), Train(single.graph(), single.loss(), **cpu), 1e-4);
  }
  return fused.graph;
}

TEST(Fuse, NormThenActivation) {
  const Graph g = FuseAndCompare([](Network& n) {
    Value x = n.Apply(Relu{}, {n.Stem()});
    x = n.Apply(HardSwish{}, {n.ConvNorm(x, "a")});
    x = n.Apply(Swish{}, {n.ConvNorm(x, "b")});
    n.End(n.ConvNorm(x, "c"));
  });
  EXPECT_EQ(Count<NormalizedSum>(g), 2);
  EXPECT_EQ(Count<BatchNormMoments>(g), 2);
  EXPECT_EQ(Count<BatchNormTraining>(g), 2);  // of the last, which has neither sum nor activation, and of Swish
  EXPECT_EQ(Count<Relu>(g) + Count<HardSwish>(g), 0);
  EXPECT_EQ(Count<Swish>(g), 1);
}

// Node 3 of a cell, read by several: one operator adds what flows back.
TEST(Fuse, SumOfNormsWithFanOut) {
  const Graph g = FuseAndCompare([](Network& n) {
    const Value x = n.Apply(Relu{}, {n.Stem()});
    const Value sum =
        n.Apply(Relu{}, {n.Apply(Add{}, {n.ConvNorm(x, "a"), n.ConvNorm(x, "b", false), n.ConvNorm(x, "c")})});
    n.End(n.Apply(Relu{}, {n.Apply(Add{}, {n.ConvNorm(sum, "d"), n.ConvNorm(sum, "e"), n.Conv(sum, "f", 8)})}));
  });
  EXPECT_EQ(Count<NormalizedSum>(g), 3);
  EXPECT_EQ(Count<BatchNormTraining>(g), 1);  // without gamma and beta: an addend
  EXPECT_EQ(Count<Add>(g) + Count<Relu>(g), 0);
  for (const Graph::Node& node : g.nodes()) {
    const auto* sum = std::get_if<NormalizedSum>(&node.op);
    EXPECT_TRUE(sum == nullptr || sum->activation == Activation::kRelu);
  }
}

TEST(Fuse, SumWithSkipsPoolingAndZeros) {
  const Graph g = FuseAndCompare([](Network& n) {
    const Value x = n.Stem();
    const Value pool = n.Apply(AvgPool2d{.kernel = 3, .stride = 1, .padding = 1}, {x});
    const Value zero = n.Apply(Zero{}, {n.ConvNorm(n.Apply(Relu{}, {x}), "none")});
    const Value sum = n.Apply(Add{}, {zero, n.ConvNorm(x, "a"), x, pool});
    n.End(n.Apply(Add{}, {sum, n.ConvNorm(n.Apply(Relu{}, {sum}), "b"), sum}));
  });
  EXPECT_EQ(Count<NormalizedSum>(g), 2);
  EXPECT_EQ(Count<Add>(g), 0);
  EXPECT_EQ(Count<Relu>(g), 2);  // of values that others read too
  EXPECT_EQ(Count<BatchNormTraining>(g), 2);
}

TEST(Fuse, SumWithoutTrackingAndWithoutGamma) {
  FuseAndCompare([](Network& n) {
    const Value x = n.Norm(n.Conv(n.Image(), "stem", 8), "bn", false, false);
    const Value y = n.Norm(n.Conv(x, "a", 8), "bn_a", false, false);
    n.End(n.Apply(Relu{}, {n.Apply(Add{}, {x, y, n.Apply(Scale{0.5}, {x})})}));
  });
}

// What is asked for is kept, what is read twice is no term.
TEST(Fuse, WhatIsReadOtherwiseStays) {
  Network n(DType::kF32);
  const Value norm = n.Stem();
  const Value relu = n.Apply(Relu{}, {norm});
  n.graph().SetName(relu, "features");
  n.End(relu);
  const FusedGraph kept = FuseForTraining(n.graph(), {n.loss(), norm});
  EXPECT_EQ(Count<NormalizedSum>(kept.graph), 0);
  EXPECT_TRUE(kept[norm].valid());
  const FusedGraph fused = FuseForTraining(n.graph(), {n.loss()});
  EXPECT_EQ(Count<NormalizedSum>(fused.graph), 1);
  EXPECT_FALSE(fused[norm].valid());
  EXPECT_EQ(fused.graph.Find("features"), fused[relu]);
  ASSERT_EQ(fused.graph.Leaves(ValueKind::kParameter).size(), n.graph().Leaves(ValueKind::kParameter).size());
  EXPECT_EQ(fused.graph.blocks(), n.graph().blocks());
}

TEST(Fuse, SwishWithoutSumStays) {
  Network n(DType::kF32);
  const Value x = n.Apply(Swish{}, {n.Stem()});
  n.End(n.Apply(Relu{}, {n.Apply(Add{}, {n.ConvNorm(x, "a"), x})}));
  const Graph g = FuseForTraining(n.graph(), {n.loss()}).graph;
  EXPECT_EQ(Count<NormalizedSum>(g), 1);
  EXPECT_EQ(Count<Relu>(g), 0);
  EXPECT_EQ(Count<Swish>(g), 1);
  EXPECT_EQ(Count<BatchNormTraining>(g), 1);
}

// What lies between the two is of the normalisation's block alone: recompute.h need not keep it for the next one.
TEST(Fuse, ActivationsJoinTheBlockOfTheirNormalisation) {
  Network n(DType::kF32);
  n.graph().SetBlock("first");
  const Value norm = n.Stem();
  n.graph().SetBlock("second");
  n.End(n.Apply(Relu{}, {norm}));
  const Graph g = FuseForTraining(n.graph(), {n.loss()}).graph;
  for (const Graph::Node& node : g.nodes()) {
    const bool is_of_first = std::holds_alternative<Conv2d>(node.op) ||
                             std::holds_alternative<NormalizedSum>(node.op) ||
                             std::holds_alternative<BatchNormMoments>(node.op);
    EXPECT_EQ(g.blocks()[node.block], is_of_first ? "first" : "second") << NameOf(node.op);
  }
}

TEST(Fuse, ErrorsStay) {
  Graph g;
  g.Fail(absl::InvalidArgumentError("broken"));
  EXPECT_EQ(FuseForTraining(g, {}).graph.status(), g.status());
}

// One buffer fewer for every normalisation: what an activation reads is computed again from what the normalisation
// reads.
TEST(Fuse, TrainingNeedsLessMemory) {
  Network n(DType::kF32);
  Value x = n.Apply(HardSwish{}, {n.Stem()});
  for (const char* name : {"a", "b", "c", "d"}) x = n.Apply(HardSwish{}, {n.ConvNorm(x, name)});
  n.End(x);
  const auto bytes = [](Graph g, Value loss) {
    std::vector<PlanOutput> outputs = {{"loss", loss}};
    for (const ParameterGradient& p : Differentiate(g, loss)) outputs.push_back({g.info(p.parameter).name, p.gradient});
    const auto device = ReferenceDevice(DType::kF32);
    return (*Plan::Create(g, outputs, *device))->activation_bytes();
  };
  const FusedGraph fused = FuseForTraining(n.graph(), {n.loss()});
  EXPECT_LT(bytes(fused.graph, fused[n.loss()]) * 10, bytes(n.graph(), n.loss()) * 8);
}

}  // namespace
}  // namespace mathnas::kernels
