// Parts of a graph, each run alone on what the others computed, give what the whole gives, bit for bit.
#include "kernels/subgraph.h"

#include <cstring>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/differentiate.h"
#include "kernels/random.h"
#include "kernels/status.h"

namespace mathnas::kernels {
namespace {

// Convolution, normalisation and a residual over three blocks, with a sliced weight, a loss and its gradients.
struct Example {
  Graph graph;
  std::vector<PlanOutput> outputs;
  size_t forward;

  Example() {
    Graph& g = graph;
    const Value x = g.Input("x", {2, 4, 4, 3});
    g.SetBlock("stem");
    const Value stem = Convolve(g, x, Leading(g, g.Parameter("stem.weight", {12, 3, 3, 3}), 8), Value{}, 1, 1);
    g.SetBlock("body");
    const Values norm = g.Apply(BatchNormTraining{}, {stem, g.Parameter("gamma", {8}), g.Parameter("beta", {8}),
                                                      g.State("mean", {8}), g.State("var", {8})});
    const Value relu = g.Apply(Relu{}, {norm[0]})[0];
    const Value sum = g.Apply(Add{}, {relu, stem})[0];
    g.SetBlock("head");
    const Value pooled = g.Apply(GlobalAvgPool{}, {sum})[0];
    const Value logits = g.Apply(Linear{false}, {pooled, g.Parameter("head.weight", {5, 8})})[0];
    const Value loss = g.Apply(SoftmaxCrossEntropy{}, {logits, g.Labels("labels", 2)})[0];
    forward = g.nodes().size();
    AccumulateGradients(g, Differentiate(g, loss));
    outputs = {{"logits", logits}, {"loss", loss}};
  }

  TensorMap Tensors() const {
    TensorMap tensors;
    Random random(5);
    for (ValueKind kind : {ValueKind::kParameter, ValueKind::kState}) {
      for (Value v : graph.Leaves(kind)) {
        Tensor t(graph.desc(v));
        for (float& f : t.as<float>()) f = static_cast<float>(random.Uniform());
        tensors.Put(graph.info(v).name, std::move(t));
      }
    }
    Tensor image(DType::kF32, {2, 4, 4, 3}), labels(DType::kI64, {2});
    for (float& f : image.as<float>()) f = static_cast<float>(random.Normal());
    labels.as<int64_t>()[1] = 3;
    tensors.Put("x", std::move(image));
    tensors.Put("labels", std::move(labels));
    return tensors;
  }
};

// Runs the graph on `tensors`, whose states it changes, and puts its outputs among them.
void RunOn(const Graph& graph, const std::vector<PlanOutput>& outputs, TensorMap& tensors) {
  const auto device = ReferenceDevice(DType::kF32);
  auto plan = Plan::Create(graph, outputs, *device);
  ASSERT_TRUE(plan.ok()) << Message(plan.status());
  auto context = Context::Create(*plan, {&tensors});
  ASSERT_TRUE(context.ok()) << Message(context.status());
  for (const Plan::Port& port : (*plan)->inputs()) {
    const Tensor* from = tensors.Find(port.name);
    ASSERT_NE(from, nullptr) << port.name;
    std::memcpy((*context)->Input(port.name)->data, from->data(), from->desc().bytes());
  }
  ASSERT_TRUE((*context)->Run().ok());
  for (const PlanOutput& o : outputs) {
    const TensorView view = *(*context)->Output(o.name);
    Tensor copy(view.desc);
    std::memcpy(copy.data(), view.data, view.desc.bytes());
    tensors.Put(o.name, std::move(copy));
  }
}

void ExpectSame(const TensorMap& got, const TensorMap& expected) {
  for (const TensorMap::Entry& e : expected.entries()) {
    const Tensor* t = got.Find(e.name);
    ASSERT_NE(t, nullptr) << e.name;
    ASSERT_TRUE(t->desc() == e.tensor.desc()) << e.name;
    EXPECT_EQ(std::memcmp(t->data(), e.tensor.data(), e.tensor.desc().bytes()), 0) << e.name;
  }
}

TEST(Subgraph, PartsInTurnComputeTheWhole) {
  const Example example;
  ASSERT_TRUE(example.graph.status().ok()) << Message(example.graph.status());
  TensorMap whole = example.Tensors();
  RunOn(example.graph, example.outputs, whole);

  TensorMap parts = example.Tensors();
  size_t nodes = 0;
  for (const bool backward : {false, true}) {
    std::vector<std::string> blocks = {"stem", "body", "head"};
    if (backward) blocks = {"head", "body", "stem"};
    for (const std::string& block : blocks) {
      const auto part = Extract(example.graph, example.outputs, [&](size_t n) {
        const Graph& g = example.graph;
        return g.blocks()[g.nodes()[n].block] == block && (n >= example.forward) == backward;
      });
      ASSERT_TRUE(part.ok()) << Message(part.status());
      nodes += part->graph.nodes().size();
      for (const Graph::Node& n : part->graph.nodes()) EXPECT_EQ(part->graph.blocks()[n.block], block);
      RunOn(part->graph, part->outputs, parts);
    }
  }
  ExpectSame(parts, whole);
  EXPECT_GE(nodes, example.graph.nodes().size() - 3);  // the gradient of the loss belongs to no block
}

TEST(Subgraph, AllOfItIsTheWhole) {
  const Example example;
  const auto all = Extract(example.graph, example.outputs, [](size_t) { return true; });
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->inputs.size(), 2u);
  EXPECT_EQ(all->inputs[0].name, "x");
  EXPECT_EQ(all->inputs[1].name, "labels");
  TensorMap whole = example.Tensors(), again = example.Tensors();
  RunOn(example.graph, example.outputs, whole);
  std::vector<PlanOutput> outputs = all->outputs;
  ASSERT_EQ(outputs.size(), 2u);
  outputs[0].name = "logits", outputs[1].name = "loss";
  RunOn(all->graph, outputs, again);
  ExpectSame(again, whole);
}

TEST(Subgraph, ErrorsOfTheWholeAreKept) {
  Graph g;
  g.Apply(Relu{}, {});
  EXPECT_FALSE(Extract(g, {}, [](size_t) { return true; }).ok());
}

}  // namespace
}  // namespace mathnas::kernels
