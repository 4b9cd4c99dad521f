// Rounding to bfloat16, the types of values in graphs, and networks lowered to it.
#include "kernels/lower_precision.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "fmt/format.h"
#include "kernels/graph_json.h"
#include "kernels/testing/operator_runner.h"
#include "tests/kernels/inference_graphs.h"

namespace mathnas::kernels {
namespace {

using testing::Builder;
using testing::RelativeDifference;

constexpr double kRounding = 0x1p-8;  // the most that rounding to 8 bits changes, relatively

// The device, or null where it does not compute in bfloat16.
std::shared_ptr<Device> Bfloat16Device(int threads) {
  auto cpu = CpuDevice(threads);
  return cpu.ok() && (*cpu)->CheckBfloat16().ok() ? *cpu : nullptr;
}

TEST(Bfloat16, RoundsToNearestEven) {
  const auto bits = [](uint32_t of_float) { return Bfloat16::Rounded(std::bit_cast<float>(of_float)).bits; };
  EXPECT_EQ(bits(0x3F800000), 0x3F80);  // 1
  EXPECT_EQ(bits(0x3F807FFF), 0x3F80);  // below the middle
  EXPECT_EQ(bits(0x3F808000), 0x3F80);  // the middle, to even
  EXPECT_EQ(bits(0x3F808001), 0x3F81);
  EXPECT_EQ(bits(0x3F818000), 0x3F82);  // the middle, to even
  EXPECT_EQ(bits(0x80000000), 0x8000);  // -0
  EXPECT_EQ(bits(0x00008001), 0x0001);  // below the normal numbers
  EXPECT_EQ(bits(0x7F7FFFFF), 0x7F80);  // too large
  EXPECT_EQ(bits(0xFF800000), 0xFF80);
  for (uint32_t nan : {0x7FC00000U, 0x7F800001U, 0xFF80FFFFU, 0x7FFFFFFFU}) {
    EXPECT_TRUE(std::isnan(Bfloat16::Rounded(std::bit_cast<float>(nan)).ToFloat())) << nan;
  }
  for (uint32_t b = 0; b < 0x10000; ++b) {
    const Bfloat16 x = {static_cast<uint16_t>(b)};
    if (std::isnan(x.ToFloat())) continue;
    ASSERT_EQ(Bfloat16::Rounded(x.ToFloat()), x) << b;
  }
}

// Any bits at all, through the kernels of the device.
TEST(Bfloat16, ConvertRoundsTheSame) {
  const auto device = Bfloat16Device(2);
  if (device == nullptr) GTEST_SKIP() << "no bfloat16 on this processor";
  constexpr int64_t kCount = 100003;
  Graph g;
  const Value x = g.Input("x", {kCount}), low = g.Apply(Convert{DType::kBf16}, {x})[0];
  const std::vector<PlanOutput> outputs = {{"low", low}, {"back", g.Apply(Convert{DType::kF32}, {low})[0]}};
  const auto plan = Plan::Create(g, outputs, *device);
  ASSERT_TRUE(plan.ok()) << Message(plan.status());
  const auto context = *Context::Create(*plan, {});
  const auto floats = context->Input("x")->as<float>();
  Random random(1);
  for (float& f : floats) f = std::bit_cast<float>(random.Below(0xFFFFFFFFU));
  ASSERT_TRUE(context->Run().ok());
  const auto rounded = context->Output("low")->as<Bfloat16>();
  const auto back = context->Output("back")->as<float>();
  for (size_t i = 0; i < floats.size(); ++i) {
    ASSERT_EQ(rounded[i], Bfloat16::Rounded(floats[i])) << floats[i];
    ASSERT_EQ(std::bit_cast<uint32_t>(back[i]), std::bit_cast<uint32_t>(rounded[i].ToFloat()));
  }
}

TEST(Bfloat16Graph, TypesAreChecked) {
  Graph g;
  const Value x = g.Input("x", {1, 4, 4, 8}), low = g.Apply(Convert{}, {x})[0];
  EXPECT_EQ(g.desc(low).dtype, DType::kBf16);
  EXPECT_EQ(g.desc(g.Apply(Relu{}, {low})[0]).dtype, DType::kBf16);
  const Value wide = g.Parameter("w", {8, 8, 1, 1}), narrow = g.TypedParameter("n", {DType::kBf16, {8, 8, 1, 1}});
  for (Value w : {wide, narrow}) EXPECT_EQ(g.desc(g.Apply(Conv2d{}, {low, w})[0]).dtype, DType::kBf16);
  EXPECT_EQ(g.desc(g.Apply(Linear{.has_bias = false, .wide_dst = true}, {low, narrow})[0]).dtype, DType::kF32);
  ASSERT_TRUE(g.status().ok()) << Message(g.status());

  const auto error = [](auto build) {
    Graph graph;
    build(graph);
    return std::string(Message(graph.status()));
  };
  EXPECT_EQ(error([](Graph& b) {
              b.Apply(Add{}, {b.Apply(Convert{}, {b.Input("x", {2})})[0], b.Input("y", {2})});
            }),
            "add: input 1 is F32, expected BF16");
  EXPECT_EQ(error([](Graph& b) {
              b.Apply(Add{}, {b.Input("y", {2}), b.Apply(Convert{}, {b.Input("x", {2})})[0]});
            }),
            "add: input 1 is BF16, expected F32");
  EXPECT_EQ(error([](Graph& b) {
              b.Apply(LayerNorm{},
                      {b.Apply(Convert{}, {b.Input("x", {2, 2})})[0], b.Parameter("g", {2}), b.Parameter("b", {2})});
            }),
            "layer_norm: input 0 is BF16, expected F32");
  EXPECT_EQ(error([](Graph& b) { b.Apply(Convert{DType::kI64}, {b.Input("x", {2})}); }),
            "convert: to I64, expected F32 or BF16");
  EXPECT_EQ(error([](Graph& b) { b.TypedParameter("w", {DType::kU8, {2}}); }), "\"w\" is U8, expected F32 or BF16");
  // Exact arithmetic has no lower precision.
  Graph exact(DType::kF64);
  EXPECT_EQ(exact.desc(exact.Apply(Convert{}, {exact.Input("x", {2})})[0]).dtype, DType::kF64);
}

struct Lowered {
  Builder builder = Builder(1);
  std::vector<PlanOutput> outputs;
  FoldedGraph folded, low;

