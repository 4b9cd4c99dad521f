// Rounding to bfloat16 and float16, the types of values in graphs, and networks lowered to these.
#include "kernels/lower_precision.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "fmt/format.h"
#include "kernels/graph_json.h"
#include "kernels/testing/operator_runner.h"
#include "tests/kernels/inference_graphs.h"
#include "tests/kernels/precision_device.h"

namespace mathnas::kernels {
namespace {

using testing::Builder;
using testing::DeviceFor;
using testing::RelativeDifference;
using testing::RoundingOf;

class LowPrecision : public ::testing::TestWithParam<Precision> {
 protected:
  static double rounding() { return RoundingOf(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Types, LowPrecision, ::testing::Values(Precision::kBfloat16, Precision::kFloat16),
                         [](const auto& test) { return std::string(Name(test.param)); });

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

TEST(Float16, RoundsToNearestEven) {
  const auto bits = [](float x) { return Float16::Rounded(x).bits; };
  EXPECT_EQ(bits(1), 0x3C00);
  EXPECT_EQ(bits(-2), 0xC000);
  EXPECT_EQ(bits(1 + 0x1p-11F), 0x3C00);  // the middle, to even
  EXPECT_EQ(bits(1 + 0x1.002p-11F), 0x3C01);
  EXPECT_EQ(bits(1 + 0x3p-11F), 0x3C02);  // the middle, to even
  EXPECT_EQ(bits(-0.0F), 0x8000);
  EXPECT_EQ(bits(65504), 0x7BFF);
  EXPECT_EQ(bits(0x1.FFDFFEp15F), 0x7BFF);  // the last below the middle of 65504 and 65536
  EXPECT_EQ(bits(65520), 0x7C00);           // the middle: too large
  EXPECT_EQ(bits(-1e30F), 0xFC00);
  EXPECT_EQ(bits(std::numeric_limits<float>::infinity()), 0x7C00);
  EXPECT_EQ(bits(0x1p-14F), 0x0400);
  EXPECT_EQ(bits(0x1.FFCp-15F), 0x0400);  // the middle of the largest below the normal numbers and the first of these
  EXPECT_EQ(bits(0x1.FFBFFEp-15F), 0x03FF);
  EXPECT_EQ(bits(0x1p-24F), 0x0001);
  EXPECT_EQ(bits(-0x1p-25F), 0x8000);  // the middle of it and 0, to even
  EXPECT_EQ(bits(0x1.000002p-25F), 0x0001);
  EXPECT_EQ(bits(0x1.8p-24F), 0x0002);  // the middle, to even
  EXPECT_EQ(bits(std::numeric_limits<float>::denorm_min()), 0x0000);
  for (uint32_t nan : {0x7FC00000U, 0x7F800001U, 0xFF80FFFFU, 0x7FFFFFFFU}) {
    EXPECT_TRUE(std::isnan(Float16::Rounded(std::bit_cast<float>(nan)).ToFloat())) << nan;
  }
}

// Of all of them: the value that IEEE 754 gives the bits, which comes back; and what lies between two neighbours goes
// to the nearer one, or to the even one.
TEST(Float16, EveryNumber) {
  const auto value = [](uint32_t b) {  // of the magnitude
    const int exponent = static_cast<int>(b >> 10);
    const double fraction = b & 0x3FF;
    return exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(0x400 + fraction, exponent - 25);
  };
  for (uint32_t b = 0; b < 0x7C00; ++b) {
    const Float16 x = {static_cast<uint16_t>(b)}, minus = {static_cast<uint16_t>(b | 0x8000)};
    ASSERT_EQ(x.ToFloat(), value(b)) << b;
    ASSERT_EQ(minus.ToFloat(), -value(b)) << b;
    ASSERT_TRUE(std::signbit(minus.ToFloat())) << b;
    ASSERT_EQ(Float16::Rounded(x.ToFloat()), x) << b;
    ASSERT_EQ(Float16::Rounded(minus.ToFloat()), minus) << b;
    const auto middle = static_cast<float>((value(b) + value(b + 1)) / 2);
    ASSERT_EQ(Float16::Rounded(middle).bits, b + b % 2) << b;
    ASSERT_EQ(Float16::Rounded(std::nextafter(middle, 0.0F)).bits, b) << b;
    ASSERT_EQ(Float16::Rounded(std::nextafter(middle, 1e30F)).bits, b + 1) << b;
  }
  EXPECT_EQ(Float16{0x7C00}.ToFloat(), std::numeric_limits<float>::infinity());
  EXPECT_EQ(Float16{0xFC00}.ToFloat(), -std::numeric_limits<float>::infinity());
  for (uint32_t b = 0x7C01; b < 0x8000; ++b) {
    ASSERT_TRUE(std::isnan(Float16{static_cast<uint16_t>(b)}.ToFloat())) << b;
  }
}

// Any bits at all, through the kernels of a device. GPUs know but one NaN.
template <typename Low>
void ExpectConvertRoundsTheSame(Device& device) {
  constexpr int64_t kCount = 100003;
  Graph g;
  const Value x = g.Input("x", {kCount}), low = g.Apply(Convert{DTypeOf<Low>()}, {x})[0];
  const std::vector<PlanOutput> outputs = {{"low", low}, {"back", g.Apply(Convert{DType::kF32}, {low})[0]}};
  const auto plan = Plan::Create(g, outputs, device);
  ASSERT_TRUE(plan.ok()) << Message(plan.status());
  const auto context = *Context::Create(*plan, {});
  const auto floats = context->Input("x")->as<float>();
  Random random(1);
  for (float& f : floats) f = std::bit_cast<float>(random.Below(0xFFFFFFFFU));
  ASSERT_TRUE(context->Run().ok());
  const auto rounded = context->Output("low")->template as<Low>();
  const auto back = context->Output("back")->as<float>();
  for (size_t i = 0; i < floats.size(); ++i) {
    if (std::isnan(floats[i]) && device.name() == "cuda") {
      ASSERT_TRUE(std::isnan(rounded[i].ToFloat()) && std::isnan(back[i]));
      continue;
    }
    ASSERT_EQ(rounded[i], Low::Rounded(floats[i])) << floats[i];
    ASSERT_EQ(std::bit_cast<uint32_t>(back[i]), std::bit_cast<uint32_t>(rounded[i].ToFloat()));
  }
}

TEST_P(LowPrecision, ConvertRoundsTheSame) {
  const auto device = DeviceFor(GetParam());
  if (device == nullptr) GTEST_SKIP() << "no device computes in " << Name(GetParam());
  GetParam() == Precision::kFloat16 ? ExpectConvertRoundsTheSame<Float16>(*device)
                                    : ExpectConvertRoundsTheSame<Bfloat16>(*device);
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
  // Neither of the two becomes the other by itself.
  EXPECT_EQ(error([](Graph& b) {
              b.Apply(Add{}, {b.Apply(Convert{DType::kF16}, {b.Input("x", {2})})[0],
                              b.Apply(Convert{DType::kBf16}, {b.Input("y", {2})})[0]});
            }),
            "add: input 1 is BF16, expected F16");
  EXPECT_EQ(error([](Graph& b) {
              b.Apply(Conv2d{}, {b.TypedInput("x", {DType::kF16, {1, 4, 4, 8}}),
                                 b.TypedParameter("w", {DType::kBf16, {8, 8, 1, 1}})});
            }),
            "conv2d: input 1 is BF16, expected F32");
  EXPECT_EQ(error([](Graph& b) {
              b.Apply(LayerNorm{},
                      {b.Apply(Convert{}, {b.Input("x", {2, 2})})[0], b.Parameter("g", {2}), b.Parameter("b", {2})});
            }),
            "layer_norm: input 0 is BF16, expected F32");
  EXPECT_EQ(error([](Graph& b) { b.Apply(Convert{DType::kI64}, {b.Input("x", {2})}); }),
            "convert: to I64, expected F32, BF16 or F16");
  EXPECT_EQ(error([](Graph& b) {
              b.TypedParameter("w", {DType::kU8, {2}});
            }),
            "\"w\" is U8, expected F32, BF16 or F16");
  // Exact arithmetic has no lower precision.
  Graph exact(DType::kF64);
  EXPECT_EQ(exact.desc(exact.Apply(Convert{}, {exact.Input("x", {2})})[0]).dtype, DType::kF64);
}

struct Lowered {
  Builder builder = Builder(1);
  std::vector<PlanOutput> outputs;
  FoldedGraph folded, low;

  Lowered(const std::vector<int>& ops, Precision precision) {
    outputs = {{"logits", builder.CellNetwork(ops)}};
    auto f = FoldForInference(builder.graph, outputs, builder.weights);
    testing::Require(f.status());
    folded = *std::move(f);
    auto l = LowerPrecision(folded, precision);
    testing::Require(l.status());
    low = *std::move(l);
  }
};

template <typename Low>
void ExpectRounded(const Tensor& rounded, const Tensor& from) {
  for (size_t i = 0; i < from.as<float>().size(); ++i) {
    ASSERT_EQ(rounded.as<Low>()[i], Low::Rounded(from.as<float>()[i]));
  }
}

TEST_P(LowPrecision, ConvolutionsComputeInItAndTheEndsAreFloat32) {
  const Lowered n({3, 1, 2, 4, 0, 3}, GetParam());
  const DType type = TypeOf(GetParam());
  const std::string ending = "." + std::string(Name(GetParam()));
  const Graph& g = n.low.graph;
  EXPECT_EQ(PrecisionOf(n.folded.graph), Precision::kFloat32);
  EXPECT_EQ(PrecisionOf(g), GetParam());
  EXPECT_EQ(g.desc(g.Find("images")).dtype, DType::kF32);
  EXPECT_EQ(n.low.outputs[0].value, g.Find("logits"));
  EXPECT_EQ(g.desc(g.Find("logits")).dtype, DType::kF32);
  int converts = 0, convolutions = 0;
  for (const Graph::Node& node : g.nodes()) {
    converts += std::holds_alternative<Convert>(node.op) ? 1 : 0;
    if (std::holds_alternative<Convert>(node.op)) continue;
    // The last normalisation, of a sum that it cannot be folded into, and what reads it.
    if (g.blocks()[node.block] == "head" && !std::holds_alternative<Linear>(node.op)) continue;
    EXPECT_EQ(g.desc(node.inputs[0]).dtype, type) << NameOf(node.op);
    if (!std::holds_alternative<Conv2d>(node.op)) continue;
    ++convolutions;
    EXPECT_EQ(g.desc(node.inputs[1]).dtype, type);
  }
  EXPECT_EQ(converts, 3);  // images, to the head, to its linear layer, which gives its sums as they are
  EXPECT_GT(convolutions, 5);
  for (const TensorMap::Entry& e : n.low.weights.entries()) {
    EXPECT_EQ(e.name.ends_with(ending), e.tensor.desc().dtype == type) << e.name;
    if (!e.name.ends_with(ending)) continue;
    const Tensor* from = n.folded.weights.Find(e.name.substr(0, e.name.rfind('.')));
    ASSERT_NE(from, nullptr) << e.name;
    type == DType::kF16 ? ExpectRounded<Float16>(e.tensor, *from) : ExpectRounded<Bfloat16>(e.tensor, *from);
  }
}

// Against float32. Some 10 layers lie in a row; each rounds its weights and its output, whose errors are independent,
// so that their squares add up: sqrt(2 * 10) roundings.
TEST_P(LowPrecision, SameResultsUpToRounding) {
  const auto device = DeviceFor(GetParam());
  if (device == nullptr) GTEST_SKIP() << "no device computes in " << Name(GetParam());
  for (const std::vector<int>& ops : {std::vector<int>{3, 1, 2, 4, 0, 3}, {3, 3, 3, 3, 3, 3}, {4, 2, 4, 1, 1, 2}}) {
    const Lowered n(ops, GetParam());
    const auto expected = testing::Run(n.builder.graph, n.outputs, n.builder.weights, *ReferenceDevice(DType::kF32));
    const auto result = testing::Run(n.low.graph, n.low.outputs, n.low.weights, *device);
    const double difference = RelativeDifference(result[0], expected[0]);
    EXPECT_LT(difference, std::sqrt(20) * rounding());
    EXPECT_GT(difference, 0);  // it was rounded
    RecordProperty("difference", std::to_string(difference));
    const auto read = GraphFromJson(*GraphToJson(n.low.graph));
    ASSERT_TRUE(read.ok()) << Message(read.status());
    EXPECT_EQ(testing::Run(*read, {{"logits", read->Find("logits")}}, n.low.weights, *device), result);
  }
}

TEST_P(LowPrecision, DelicateOperatorsStayFloat32) {
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
  const auto low = LowerPrecision(folded, GetParam());
  ASSERT_TRUE(low.ok()) << Message(low.status());
  std::string text;
  for (const Graph::Node& node : low->graph.nodes()) {
    text += fmt::format("{} {} -> {}, ", NameOf(node.op), Name(low->graph.desc(node.inputs[0]).dtype),
                        Name(low->graph.desc(node.outputs[0]).dtype));
  }
  EXPECT_EQ(text, fmt::format("convert F32 -> {0}, linear {0} -> F32, layer_norm F32 -> F32, attention F32 -> F32, "
                              "convert F32 -> {0}, linear {0} -> {0}, swish {0} -> {0}, convert {0} -> F32, ",
                              Name(TypeOf(GetParam()))));
  const auto device = DeviceFor(GetParam(), 1);
  if (device == nullptr) GTEST_SKIP() << "no device computes in " << Name(GetParam());
  const auto expected = testing::Run(b.graph, folded.outputs, b.weights, *ReferenceDevice(DType::kF32));
  const auto result = testing::Run(low->graph, low->outputs, low->weights, *device);
  // Input, weights and result of two layers.
  EXPECT_LT(RelativeDifference(result[0], expected[0]), std::sqrt(6) * rounding());
}

TEST_P(LowPrecision, ExpandDepthwiseBecomesTwoConvolutions) {
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
  const auto low = LowerPrecision(folded, GetParam());
  ASSERT_TRUE(low.ok()) << Message(low.status());
  EXPECT_EQ(low->graph.nodes().size(), 4U);  // and a conversion at each end
  const auto device = DeviceFor(GetParam(), 1);
  if (device == nullptr) GTEST_SKIP() << "no device computes in " << Name(GetParam());
  const auto expected = testing::Run(b.graph, folded.outputs, b.weights, *ReferenceDevice(DType::kF32));
  const auto result = testing::Run(low->graph, low->outputs, low->weights, *device);
  EXPECT_LT(RelativeDifference(result[0], expected[0]), std::sqrt(6) * rounding());
}

TEST(LowerPrecision, Errors) {
  const Lowered n({3, 1, 2, 4, 0, 3}, Precision::kBfloat16);
  const auto again = LowerPrecision(n.low, Precision::kFloat16);
  EXPECT_EQ(again.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(again.status()), "the graph is bfloat16 in parts, expected F32 throughout");
  FoldedGraph exact;
  exact.graph = Graph(DType::kF64);
  EXPECT_EQ(Message(LowerPrecision(exact, Precision::kFloat16).status()), "the graph is F64, expected F32 throughout");
  EXPECT_EQ(Message(LowerPrecision(n.folded, Precision::kFloat32).status()), "precision float32: expected a lower one");
  FoldedGraph bare;
  bare.graph = n.folded.graph;
  bare.outputs = n.folded.outputs;
  EXPECT_EQ(LowerPrecision(bare, Precision::kFloat16).status().code(), absl::StatusCode::kNotFound);
  for (Precision p : {Precision::kFloat32, Precision::kBfloat16, Precision::kFloat16}) {
    EXPECT_EQ(ParsePrecision(Name(p)).value(), p);
  }
  EXPECT_EQ(Message(ParsePrecision("half").status()), "precision \"half\": expected float32, bfloat16 or float16");
  // A device without it says so.
  const auto plan = Plan::Create(n.low.graph, n.low.outputs, *ReferenceDevice(DType::kF32));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(Check(*ReferenceDevice(DType::kF32), Precision::kBfloat16).code(), absl::StatusCode::kUnimplemented);
  EXPECT_TRUE(Check(*ReferenceDevice(DType::kF32), Precision::kFloat32).ok());
}

// oneDNN computes in no float16, or in loops.
TEST(LowerPrecision, TheCpuHasNoFloat16) {
  const auto cpu = CpuDevice(1);
  if (!cpu.ok()) GTEST_SKIP() << "no CPU kernels";
  constexpr std::string_view kMessage =
      "element type F16: device cpu computes in F32, on some processors in BF16 too; device cuda has F16";
  EXPECT_EQ(Message(Check(**cpu, Precision::kFloat16)), kMessage);
  const Lowered n({3, 1, 2, 4, 0, 3}, Precision::kFloat16);
  const auto plan = Plan::Create(n.low.graph, n.low.outputs, **cpu);
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(Message(plan.status()).find(kMessage), std::string::npos) << Message(plan.status());
}

// A weight that float16 has no number for would make the network's results infinite.
TEST(LowerPrecision, WeightsThatAreTooLargeAreRefused) {
  Builder b(1);
  const Value x = b.graph.Input("x", {1, 4});
  const Value y = b.graph.Apply(Linear{.has_bias = false}, {x, b.Parameter("l.weight", {2, 4}, 0, 1)})[0];
  b.weights.Find("l.weight")->as<float>()[3] = 7e4F;
  FoldedGraph folded;
  folded.graph = b.graph;
  folded.weights = b.weights.Clone();
  folded.outputs = {{"y", y}};
  EXPECT_TRUE(LowerPrecision(folded, Precision::kBfloat16).ok());
  const auto refused = LowerPrecision(folded, Precision::kFloat16);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(refused.status()), "tensor \"l.weight\": 70000 is too large for float16");
}

}  // namespace
}  // namespace mathnas::kernels
