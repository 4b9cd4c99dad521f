#include "kernels/fold.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/inference_graphs.h"

namespace mathnas::kernels {
namespace {

using testing::Builder;
using testing::RelativeDifference;

// Rounding of float32 through a dozen layers; the two orders of a sum differ by no more.
constexpr double kTolerance = 1e-5;

size_t Steps(const Graph& graph, const std::vector<PlanOutput>& outputs) {
  const auto device = ReferenceDevice(DType::kF32);
  auto plan = Plan::Create(graph, outputs, *device);
  testing::Require(plan.status());
  return (*plan)->steps().size();
}

template <typename Op>
std::vector<Op> Operators(const Graph& graph) {
  std::vector<Op> ops;
  for (const Graph::Node& n : graph.nodes()) {
    if (const auto* op = std::get_if<Op>(&n.op)) ops.push_back(*op);
  }
  return ops;
}

// Folds, and checks that the outputs are those of the original on the reference device, on the folded graph's side on
// both devices.
FoldedGraph FoldAndCompare(const Builder& b, const std::vector<PlanOutput>& outputs) {
  auto folded = FoldForInference(b.graph, outputs, b.weights);
  testing::Require(folded.status());
  EXPECT_LE(Steps(folded->graph, folded->outputs), Steps(b.graph, outputs));

  const auto reference = ReferenceDevice(DType::kF32);
  const auto expected = testing::Run(b.graph, outputs, b.weights, *reference);
  std::vector<std::shared_ptr<Device>> devices = {reference};
  if (auto cpu = CpuDevice(2); cpu.ok()) devices.push_back(*cpu);
  for (const auto& device : devices) {
    const auto results = testing::Run(folded->graph, folded->outputs, folded->weights, *device);
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_LT(RelativeDifference(results[i], expected[i]), kTolerance)
          << device->name() << ", output " << outputs[i].name << "\n"
          << b.graph.ToString() << "folded:\n"
          << folded->graph.ToString();
    }
  }
  return *std::move(folded);
}

TEST(Fold, BatchNormBecomesWeightsAndBias) {
  Builder b(1);
  const Value x = b.Input({1, 5, 5, 3});
  const Value y = b.Norm("stem.1", b.Conv("stem.0", x, 4, 3, 2));
  const FoldedGraph folded = FoldAndCompare(b, {{"y", y}});

  ASSERT_EQ(folded.graph.nodes().size(), 1u);
  ASSERT_EQ(folded.weights.size(), 2u);
  const auto weight = folded.weights.Find("stem.0.folded_weight")->as<float>();
  const auto bias = folded.weights.Find("stem.0.folded_bias")->as<float>();
  const auto old = [&](std::string_view name, size_t i) {
    return static_cast<double>(b.weights.Find(name)->as<float>()[i]);
  };
  for (size_t c = 0; c < 4; ++c) {
    const double scale = old("stem.1.weight", c) / std::sqrt(old("stem.1.running_var", c) + 1e-5);
    EXPECT_FLOAT_EQ(bias[c], old("stem.1.bias", c) - old("stem.1.running_mean", c) * scale);
    for (size_t t = 27 * c; t < 27 * (c + 1); ++t) EXPECT_FLOAT_EQ(weight[t], old("stem.0.weight", t) * scale);
  }
}

TEST(Fold, BatchNormTakesTheOldBiasAndGroupsAlong) {
  Builder b(2);
  const Value x = b.Input({2, 6, 6, 8});
  const Value depthwise = b.Norm("a.bn", b.Conv("a", x, 8, 3, 1, 8, true));
  const Value grouped = b.Norm("b.bn", b.Conv("b", depthwise, 12, 3, 1, 2), /*affine=*/false);
  EXPECT_EQ(FoldAndCompare(b, {{"y", grouped}}).graph.nodes().size(), 2u);
}

TEST(Fold, ConvolutionReadTwiceKeepsItsBatchNorm) {
  Builder b(3);
  const Value conv = b.Conv("conv", b.Input({1, 4, 4, 3}), 4, 3);
  const Value y = b.Norm("bn", conv);
  const Value z = b.graph.Apply(Scale{.factor = 2}, {conv})[0];
  FoldedGraph folded = FoldAndCompare(b, {{"y", y}, {"z", z}});
  EXPECT_EQ(Operators<BatchNormInference>(folded.graph).size(), 1u);
  EXPECT_NE(folded.weights.Find("conv.weight"), nullptr);

  folded = FoldAndCompare(b, {{"y", y}, {"conv", conv}});  // an output is a reader
  EXPECT_EQ(Operators<BatchNormInference>(folded.graph).size(), 1u);
  folded = FoldAndCompare(b, {{"y", y}});
  EXPECT_EQ(folded.graph.nodes().size(), 1u);
}

TEST(Fold, OneWeightInTwoConvolutions) {
  Builder b(4);
  const Value x = b.Input({1, 4, 4, 4});
  const Value y = b.Norm("bn1", b.Conv("shared", x, 4, 1));
  const Value z = b.Norm("bn2", b.Conv("shared", b.Relu(x), 4, 1));
  const FoldedGraph folded = FoldAndCompare(b, {{"y", y}, {"z", z}});
  EXPECT_TRUE(folded.weights.contains("shared.folded_weight"));
  EXPECT_TRUE(folded.weights.contains("shared.folded_weight.2"));
  EXPECT_TRUE(folded.weights.contains("shared.folded_bias.2"));
  EXPECT_FALSE(folded.weights.contains("shared.weight"));
}

TEST(Fold, ConvolutionsOfASumAccumulate) {
  Builder b(5);
  const Value x = b.Input({2, 6, 6, 4});
  const Value r = b.Relu(x);
  const Value sum = b.Sum({b.Conv("a", r, 4, 3), x, b.Norm("c.bn", b.Conv("c", r, 4, 1)), r});
  const FoldedGraph folded = FoldAndCompare(b, {{"y", b.Relu(sum)}});
  // relu, sum of the rest, two convolutions; the last one applies the ReLU.
  ASSERT_EQ(folded.graph.nodes().size(), 4u) << folded.graph.ToString();
  const auto convolutions = Operators<Conv2d>(folded.graph);
  EXPECT_TRUE(convolutions[0].has_addend && convolutions[1].has_addend);
  EXPECT_EQ(convolutions[0].activation, Activation::kNone);
  EXPECT_EQ(convolutions[1].activation, Activation::kRelu);
  EXPECT_TRUE(!convolutions[0].has_bias && convolutions[1].has_bias);
}

TEST(Fold, ASumOfConvolutionsNeedsNoAddition) {
  Builder b(6);
  const Value x = b.Input({1, 5, 5, 4});
  const Value sum = b.Sum({b.Conv("a", x, 4, 3), b.Conv("b", x, 4, 1), b.Conv("c", x, 4, 3)});
  const FoldedGraph folded = FoldAndCompare(b, {{"y", sum}});
  EXPECT_EQ(folded.graph.nodes().size(), 3u);
  EXPECT_TRUE(Operators<Add>(folded.graph).empty());
}

TEST(Fold, AConvolutionDoesNotAccumulateOntoItsOwnSource) {
  Builder b(7);
  const Value x = b.Relu(b.Input({1, 5, 5, 4}));
  FoldedGraph folded = FoldAndCompare(b, {{"y", b.Sum({x, b.Conv("a", x, 4, 3)})}});
  EXPECT_EQ(folded.graph.nodes().size(), 3u);
  // With another convolution, that one accumulates onto the two.
  folded = FoldAndCompare(b, {{"y", b.Sum({x, b.Conv("a", x, 4, 3), b.Conv("b", b.Conv("c", x, 4, 1), 4, 3)})}});
  EXPECT_EQ(folded.graph.nodes().size(), 5u) << folded.graph.ToString();
}

TEST(Fold, TheSameTermTwice) {
  Builder b(8);
  const Value conv = b.Conv("a", b.Input({1, 5, 5, 4}), 4, 3);
  FoldAndCompare(b, {{"y", b.Sum({conv, conv})}});
}

TEST(Fold, ReluStaysWhereItsInputIsReadAgain) {
  Builder b(9);
  const Value x = b.Norm("bn", b.Conv("a", b.Input({1, 5, 5, 4}), 4, 3));
  // Two edges read one ReLU, a skip connection reads what is before it.
  const Value y = b.Sum({x, b.ReluConvNorm("e1", x, 4, 3), b.ReluConvNorm("e2", x, 4, 1)});
  const FoldedGraph folded = FoldAndCompare(b, {{"y", y}});
  EXPECT_EQ(Operators<Relu>(folded.graph).size(), 1u);
  EXPECT_EQ(folded.graph.nodes().size(), 4u) << folded.graph.ToString();
}

TEST(Fold, BatchNormOfASumStaysWithItsRelu) {
  Builder b(10);
  const Value x = b.Input({1, 5, 5, 4});
  const Value y = b.Relu(b.Norm("bn", b.Sum({x, b.Conv("a", b.Relu(x), 4, 3)})));
  const FoldedGraph folded = FoldAndCompare(b, {{"y", y}});
  ASSERT_EQ(Operators<BatchNormInference>(folded.graph).size(), 1u);
  EXPECT_TRUE(Operators<BatchNormInference>(folded.graph)[0].relu);
  EXPECT_TRUE(folded.weights.contains("bn.running_mean"));
}

TEST(Fold, ZerosAndDeadNodesVanish) {
  Builder b(11);
  const Value x = b.Input({1, 5, 5, 4});
  b.graph.Input("unread", {1, 2});
  b.Norm("dead.bn", b.Conv("dead", x, 4, 3));
  const Value zero = b.Relu(b.Zeros(b.Conv("before_zero", x, 4, 3)));
  const Value y = b.Sum({zero, b.Conv("a", x, 4, 3), b.Zeros(x)});
  FoldedGraph folded = FoldAndCompare(b, {{"y", y}});
  EXPECT_EQ(folded.graph.nodes().size(), 1u);
  EXPECT_EQ(folded.weights.size(), 1u);
  EXPECT_TRUE(folded.graph.Find("unread").valid());

  // Convolutions of zeros are zeros, with batch norm they are constants.
  const Value constant = b.Norm("bn", b.Conv("b", zero, 4, 3));
  folded = FoldAndCompare(b, {{"y", b.Sum({zero, b.Zeros(x)})}, {"constant", constant}});
  EXPECT_TRUE(Operators<Conv2d>(folded.graph).empty());

  // Nothing but one term is left: the output is the input.
  folded = FoldAndCompare(b, {{"y", b.Sum({x, zero})}});
  EXPECT_TRUE(folded.graph.nodes().empty());
}

TEST(Fold, SlicesBecomeConstantsOfTheirOwn) {
  Builder b(21);
  const Value x = b.Input({2, 4, 4, 6});
  const Value whole = b.Parameter("a.weight", {12, 9, 3, 3}, 0, 0.3);
  const Value shared = Leading(b.graph, whole, 8, 6);
  const Value y = Convolve(b.graph, x, shared, Value{}, 1, 1), z = Convolve(b.graph, b.Relu(x), shared, Value{}, 1, 1);
  // Only the second scale and shift of a normalisation are parts: it is folded all the same.
  const Value norm =
      b.graph.Apply(BatchNormInference{.affine = true}, {y, Leading(b.graph, b.Parameter("bn.weight", {9}, 1, 0.3), 8),
                                                         Leading(b.graph, b.Parameter("bn.bias", {9}, 0, 0.3), 8),
                                                         b.Parameter("bn.running_mean", {8}, 0, 0.3, true),
                                                         b.Parameter("bn.running_var", {8}, 1, 0.5, true)})[0];
  const FoldedGraph folded = FoldAndCompare(b, {{"y", norm}, {"z", z}});
  EXPECT_TRUE(Operators<Slice>(folded.graph).empty());
  EXPECT_TRUE(Operators<BatchNormInference>(folded.graph).empty());
  EXPECT_EQ(folded.weights.Find("a.weight"), nullptr);
  const Tensor* part = folded.weights.Find("a.weight.part");
  ASSERT_NE(part, nullptr);
  EXPECT_EQ(part->shape(), (Shape{8, 6, 3, 3}));
  const auto is = part->as<float>(), was = b.weights.Find("a.weight")->as<float>();
  for (size_t r = 0; r < 8; ++r) {
    for (size_t k = 0; k < 54; ++k) EXPECT_EQ(is[r * 54 + k], was[r * 81 + k]);
  }
}

TEST(Fold, LayerScaleBecomesWeightsAndBias) {
  Builder b(22);
  const Value x = b.Input({1, 3, 3, 5});
  const Value table = b.Parameter("table", {2, 3, 10}, 1, 0.5);
  const auto linear = [&](const std::string& name, Value in, bool bias) {
    Values inputs = {in, b.Parameter(name + ".weight", {8, 5}, 0, 0.5)};
    if (bias) inputs.push_back(b.Parameter(name + ".bias", {8}, 0, 0.5));
    return b.graph.Apply(Linear{.has_bias = bias}, inputs)[0];
  };
  const auto scaled = [&](Value v, int32_t row) { return b.graph.Apply(LayerScale{row, 0.25}, {v, table})[0]; };
  const Value first = scaled(linear("a", x, true), 4), second = scaled(linear("b", b.Relu(x), false), 0);
  // What is read elsewhere too stays.
  const Value read_twice = linear("c", x, true), third = scaled(read_twice, 1);
  const FoldedGraph folded =
      FoldAndCompare(b, {{"y", b.Sum({first, second})}, {"third", third}, {"unscaled", read_twice}});
  ASSERT_EQ(Operators<LayerScale>(folded.graph).size(), 1U);
  EXPECT_EQ(Operators<LayerScale>(folded.graph)[0].row, 1);
  const auto bias = folded.weights.Find("a.bias.scaled")->as<float>();
  for (size_t c = 0; c < 8; ++c) {
    EXPECT_FLOAT_EQ(bias[c],
                    b.weights.Find("a.bias")->as<float>()[c] * 0.25F * b.weights.Find("table")->as<float>()[40 + c]);
  }
}

TEST(Fold, LargeExpansionsRunWithTheDepthwiseConvolutionAfterThem) {
  Builder b(23);
  const Value x = b.Input({1, 112, 112, 2}), small = b.Conv("small", x, 4, 3, 4);
  const auto expanded = [&](const std::string& name, Value in, int stride) {
    const Value wide = b.graph.Apply(Swish{}, {b.Norm(name + ".bn1", b.Conv(name + ".1", in, 16, 1))})[0];
    const Value deep = b.Norm(name + ".bn2", b.Conv(name + ".2", wide, 16, 3, stride, 16));
    return std::pair(wide, b.graph.Apply(HardSwish{}, {deep})[0]);
  };
  const Value y = expanded("a", x, 2).second;
  const auto [wide, z] = expanded("b", b.Relu(x), 1);  // the map between them is an output
  const Value grouped = b.Norm("c.bn2", b.Conv("c.2", b.Norm("c.bn1", b.Conv("c.1", x, 16, 1)), 16, 3, 1, 4));
  const Value cached = expanded("d", small, 1).second;  // the map is small
  const FoldedGraph folded =
      FoldAndCompare(b, {{"y", y}, {"wide", wide}, {"z", z}, {"grouped", grouped}, {"cached", cached}});
  const auto fused = Operators<ExpandDepthwise>(folded.graph);
  ASSERT_EQ(fused.size(), 1U);
  EXPECT_EQ(
      fused[0],
      (ExpandDepthwise{
          .stride = 2, .padding = 1, .expand_activation = Activation::kSwish, .activation = Activation::kHardSwish}));
  EXPECT_EQ(Operators<Conv2d>(folded.graph).size(), 7U);
}

TEST(Fold, KeepsBlocksAndNames) {
  Builder b(12);
  b.graph.SetBlock("unused");
  const Value x = b.Input({1, 5, 5, 4});
  b.graph.SetBlock("first");
  const Value y = b.Norm("bn", b.Conv("a", x, 4, 3));
  b.graph.SetName(y, "middle");
  b.graph.SetBlock("second");
  const Value z = b.graph.Apply(GlobalAvgPool{}, {y})[0];
  const FoldedGraph folded = FoldAndCompare(b, {{"features", z}});
  EXPECT_EQ(folded.graph.blocks(), b.graph.blocks());
  EXPECT_EQ(folded.graph.blocks()[folded.graph.nodes()[0].block], "first");
  EXPECT_EQ(folded.graph.blocks()[folded.graph.nodes()[1].block], "second");
  EXPECT_EQ(folded.graph.Find("middle"), folded.graph.nodes()[0].outputs[0]);
  EXPECT_EQ(folded.graph.Find("features"), folded.outputs[0].value);
  EXPECT_EQ(folded.graph.info(folded.outputs[0].value).name, "features");
}

TEST(Fold, CellNetworkOfConvolutions) {
  Builder b(13);
  const Value logits = b.CellNetwork({3, 3, 3, 3, 3, 3});
  // Stem 2; cell 3 ReLUs, 6 convolutions with batch norm, 2 sums; reduction 8 and a sum; head 4.
  EXPECT_EQ(Steps(b.graph, {{"logits", logits}}), 2u + 17 + 9 + 17 + 4);
  const FoldedGraph folded = FoldAndCompare(b, {{"logits", logits}});
  // Stem with its ReLU 1; cell 6, without a ReLU at the end, since pooling reads that value too; reduction: ReLU,
  // pooling, 3 convolutions; cell 6; head: batch norm with ReLU, pooling, linear.
  EXPECT_EQ(Steps(folded.graph, folded.outputs), 1u + 6 + 5 + 6 + 3);
}

TEST(Fold, CellNetworksOfAllKinds) {
  Random random(14);
  for (int i = 0; i < 40; ++i) {
    std::vector<int> ops;
    for (int e = 0; e < 6; ++e) ops.push_back(static_cast<int>(random.Below(5)));
    SCOPED_TRACE(::testing::PrintToString(ops));
    Builder b(100 + i);
    const Value logits = b.CellNetwork(ops);
    FoldAndCompare(b, {{"logits", logits}});
  }
}

// Operators at random on values of one shape; any value may be read again, and some are outputs.
TEST(Fold, RandomGraphs) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Builder b(1000 + seed);
    std::vector<Value> values = {b.Input({2, 5, 4, 8})};
    // Mostly recent values, so that chains form.
    const auto pick = [&] {
      const auto size = static_cast<uint32_t>(values.size());
      return values[b.random.Below(3) > 0 ? size - 1 - b.random.Below(std::min(size, 3u)) : b.random.Below(size)];
    };
    for (int n = 0; n < 14; ++n) {
      const std::string name = "n" + std::to_string(n);
      const Value x = pick();
      switch (b.random.Below(9)) {
        case 0:
        case 1:
          values.push_back(b.Conv(name, x, 8, b.random.Below(2) == 0 ? 1 : 3, 1, b.random.Below(4) == 0 ? 8 : 1,
                                  b.random.Below(2) == 0));
          break;
        case 2:
        case 3:
          values.push_back(b.Norm(name, x, b.random.Below(3) > 0));
          break;
        case 4:
        case 5: {
          Values terms = {x};
          for (uint32_t t = b.random.Below(3); t > 0; --t) terms.push_back(pick());
          // Halved, so that values do not grow.
          values.push_back(b.graph.Apply(Scale{.factor = 0.5}, {b.Sum(terms)})[0]);
          if (b.random.Below(2) == 0) values.back() = b.Sum(terms);
          break;
        }
        case 6:
          values.push_back(b.Relu(x));
          break;
        case 7:
          values.push_back(b.graph.Apply(AvgPool2d{.kernel = 3, .stride = 1, .padding = 1}, {x})[0]);
          break;
        default:
          values.push_back(b.random.Below(3) == 0 ? b.Zeros(x) : b.Relu(x));
      }
    }
    std::vector<PlanOutput> outputs = {{"last", values.back()}};
    if (b.random.Below(2) == 0) outputs.push_back({"other", pick()});
    FoldAndCompare(b, outputs);
    if (HasFailure()) break;
  }
}

