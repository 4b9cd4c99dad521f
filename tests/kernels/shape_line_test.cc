// The notation of operators: what it takes and refuses, and that a line says all that it was made of.
#include <algorithm>
#include <string>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/status.h"
#include "tests/kernels/operator_shapes.h"

namespace mathnas::kernels::testing {
namespace {

constexpr double kMemory = 0x1p32;

TEST(ShapeLine, TakesNumbersWithAndWithoutEquals) {
  const auto line = ShapeLine::Parse(" n=2\th7  to_h9 rate0.25 bias causal0", "n h to_h rate bias causal x");
  ASSERT_TRUE(line.ok()) << Message(line.status());
  EXPECT_EQ(line->Get("n", 1), 2);
  EXPECT_EQ(line->Get("h", 1), 7);
  EXPECT_EQ(line->Get("to_h", 1), 9);
  EXPECT_EQ(line->Number("rate", 0), 0.25);
  EXPECT_TRUE(line->Has("bias"));
  EXPECT_EQ(line->Get("causal", 1), 0);
  EXPECT_EQ(line->Get("x", 5), 5);
}

TEST(ShapeLine, RefusesWithTheColumn) {
  const auto error = [](std::string_view text) {
    return std::string(Message(ShapeLine::Parse(text, "n h s bias rate e").status()));
  };
  EXPECT_EQ(error("n1 x2"), "column 4: \"x2\": expected a key out of: n h s bias rate e");
  EXPECT_EQ(error("n1 h"), "column 4: \"h\": expected a number after h");
  EXPECT_EQ(error("n="), "column 1: \"n=\": expected a number after n");
  EXPECT_EQ(error("n1a"), "column 1: \"n1a\": expected a number after n");
  EXPECT_EQ(error("n=inf"), "column 1: \"n=inf\": expected a number after n");
  EXPECT_EQ(error("n0x10"), "column 1: \"n0x10\": expected a number after n");
  EXPECT_EQ(error("n1.5"), "column 1: \"n1.5\": expected an integer, 0 to 16777216");
  EXPECT_EQ(error("n-1"), "column 1: \"n-1\": expected an integer, 0 to 16777216");
  EXPECT_EQ(error("n99999999999999999999"), "column 1: \"n99999999999999999999\": expected an integer, 0 to 16777216");
  EXPECT_EQ(error("s0"), "column 1: \"s0\": expected an integer, 1 to 16777216");
  EXPECT_EQ(error("bias2"), "column 1: \"bias2\": expected an integer, 0 to 1");
  EXPECT_EQ(error("n1 n2"), "column 4: \"n2\": n is there twice");
  EXPECT_EQ(error("n16777216 h16777216 e16777216"),
            "column 21: \"e16777216\": with it the product of all sizes is more than 2^62");
}

TEST(ParseProblem, NamesWhatIsWrong) {
  const auto error = [](std::string_view text) { return std::string(Message(ParseProblem(text, kMemory).status())); };
  EXPECT_TRUE(error("conv3d n1").starts_with("column 1: unknown operator \"conv3d\", expected one of conv2d, "));
  EXPECT_TRUE(error("").starts_with("column 1: unknown operator \"\""));
  EXPECT_TRUE(error(" conv2d n1 q4").starts_with("column 12: \"q4\": expected a key out of: n h w c o "));
  EXPECT_EQ(error("relu n0 c4"), "relu: input 0 is 0x1x1x4, expected extents of at least 1");
  EXPECT_EQ(error("relu n4096 h1024 w1024 c1024"),
            "relu: input 0 is 4096x1024x1024x1024, expected less than 2^31 elements");
  EXPECT_EQ(error("relu n1024 h1024 w1024"), "relu: its operands are 8192.0 MiB, expected at most 4096.0");
  EXPECT_FALSE(ParseProblem("conv2d h3 w3 k5", kMemory).ok());
  EXPECT_FALSE(ParseProblem("conv2d h3 w3 c3 g2", kMemory).ok());
  EXPECT_FALSE(ParseProblem("attention b1 t1 s1 heads3 e8 f8", kMemory).ok());
  EXPECT_FALSE(ParseProblem("concat n2 axis2 begin5 terms0", kMemory).ok());
  EXPECT_FALSE(ParseProblem("store b1 l2 t5 e3", kMemory).ok());
  EXPECT_FALSE(ParseProblem("layer_norm n2 c4 axes4 h0", kMemory).ok());
  EXPECT_FALSE(ParseProblem("part n2 axis0 begin1 count5", kMemory).ok());
}

TEST(ParseProblem, ReadsWhatIsDocumented) {
  const auto problem = ParseProblem("conv2d n8 h56 w56 c24 o144 k1 bias relu", kMemory);
  ASSERT_TRUE(problem.ok()) << Message(problem.status());
  const auto& op = std::get<Conv2d>(problem->op);
  EXPECT_TRUE(op.has_bias);
  EXPECT_EQ(op.activation, Activation::kRelu);
  ASSERT_EQ(problem->inputs.size(), 3u);
  EXPECT_EQ(problem->inputs[0].shape, (Shape{8, 56, 56, 24}));
  EXPECT_EQ(problem->inputs[1].shape, (Shape{144, 24, 1, 1}));
}

// Every line of every operator, built, written and built again.
TEST(LineOf, IsTheInverseOfParseProblem) {
  for (const OperatorShape& shape : AllOperatorShapes()) {
    const Problem problem = shape.problem();
    const Descs inputs = InputDescs(problem, DType::kF32, true);
    const auto line = LineOf(problem.op, inputs);
    ASSERT_TRUE(line.ok()) << shape.name() << ": " << Message(line.status());
    auto operands = OutputDescs(problem.op, inputs, DType::kF32);
    ASSERT_TRUE(operands.ok()) << *line;
    operands->insert(operands->end(), inputs.begin(), inputs.end());
    const auto again = ParseProblem(*line, kMemory);
    if (std::any_of(operands->begin(), operands->end(), [](const TensorDesc& d) { return d.elements() == 0; })) {
      EXPECT_FALSE(again.ok()) << *line;  // nothing to be timed
      continue;
    }
    ASSERT_TRUE(again.ok()) << *line << ": " << Message(again.status());
    EXPECT_TRUE(InputDescs(*again, DType::kF32, true) == inputs) << shape.name() << " is not " << *line;
    // What takes no time is not written: the number of tokens, the row of an embedding that is no word.
    if (!std::holds_alternative<SinusoidalPositions>(problem.op)) {
      EXPECT_TRUE(again->op == problem.op) << shape.name() << " is not " << *line;
    }
  }
}

TEST(LineOf, WritesTensorsOfOtherRanksAsOnesOfAsManyElements) {
  EXPECT_EQ(*LineOf(Relu{}, {{DType::kF32, {3, 5}}}), "relu n3 c5");
  EXPECT_EQ(*LineOf(Relu{}, {{DType::kF32, {3, 4, 5}}}), "relu n3 w4 c5");
  EXPECT_EQ(*LineOf(Relu{}, {{DType::kF32, {2, 3, 4, 5, 6}}}), "relu n6 h4 w5 c6");
  EXPECT_EQ(*LineOf(Relu{}, {{DType::kF32, {}}}), "relu");
  EXPECT_EQ(*LineOf(LayerScale{3, 0.5}, {{DType::kF32, {2, 8}}, {DType::kF32, {2, 5, 9}}}),
            "layer_scale n2 c8 rows10 d9 row3 factor0.5");
  EXPECT_EQ(*LineOf(Linear{false}, {{DType::kF32, {2, 3, 4, 5}}, {DType::kF32, {7, 5}}}), "linear n2 t12 i5 o7");
  EXPECT_EQ(*LineOf(Concat{1}, {{DType::kF32, {2, 3, 4}}, {DType::kF32, {2, 3, 4}}}), "concat n2 w3 c4 axis2 growth0");
  EXPECT_EQ(Message(LineOf(Concat{0}, {{DType::kF32, {2, 3}}, {DType::kF32, {1, 3}}}).status()),
            "concat: extents that do not grow evenly have no line");
  EXPECT_TRUE(absl::IsUnimplemented(LineOf(Slice{}, {{DType::kF32, {2, 3}}}).status()));
}

}  // namespace
}  // namespace mathnas::kernels::testing