  explicit Lowered(const std::vector<int>& ops) {
    outputs = {{"logits", builder.CellNetwork(ops)}};
    auto f = FoldForInference(builder.graph, outputs, builder.weights);
    testing::Require(f.status());
    folded = *std::move(f);
    auto l = LowerPrecision(folded);
    testing::Require(l.status());
    low = *std::move(l);
  }
};

TEST(LowerPrecision, ConvolutionsComputeInBfloat16AndTheEndsAreFloat32) {
  const Lowered n({3, 1, 2, 4, 0, 3});
  const Graph& g = n.low.graph;
  EXPECT_EQ(PrecisionOf(n.folded.graph), Precision::kFloat32);
  EXPECT_EQ(PrecisionOf(g), Precision::kBfloat16);
  EXPECT_EQ(g.desc(g.Find("images")).dtype, DType::kF32);
  EXPECT_EQ(n.low.outputs[0].value, g.Find("logits"));
  EXPECT_EQ(g.desc(g.Find("logits")).dtype, DType::kF32);
  int converts = 0, convolutions = 0;
  for (const Graph::Node& node : g.nodes()) {
    converts += std::holds_alternative<Convert>(node.op) ? 1 : 0;
    if (std::holds_alternative<Convert>(node.op)) continue;
    // The last normalisation, of a sum that it cannot be folded into, and what reads it.
    if (g.blocks()[node.block] == "head" && !std::holds_alternative<Linear>(node.op)) continue;
    EXPECT_EQ(g.desc(node.inputs[0]).dtype, DType::kBf16) << NameOf(node.op);
    if (!std::holds_alternative<Conv2d>(node.op)) continue;
    ++convolutions;
    EXPECT_EQ(g.desc(node.inputs[1]).dtype, DType::kBf16);
  }
  EXPECT_EQ(converts, 3);  // images, to the head, to its linear layer, which gives its sums as they are
  EXPECT_GT(convolutions, 5);
  for (const TensorMap::Entry& e : n.low.weights.entries()) {
    EXPECT_EQ(e.name.ends_with(".bfloat16"), e.tensor.desc().dtype == DType::kBf16) << e.name;
    if (!e.name.ends_with(".bfloat16")) continue;
    const Tensor* from = n.folded.weights.Find(e.name.substr(0, e.name.rfind('.')));
    ASSERT_NE(from, nullptr) << e.name;
    for (size_t i = 0; i < from->as<float>().size(); ++i) {
      ASSERT_EQ(e.tensor.as<Bfloat16>()[i], Bfloat16::Rounded(from->as<float>()[i]));
    }
  }
}

// Against float32. Some 10 layers lie in a row; each rounds its weights and its output, whose errors are independent,
// so that their squares add up: sqrt(2 * 10) roundings.
TEST(LowerPrecision, SameResultsUpToRounding) {
  const auto device = Bfloat16Device(2);
  if (device == nullptr) GTEST_SKIP() << "no bfloat16 on this processor";
  for (const std::vector<int>& ops : {std::vector<int>{3, 1, 2, 4, 0, 3}, {3, 3, 3, 3, 3, 3}, {4, 2, 4, 1, 1, 2}}) {
    const Lowered n(ops);
    const auto expected = testing::Run(n.builder.graph, n.outputs, n.builder.weights, *ReferenceDevice(DType::kF32));
    const auto result = testing::Run(n.low.graph, n.low.outputs, n.low.weights, *device);
    const double difference = RelativeDifference(result[0], expected[0]);
    EXPECT_LT(difference, std::sqrt(20) * kRounding);
    EXPECT_GT(difference, 0);  // it was bfloat16
    RecordProperty("difference", std::to_string(difference));
    const auto read = GraphFromJson(*GraphToJson(n.low.graph));
    ASSERT_TRUE(read.ok()) << Message(read.status());
    EXPECT_EQ(testing::Run(*read, {{"logits", read->Find("logits")}}, n.low.weights, *device), result);
  }
}

TEST(LowerPrecision, DelicateOperatorsStayFloat32) {
  Builder b(3);
  const Value x = b.graph.Input("images", {2, 6, 8});
  const Value weight = b.Parameter("l.weight", {8, 8}, 0, 0.5);
  const Value h = b.graph.Apply(Linear{.has_bias = false}, {x, weight})[0];
  const Value norm =
      b.graph.Apply(LayerNorm{}, {h, b.Parameter("n.weight", {8}, 1, 0.1), b.Parameter("n.bias", {8}, 0, 0.1)})[0];
  const Value y = b.graph.Apply(Attention{.heads = 2}, {norm, norm, h})[0];
  const Value z = b.graph.Apply(Swish{}, {b.graph.Apply(Linear{.has_bias = false}, {y, weight})[0]})[0];
  b.graph.SetName(z, "z");
  FoldedGraph folded;
  folded.graph = b.graph;
  folded.weights = b.weights.Clone();
  folded.outputs = {{"z", z}};
  const auto low = LowerPrecision(folded);
  ASSERT_TRUE(low.ok()) << Message(low.status());
  std::string text;
  for (const Graph::Node& node : low->graph.nodes()) {
    text += fmt::format("{} {} -> {}, ", NameOf(node.op), Name(low->graph.desc(node.inputs[0]).dtype),
                        Name(low->graph.desc(node.outputs[0]).dtype));
  }
  EXPECT_EQ(text,
            "convert F32 -> BF16, linear BF16 -> F32, layer_norm F32 -> F32, attention F32 -> F32, "
            "convert F32 -> BF16, linear BF16 -> BF16, swish BF16 -> BF16, convert BF16 -> F32, ");
  const auto device = Bfloat16Device(1);
  if (device == nullptr) GTEST_SKIP() << "no bfloat16 on this processor";
  const auto expected = testing::Run(b.graph, folded.outputs, b.weights, *ReferenceDevice(DType::kF32));
  const auto result = testing::Run(low->graph, low->outputs, low->weights, *device);
  // Input, weights and result of two layers.
  EXPECT_LT(RelativeDifference(result[0], expected[0]), std::sqrt(6) * kRounding);
}

TEST(LowerPrecision, ExpandDepthwiseBecomesTwoConvolutions) {
  Builder b(4);
  const Value x = b.Input({1, 9, 9, 8});
  const ExpandDepthwise op = {
      .stride = 2, .padding = 2, .expand_activation = Activation::kHardSwish, .activation = Activation::kRelu};
  const Value y =
      b.graph.Apply(op, {x, b.Parameter("e.weight", {24, 8, 1, 1}, 0, 0.5), b.Parameter("e.bias", {24}, 0, 0.3),
                         b.Parameter("d.weight", {24, 1, 5, 5}, 0, 0.3), b.Parameter("d.bias", {24}, 0, 0.3)})[0];
  FoldedGraph folded;
  folded.graph = b.graph;
  folded.weights = b.weights.Clone();
  folded.outputs = {{"y", y}};
  const auto low = LowerPrecision(folded);
  ASSERT_TRUE(low.ok()) << Message(low.status());
  EXPECT_EQ(low->graph.nodes().size(), 4U);  // and a conversion at each end
  const auto device = Bfloat16Device(1);
  if (device == nullptr) GTEST_SKIP() << "no bfloat16 on this processor";
  const auto expected = testing::Run(b.graph, folded.outputs, b.weights, *ReferenceDevice(DType::kF32));
  const auto result = testing::Run(low->graph, low->outputs, low->weights, *device);
  EXPECT_LT(RelativeDifference(result[0], expected[0]), std::sqrt(6) * kRounding);
}

TEST(LowerPrecision, Errors) {
  const Lowered n({3, 1, 2, 4, 0, 3});
  const auto again = LowerPrecision(n.low);
  EXPECT_EQ(again.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(again.status()), "the graph is bfloat16 in parts, expected F32 throughout");
  FoldedGraph exact;
  exact.graph = Graph(DType::kF64);
  EXPECT_EQ(Message(LowerPrecision(exact).status()), "the graph is F64, expected F32 throughout");
  FoldedGraph bare;
  bare.graph = n.folded.graph;
  bare.outputs = n.folded.outputs;
  EXPECT_EQ(LowerPrecision(bare).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ParsePrecision("bfloat16").value(), Precision::kBfloat16);
  EXPECT_EQ(Message(ParsePrecision("half").status()), "precision \"half\": expected float32 or bfloat16");
  // A device without it says so.
  const auto plan = Plan::Create(n.low.graph, n.low.outputs, *ReferenceDevice(DType::kF32));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(ReferenceDevice(DType::kF32)->CheckBfloat16().code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace mathnas::kernels