TEST(Fold, Errors) {
  Builder b(15);
  const Value y = b.Norm("bn", b.Conv("a", b.Input({1, 5, 5, 4}), 4, 3));
  const auto code = [](const auto& result) { return result.status().code(); };
  const auto text = [](const auto& result) { return std::string(Message(result.status())); };

  TensorMap none;
  const auto missing = FoldForInference(b.graph, {{"y", y}}, none);
  EXPECT_EQ(code(missing), absl::StatusCode::kNotFound);
  EXPECT_EQ(text(missing), "tensor \"a.weight\": missing");

  TensorMap wrong = b.weights.Clone();
  wrong.Put("bn.running_var", Tensor(DType::kF32, {5}));
  const auto other_shape = FoldForInference(b.graph, {{"y", y}}, wrong);
  EXPECT_EQ(code(other_shape), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(text(other_shape), "tensor \"bn.running_var\" is F32 5, expected F32 4");

  EXPECT_EQ(code(FoldForInference(b.graph, {{"y", Value{}}}, b.weights)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(FoldForInference(b.graph, {{"y", Value{1000}}}, b.weights)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(FoldForInference(Graph(DType::kF64), {}, none)), absl::StatusCode::kInvalidArgument);

  Builder training(16);
  const Value x = training.Input({2, 3});
  training.graph.Apply(Accumulate{}, {training.graph.State("sum", {2, 3}), x});
  const auto changes = FoldForInference(training.graph, {{"x", x}}, none);
  EXPECT_EQ(text(changes), "accumulate changes states, expected a graph for inference");

  Builder broken(17);
  broken.Relu(Value{});
  EXPECT_EQ(code(FoldForInference(broken.graph, {}, none)), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mathnas::kernels
