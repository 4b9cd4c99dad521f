#include "kernels/graph.h"

#include "gtest/gtest.h"
#include "kernels/status.h"

namespace mathnas::kernels {
namespace {

TEST(Graph, SameOperatorOnSameInputsIsOneNode) {
  Graph g;
  const Value x = g.Input("x", {1, 4, 4, 8}), y = g.Input("y", {1, 4, 4, 8});
  const Value a = g.Apply(Relu{}, {x})[0];
  EXPECT_EQ(g.Apply(Relu{}, {x})[0], a);
  EXPECT_FALSE(g.Apply(Relu{}, {y})[0] == a);
  EXPECT_FALSE(g.Apply(Scale{2}, {x})[0] == g.Apply(Scale{3}, {x})[0]);
  EXPECT_FALSE(g.Apply(Add{}, {x, y})[0] == g.Apply(Add{}, {y, x})[0]);  // rounding depends on the order
  EXPECT_EQ(g.nodes().size(), 6u);
}

TEST(Graph, OperatorsThatChangeAStateAreNeverMerged) {
  Graph g;
  const Value x = g.Input("x", {2, 2, 2, 4}), mean = g.State("mean", {4}), var = g.State("var", {4});
  const Value sum = g.State("sum", {2, 2, 2, 4});
  g.Apply(Accumulate{}, {sum, x});
  g.Apply(Accumulate{}, {sum, x});
  const BatchNormTraining tracking = {.affine = false};
  EXPECT_FALSE(g.Apply(tracking, {x, mean, var})[0] == g.Apply(tracking, {x, mean, var})[0]);
  const BatchNormTraining free = {.affine = false, .track = false};
  EXPECT_EQ(g.Apply(free, {x})[0], g.Apply(free, {x})[0]);
  EXPECT_EQ(g.nodes().size(), 5u);
}

TEST(Graph, LeavesAreFoundByNameAndKeepTheirOrder) {
  Graph g;
  const Value w = g.Parameter("w", {4, 2});
  const Value b = g.Parameter("b", {4});
  g.Input("x", {1, 2});
  EXPECT_EQ(g.Parameter("w", {4, 2}), w);
  EXPECT_EQ(g.Find("b"), b);
  EXPECT_FALSE(g.Find("c").valid());
  EXPECT_EQ(g.Leaves(ValueKind::kParameter), (std::vector<Value>{w, b}));
  EXPECT_TRUE(g.status().ok());
}

TEST(Graph, ALeafOfAnotherShapeOrKindIsAnError) {
  {
    Graph g;
    g.Parameter("w", {4, 2});
    EXPECT_FALSE(g.Parameter("w", {4, 3}).valid());
    EXPECT_NE(Message(g.status()).find("4x3"), std::string::npos) << Message(g.status());
    EXPECT_NE(Message(g.status()).find("4x2"), std::string::npos);
    EXPECT_NE(Message(g.status()).find("\"w\""), std::string::npos);
  }
  {
    Graph g;
    g.Parameter("w", {4, 2});
    EXPECT_FALSE(g.State("w", {4, 2}).valid());
    EXPECT_FALSE(g.status().ok());
  }
}

TEST(Graph, TheFirstErrorSticksAndNamesTheBlock) {
  Graph g;
  const Value x = g.Input("x", {1, 4, 4, 8});
  g.SetBlock("cells.3");
  const Value bad = g.Apply(Linear{false}, {x, g.Parameter("w", {4, 7})})[0];
  EXPECT_FALSE(bad.valid());
  const std::string first(Message(g.status()));
  EXPECT_NE(first.find("cells.3"), std::string::npos) << first;
  EXPECT_NE(first.find("linear"), std::string::npos) << first;
  EXPECT_FALSE(g.Apply(Relu{}, {bad})[0].valid());
  EXPECT_FALSE(g.Apply(Relu{}, {x})[0].valid());
  const Values three = g.Apply(BatchNormTraining{}, {bad, bad, bad, bad, bad});
  ASSERT_GE(three.size(), 3u);
  EXPECT_FALSE(three[2].valid());
  EXPECT_EQ(std::string(Message(g.status())), first);
  EXPECT_EQ(g.nodes().size(), 0u);
}

TEST(Graph, AMissingInputIsAnError) {
  Graph g;
  g.Apply(Relu{}, {Value{}});
  EXPECT_NE(Message(g.status()).find("relu"), std::string::npos) << Message(g.status());
}

TEST(Graph, GradientsAreNeededBehindParametersOnly) {
  Graph g;
  const Value x = g.Input("x", {2, 8}), w = g.Parameter("w", {4, 8}), state = g.State("s", {2, 8});
  const Value y = g.Apply(Linear{false}, {x, w})[0];
  EXPECT_FALSE(g.NeedsGradient(g.Apply(Relu{}, {x})[0]));
  EXPECT_FALSE(g.NeedsGradient(g.Apply(Add{}, {x, state})[0]));
  EXPECT_TRUE(g.NeedsGradient(y));
  EXPECT_TRUE(g.NeedsGradient(g.Apply(Zero{}, {g.Apply(Relu{}, {y})[0]})[0]));
}

TEST(Graph, EverythingHasTheRealTypeButLabels) {
  Graph g(DType::kF64);
  const Value x = g.Input("x", {2, 3}), labels = g.Labels("labels", 2);
  const Values loss = g.Apply(SoftmaxCrossEntropy{}, {x, labels});
  EXPECT_EQ(g.desc(x).dtype, DType::kF64);
  EXPECT_EQ(g.desc(labels), (TensorDesc{DType::kI64, {2}}));
  EXPECT_EQ(g.desc(loss[0]), (TensorDesc{DType::kF64, {}}));
  EXPECT_EQ(g.desc(g.Apply(Fill{.value = 1, .shape = {2}}, {})[0]).dtype, DType::kF64);
}

TEST(Graph, NamesOfActivations) {
  Graph g;
  const Value x = g.Input("x", {2, 3});
  const Value y = g.Apply(Relu{}, {x})[0];
  g.SetName(y, "features");
  g.SetName(x, "other");
  EXPECT_EQ(g.Find("features"), y);
  EXPECT_EQ(g.info(x).name, "x");
}

// By hand: 8 pixels, 16 outputs, 3 * 3 * 4 products each for the convolution of 2 groups; 5 * 7 products for each row.
TEST(Graph, CountsMultiplyAddsByBlock) {
  Graph g;
  const Value x = g.Input("x", {2, 2, 2, 8});
  g.SetBlock("conv");
  const Value y = Convolve(g, x, g.Parameter("w", {16, 4, 3, 3}), Value{}, 1, 1, 2);
  const Value z = Convolve(g, y, g.Parameter("v", {5, 16, 1, 1}), g.Parameter("c", {5}), 2, 0);
  g.SetBlock("head");
  const Value pooled = g.Apply(GlobalAvgPool{}, {z})[0];
  g.Apply(Linear{}, {pooled, g.Parameter("l", {7, 5}), g.Parameter("b", {7})});
  ASSERT_TRUE(g.status().ok()) << Message(g.status());
  const std::vector<Counts> counts = CountByBlock(g);
  ASSERT_EQ(g.blocks(), (std::vector<std::string>{"", "conv", "head"}));
  EXPECT_EQ(counts[0].macs, 0);
  EXPECT_EQ(counts[1].macs, 8 * 16 * 36 + 2 * 5 * 16);
  EXPECT_EQ(counts[1].bias_adds, 2 * 5);
  EXPECT_EQ(counts[2].macs, 2 * 5 * 7);
  EXPECT_EQ(counts[2].bias_adds, 2 * 7);
}

// By hand: a gradient of a convolution or a linear layer multiplies as often as the layer; one of attention has two
// products for each of two.
TEST(Graph, CountsMultiplyAddsOfGradients) {
  const auto macs = [](const Operator& op, const Descs& inputs) {
    const auto outputs = std::visit([&](const auto& o) { return InferOutputs(o, inputs); }, op);
    return outputs.ok() ? CountOf(op, inputs, *outputs).macs : -1;
  };
  const auto real = [](Shape shape) { return TensorDesc{DType::kF32, std::move(shape)}; };
  EXPECT_EQ(macs(Conv2dBackwardData{1, 1, 2, 2, 3}, {real({1, 2, 3, 16}), real({16, 4, 3, 3})}), 6 * 16 * 36);
  EXPECT_EQ(macs(Conv2dBackwardWeights{1, 1, 2, 3, 3}, {real({1, 2, 3, 8}), real({1, 2, 3, 16})}), 6 * 16 * 36);
  EXPECT_EQ(macs(LinearBackwardData{}, {real({2, 3, 7}), real({7, 5})}), 6 * 35);
  EXPECT_EQ(macs(LinearBackwardWeights{}, {real({2, 3, 5}), real({2, 3, 7})}), 6 * 35);
  EXPECT_EQ(macs(AttentionBackward{.heads = 2}, {real({1, 3, 4}), real({1, 5, 4}), real({1, 5, 6}), real({1, 3, 6}),
                                                 real({1, 2, 3}), real({1, 3, 6})}),
            2 * 3 * 5 * (4 + 6));
  EXPECT_EQ(macs(Relu{}, {real({2, 3})}), 0);
}

TEST(Graph, TextNamesBlocksOperatorsAndShapes) {
  Graph g;
  g.SetBlock("stem");
  g.Apply(Relu{}, {g.Input("x", {2, 3})});
  const std::string text = g.ToString();
  for (const char* word : {"stem", "relu", "2x3"}) EXPECT_NE(text.find(word), std::string::npos) << text;
}

TEST(Operator, HashAndEqualityFollowEveryAttribute) {
  const Operator a = Conv2d{.stride = 2}, b = Conv2d{.stride = 2}, c = Conv2d{.padding = 2}, d = AvgPool2d{.stride = 2};
  EXPECT_EQ(HashOf(a), HashOf(b));
  EXPECT_TRUE(a == b);
  EXPECT_NE(HashOf(a), HashOf(c));
  EXPECT_NE(HashOf(a), HashOf(d));
  EXPECT_NE(HashOf(Fill{.value = 0, .shape = {2, 3}}), HashOf(Fill{.value = 0, .shape = {3, 2}}));
}

}  // namespace
}  // namespace mathnas::kernels
