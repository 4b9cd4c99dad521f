#include "kernels/graph_json.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>
#include <type_traits>

#include "kernels/differentiate.h"
#include "kernels/fold.h"
#include "nlohmann/json.hpp"
#include "tests/kernels/inference_graphs.h"

namespace mathnas::kernels {
namespace {

using nlohmann::json;
using testing::Builder;

std::string MustWrite(const Graph& graph) {
  auto text = GraphToJson(graph);
  testing::Require(text.status());
  return *std::move(text);
}

std::string Error(std::string_view text) {
  const auto graph = GraphFromJson(text);
  if (graph.ok()) return "";
  EXPECT_EQ(graph.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(Message(graph.status()));
}

// The operators of the attention spaces; the sum of two losses made of them.
Value AttentionOperators(Graph& g, Value images) {
  const Value ids = g.Integers("ids", {2, 3});
  const Value norm = g.Parameter("norm.weight", {8}), norm_bias = g.Parameter("norm.bias", {8});
  const Value tokens = g.Apply(Embedding{.scale = 1.5, .padding = 1}, {ids, g.Parameter("tokens", {9, 8})})[0];
  const Value positions =
      g.Apply(SinusoidalPositions{.columns = 8, .width = 10, .rows = 7, .padding = 1, .from_tokens = true}, {ids})[0];
  const Value placed = g.Apply(Dropout{.rate = 0.25, .stream = 3, .group = 8},
                               {g.Apply(Add{}, {tokens, positions})[0], g.Integers("seed", {1})})[0];
  const Value two = g.Apply(Concat{.axis = 1}, {placed, tokens})[0];
  const Attention attention = {.heads = 2, .causal = true, .masked = true, .padding = 1, .rate = 0.125, .stream = 7};
  Value y = g.Apply(attention, {tokens, two, two, ids, g.Integers("seed", {1})})[0];
  y = g.Apply(LayerNorm{.epsilon = 1e-3, .axes = 2}, {y, norm, norm_bias})[0];
  y = g.Apply(Swish{}, {g.Apply(LayerScale{.row = 3, .factor = 0.25}, {y, g.Parameter("scales", {2, 2, 9})})[0]})[0];
  const Value loss = g.Apply(SoftmaxCrossEntropy{.label_smoothing = 0.1, .ignored_label = 1, .sum = true}, {y, ids})[0];
  g.Apply(Store{}, {g.State("cache", {2, 5, 8}), tokens, g.Integers("at", {1})});
  const Value small = g.Apply(Resize{.height = 3, .width = 2}, {images})[0];
  const Value q = g.Apply(Linear{.has_bias = false}, {small, g.Parameter("rows.weight", {8, 8})})[0];
  const Value mix = g.Parameter("mix.weight", {4, 4}), mix_bias = g.Parameter("mix.bias", {4});
  y = g.Apply(TalkingHeads{.window = 3}, {q, q, q, g.Parameter("table", {25, 4}), mix, mix_bias, mix, mix_bias})[0];
  const Value logits = g.Apply(GlobalAvgPool{}, {y})[0];
  return g.Apply(Add{}, {loss, g.Apply(SoftTargetCrossEntropy{}, {logits, g.Input("targets", {2, 8})})[0]})[0];
}

// ReLU of the sum of y and of its batch normalisation without scales.
Value NormalizedSumOf(Graph& g, Value y, Value mean, Value var) {
  const auto moments = g.Apply(BatchNormMoments{.epsilon = 1e-3, .momentum = 0.3}, {y, mean, var});
  const NormalizedSum sum = {.affine = false, .activation = Activation::kRelu};
  return g.Apply(sum, {y, moments[0], moments[1], y})[0];
}

// A graph with every operator, each of its attributes other than the default.
Graph EveryOperator() {
  Graph g;
  const Value x = g.Input("images", {2, 9, 7, 8});
  const Value labels = g.Labels("labels", 2);
  g.SetBlock("first");
  const Value w = g.Parameter("conv.weight", {8, 2, 3, 3}), bias = g.Parameter("conv.bias", {8});
  g.Apply(Conv2d{.padding = 1, .groups = 4, .has_bias = true, .has_addend = true, .activation = Activation::kRelu},
          {x, w, bias, x});
  g.Apply(
      ExpandDepthwise{
          .stride = 2, .padding = 1, .expand_activation = Activation::kSwish, .activation = Activation::kHardSwish},
      {x, g.Parameter("expand.weight", {8, 8, 1, 1}), bias, g.Parameter("small.weight", {8, 1, 3, 3}), bias});
  Value y = Convolve(g, x, w, bias, 2, 1, 4);
  const Value gamma = g.Parameter("bn.weight", {8}), beta = g.Parameter("bn.bias", {8});
  const Value mean = g.State("bn.running_mean", {8}), var = g.State("bn.running_var", {8});
  y = g.Apply(BatchNormTraining{.epsilon = 1e-3, .momentum = 0.3},
              {Convolve(g, y, w, bias, 1, 1, 4), gamma, beta, mean, var})[0];
  g.Apply(BatchNormInference{.epsilon = 0.1 + 0.2, .affine = false, .relu = true}, {y, mean, var});
  y = NormalizedSumOf(g, y, mean, var);
  g.SetBlock("second");
  y = g.Apply(AvgPool2d{.kernel = 3, .stride = 2, .padding = 1, .include_padding = true}, {g.Apply(Relu{}, {y})[0]})[0];
  y = g.Apply(Add{}, {y, g.Apply(Zero{}, {y})[0], g.Apply(Scale{.factor = -1.0 / 3}, {y})[0]})[0];
  g.SetName(y, "sum");
  const Value large = g.Parameter("depthwise.weight", {12, 1, 7, 7}), matrix = g.Parameter("matrix", {25, 25});
  const Value small = g.Apply(KernelTransform{.kernel = 5}, {Leading(g, large, 8), matrix})[0];
  y = g.Apply(HardSwish{}, {Convolve(g, y, small, Value{}, 1, 2, 8)})[0];
  const Value gate = g.Apply(HardSigmoid{}, {g.Apply(GlobalAvgPool{}, {y})[0]})[0];
  y = g.Apply(GlobalAvgPool{}, {g.Apply(ScaleChannels{}, {y, gate})[0]})[0];
  const Value logits =
      g.Apply(Linear{.has_bias = true}, {y, g.Parameter("fc.weight", {5, 8}), g.Parameter("fc.bias", {5})})[0];
  g.SetName(logits, "logits");
  const Value attended = AttentionOperators(g, x);
  const Value adaptive = g.Apply(AdaptiveTargets{.clip = 4}, {logits, g.Input("teacher_logits", {2, 5})})[0];
  const Value loss =
      g.Apply(Add{}, {attended, g.Apply(SoftmaxCrossEntropy{.label_smoothing = 0.1}, {logits, labels})[0],
                      g.Apply(SoftTargetCrossEntropy{}, {logits, g.Input("teacher", {2, 5})})[0],
                      g.Apply(SoftTargetCrossEntropy{}, {logits, adaptive})[0]})[0];
  AccumulateGradients(g, Differentiate(g, loss));
  g.Apply(Fill{.value = 1e-300, .shape = {3, 1, 4}}, {});
  g.Apply(Fill{.value = 2, .shape = {}}, {});
  const Value low = g.Apply(Convert{.to = DType::kBf16}, {x})[0];
  const Value typed = g.TypedParameter("low.weight", {DType::kBf16, {5, 8}});
  g.Apply(Linear{.has_bias = false, .wide_dst = true}, {low, typed});
  g.Apply(Add{}, {low, g.TypedInput("low", {DType::kBf16, {2, 9, 7, 8}})});
  g.Apply(Convert{.to = DType::kF32}, {low});
  const Value half = g.Apply(Convert{.to = DType::kF16}, {x})[0];
  g.Apply(Add{}, {half, g.TypedInput("half", {DType::kF16, {2, 9, 7, 8}})});
  return g;
}

void ExpectSame(const Graph& a, const Graph& b) {
  EXPECT_EQ(a.real(), b.real());
  EXPECT_EQ(a.blocks(), b.blocks());
  ASSERT_EQ(a.values().size(), b.values().size());
  ASSERT_EQ(a.nodes().size(), b.nodes().size());
  // Values are numbered anew: leaves come first.
  std::vector<Value> of_a(a.values().size());
  for (ValueKind kind : {ValueKind::kInput, ValueKind::kParameter, ValueKind::kState}) {
    const auto from = a.Leaves(kind), to = b.Leaves(kind);
    ASSERT_EQ(from.size(), to.size());
    for (size_t i = 0; i < from.size(); ++i) of_a[from[i].id] = to[i];
  }
  for (size_t n = 0; n < a.nodes().size(); ++n) {
    const Graph::Node &x = a.nodes()[n], &y = b.nodes()[n];
    EXPECT_EQ(x.op, y.op);
    EXPECT_EQ(x.block, y.block);
    ASSERT_EQ(x.inputs.size(), y.inputs.size());
    for (size_t i = 0; i < x.inputs.size(); ++i) EXPECT_EQ(of_a[x.inputs[i].id], y.inputs[i]);
    for (size_t i = 0; i < x.outputs.size(); ++i) of_a[x.outputs[i].id] = y.outputs[i];
  }
  for (size_t i = 0; i < of_a.size(); ++i) {
    const Graph::ValueInfo &x = a.values()[i], &y = b.info(of_a[i]);
    EXPECT_EQ(x.desc, y.desc);
    EXPECT_EQ(x.kind, y.kind);
    EXPECT_EQ(x.needs_gradient, y.needs_gradient);
    EXPECT_EQ(x.name, y.name);
  }
}

TEST(GraphJson, RoundTripOfEveryOperator) {
  const Graph graph = EveryOperator();
  testing::Require(graph.status());
  std::set<size_t> kinds;
  for (const Graph::Node& n : graph.nodes()) kinds.insert(n.op.index());
  EXPECT_EQ(kinds.size(), std::variant_size_v<Operator>) << "EveryOperator lacks one";

  const std::string text = MustWrite(graph);
  const auto read = GraphFromJson(text);
  testing::Require(read.status());
  ExpectSame(graph, *read);
  EXPECT_EQ(MustWrite(*read), text);
  EXPECT_EQ(read->Find("logits"), read->nodes()[graph.info(graph.Find("logits")).node].outputs[0]);
}

TEST(GraphJson, RoundTripOfDoublesAndOfFoldedNetworks) {
  Graph doubles(DType::kF64);
  doubles.Apply(Relu{}, {doubles.Input("x", {1, 2})});
  auto read = GraphFromJson(MustWrite(doubles));
  testing::Require(read.status());
  ExpectSame(doubles, *read);
  ExpectSame(Graph(), *GraphFromJson(MustWrite(Graph())));

  Builder b(1);
  const Value logits = b.CellNetwork({3, 1, 2, 4, 0, 3});
  auto folded = FoldForInference(b.graph, {{"logits", logits}}, b.weights);
  testing::Require(folded.status());
  read = GraphFromJson(MustWrite(folded->graph));
  testing::Require(read.status());
  ExpectSame(folded->graph, *read);
  const auto device = ReferenceDevice(DType::kF32);
  EXPECT_EQ(testing::Run(*read, {{"logits", read->Find("logits")}}, folded->weights, *device),
            testing::Run(folded->graph, folded->outputs, folded->weights, *device));
}

TEST(GraphJson, UnwritableGraphs) {
  Graph broken;
  broken.Fail(absl::InvalidArgumentError("broken"));
  EXPECT_EQ(Message(GraphToJson(broken).status()), "broken");

  Graph infinite;
  infinite.Apply(Scale{.factor = std::numeric_limits<double>::infinity()}, {infinite.Input("x", {1})});
  EXPECT_EQ(Message(GraphToJson(infinite).status()), "scale: factor is inf, expected a finite number");

  Graph bytes;
  bytes.Input("\xff\xfe", {1});
  EXPECT_EQ(GraphToJson(bytes).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(GraphJson, AttributesHaveDefaults) {
  const auto graph = GraphFromJson(R"({"format": "mathnas-graph/1", "type": "F32", "blocks": [""], "names": {},
      "leaves": [{"kind": "input", "name": "x", "shape": [1, 4, 4, 2]}, {"kind": "parameter", "name": "w", "shape": [3, 2, 1, 1]}],
      "nodes": [{"op": "conv2d", "inputs": [0, 1], "block": 0, "attributes": {"stride": 2}}]})");
  testing::Require(graph.status());
  EXPECT_EQ(graph->nodes()[0].op, Operator(Conv2d{.stride = 2}));
}

// A valid document, and what becomes of it when one place is changed.
class HostileGraphJson : public ::testing::Test {
 protected:
  HostileGraphJson()
      : valid_(json::parse(R"({"format": "mathnas-graph/1", "type": "F32", "blocks": ["", "b"], "names": {"out": 3},
      "leaves": [{"kind": "input", "name": "x", "shape": [1, 4, 4, 2]}, {"kind": "parameter", "name": "w", "shape": [2, 2, 3, 3]}],
      "nodes": [{"op": "conv2d", "inputs": [0, 1], "block": 1, "attributes": {"padding": 1}}, {"op": "add", "inputs": [0, 2], "block": 0}]})")) {
    EXPECT_EQ(Error(valid_.dump()), "");
  }
  std::string With(const char* pointer, const json& value) const {
    json changed = valid_;
    changed[json::json_pointer(pointer)] = value;
    return Error(changed.dump());
  }
  std::string Without(const char* parent, const char* key) const {
    json changed = valid_;
    changed[json::json_pointer(parent)].erase(key);
    return Error(changed.dump());
  }

  json valid_;
};

TEST_F(HostileGraphJson, NotADocument) {
  EXPECT_EQ(Error(""), "not valid JSON at byte 1");
  EXPECT_EQ(Error("[1]"), "document: found an array, expected an object");
  EXPECT_EQ(Error("3"), "document: found 3, expected an object");
  EXPECT_EQ(Error(std::string("{}\0", 3)), "holds a zero byte, expected JSON");
  EXPECT_EQ(Error(std::string(1'000'000, '[')), "nested deeper than 8");
  EXPECT_EQ(Error("{\"a\": " + std::string(1'000'000, '{')), "not valid JSON at byte 8");
  EXPECT_EQ(Error(R"({"a": 1, "a": 2})"), "name \"a\" twice in one object");
  EXPECT_EQ(Error(R"({"a": 1e999})"), "not valid JSON at byte 11");
  EXPECT_EQ(Error(R"({"a": NaN})"), "not valid JSON at byte 7");
  EXPECT_EQ(Error("{\"a\": \"\xff\"}"), "not valid JSON at byte 8");
  EXPECT_EQ(Error(std::string((size_t{64} << 20) + 1, ' ')), "67108865 bytes of JSON, expected at most 67108864");
}

TEST_F(HostileGraphJson, EveryPrefixIsRefused) {
  const std::string text = MustWrite(EveryOperator());
  for (size_t n = 0; n < text.size(); ++n) EXPECT_NE(Error(text.substr(0, n)), "") << n;
}

// No error text is expected here, but no crash either, whatever the sanitizers watch.
TEST_F(HostileGraphJson, RandomChanges) {
  const std::string text = MustWrite(EveryOperator());
  Random random(3);
  const std::string_view alphabet = "0123456789-.eE,:[]{}\"tfn x";
  for (int i = 0; i < 3000; ++i) {
    std::string changed = text;
    for (uint32_t k = 1 + random.Below(3); k > 0; --k) {
      changed[random.Below(static_cast<uint32_t>(changed.size()))] =
          alphabet[random.Below(static_cast<uint32_t>(alphabet.size()))];
    }
    Error(changed);
  }
}

TEST_F(HostileGraphJson, Document) {
  EXPECT_EQ(With("/format", "mathnas-graph/2"), "format: found \"mathnas-graph/2\", expected \"mathnas-graph/1\"");
  EXPECT_EQ(With("/format", 1), "format: found 1, expected a string");
  EXPECT_EQ(With("/type", "I64"), "type: found \"I64\", expected \"F32\" or \"F64\"");
  EXPECT_EQ(With("/nodes", json::object()), "nodes: found an object, expected an array");
  EXPECT_EQ(Without("", "leaves"), "leaves: missing");
  EXPECT_EQ(With("/extra", 1), "[\"extra\"]: unknown, expected format, type, blocks, leaves, nodes, names");
  EXPECT_EQ(With("/nodes", json(std::vector<int>(1'000'001))), "nodes: 1000001 entries, expected at most 1000000");
}

TEST_F(HostileGraphJson, Blocks) {
  EXPECT_EQ(With("/blocks", json::array()), "blocks: empty, expected \"\" first");
  EXPECT_EQ(With("/blocks/0", "a"), "blocks[0]: found \"a\", expected \"\" first and every name once");
  EXPECT_EQ(With("/blocks/1", ""), "blocks[1]: found \"\", expected \"\" first and every name once");
  EXPECT_EQ(With("/blocks/1", 5), "blocks[1]: found 5, expected a string");
}

TEST_F(HostileGraphJson, Leaves) {
  EXPECT_EQ(With("/leaves/0", 7), "leaves[0]: found 7, expected an object");
  EXPECT_EQ(With("/leaves/0/kind", "computed"),
            "leaves[0].kind: found \"computed\", expected input, integers, parameter or state");
  EXPECT_EQ(With("/leaves/1/name", "x"), "leaves[1].name: found \"x\", expected every name once");
  EXPECT_EQ(With("/leaves/1/colour", "red"), "leaves[1][\"colour\"]: unknown, expected kind, name, shape, type");
  EXPECT_EQ(Without("/leaves/1", "name"), "leaves[1].name: missing");
  for (const json& extent :
       {json(-1), json(0), json(std::numeric_limits<int64_t>::min()), json(uint64_t{1} << 63),
        json(std::numeric_limits<uint64_t>::max()), json(int64_t{1} << 31), json(1.5), json("4"), json()}) {
    EXPECT_EQ(With("/leaves/0/shape/1", extent),
              "leaves[0].shape[1]: found " + extent.dump() + ", expected 1 to 2147483647");
  }
  EXPECT_EQ(With("/leaves/0/shape", {65536, 65536, 65536, 65536}), "leaves[0].shape: more than 2147483647 elements");
  EXPECT_EQ(With("/leaves/0/shape", json(std::vector<int>(9, 1))),
            "leaves[0].shape: found an array, expected an array of at most 8 extents");
}

TEST_F(HostileGraphJson, Nodes) {
  EXPECT_EQ(With("/nodes/1", "add"), "nodes[1]: found \"add\", expected an object");
  EXPECT_TRUE(With("/nodes/1/op", "softplus")
                  .starts_with("nodes[1].op: unknown operator \"softplus\", expected one of conv2d, "));
  EXPECT_EQ(With("/nodes/1/op", std::string(100, 'a')).substr(0, 97),
            "nodes[1].op: unknown operator \"" + std::string(60, 'a') + "\"..., ");
  EXPECT_EQ(With("/nodes/1/block", 2), "nodes[1].block: found 2, expected 0 to 1");
  EXPECT_EQ(With("/nodes/1/name", "y"), "nodes[1][\"name\"]: unknown, expected op, attributes, inputs, block");
  EXPECT_EQ(With("/nodes/1/inputs/1", 3), "nodes[1].inputs[1]: found 3, expected one of the 3 values so far");
  EXPECT_EQ(With("/nodes/1/inputs/1", -1), "nodes[1].inputs[1]: found -1, expected one of the 3 values so far");
  EXPECT_EQ(With("/nodes/1/inputs/0", 1.0), "nodes[1].inputs[0]: found 1.0, expected one of the 3 values so far");
  EXPECT_EQ(With("/nodes/1/inputs", json(std::vector<int>(1025))),
            "nodes[1].inputs: 1025 entries, expected at most 1024");
  EXPECT_EQ(With("/nodes/1/inputs/1", 1), "nodes[1]: add: input 1 is 2x2x3x3, expected 1x4x4x2");
  EXPECT_EQ(With("/nodes/1/inputs", json::array()), "nodes[1]: add: no inputs, expected at least 1");
}

TEST_F(HostileGraphJson, Attributes) {
  EXPECT_EQ(With("/nodes/0/attributes", 1), "nodes[0].attributes: found 1, expected an object");
  EXPECT_EQ(With("/nodes/0/attributes/stride", 0).substr(0, 23), "nodes[0]: b: conv2d: st");
  EXPECT_EQ(With("/nodes/0/attributes/stride", "2"),
            "nodes[0].attributes.stride: found \"2\", expected an integer of at most 16777216 in size");
  EXPECT_EQ(With("/nodes/0/attributes/padding", 1 << 30),
            "nodes[0].attributes.padding: found 1073741824, expected an integer of at most 16777216 in size");
  EXPECT_EQ(With("/nodes/0/attributes/activation", "gelu"),
            "nodes[0].attributes.activation: found \"gelu\", expected none, relu, hard_swish or swish");
  EXPECT_EQ(With("/nodes/0/attributes/has_addend", 1),
            "nodes[0].attributes.has_addend: found 1, expected true or false");
  EXPECT_EQ(With("/nodes/0/attributes/dilation", 2),
            "nodes[0].attributes[\"dilation\"]: unknown, conv2d has activation, groups, has_addend, has_bias, padding, "
            "stride");
  EXPECT_EQ(With("/nodes/1/attributes", {{"x", 1}}), "nodes[1].attributes[\"x\"]: unknown, add has none");
  EXPECT_EQ(With("/nodes/1", {{"op", "scale"}, {"inputs", {0}}, {"block", 0}, {"attributes", {{"factor", "a"}}}}),
            "nodes[1].attributes.factor: found \"a\", expected a number");
  const auto fill = [](const json& shape) {
    return json{{"op", "fill"}, {"inputs", json::array()}, {"block", 0}, {"attributes", {{"shape", shape}}}};
  };
  EXPECT_EQ(With("/nodes/1", fill({2, 3})), "");
  EXPECT_EQ(With("/nodes/1", fill({2, -3})), "nodes[1].attributes.shape[1]: found -3, expected 1 to 2147483647");
  EXPECT_EQ(With("/nodes/1", fill({1 << 16, 1 << 16})), "nodes[1].attributes.shape: more than 2147483647 elements");
  EXPECT_EQ(With("/nodes/1", fill("x")),
            "nodes[1].attributes.shape: found \"x\", expected an array of at most 8 extents");
}

// Extents that operators compute from attributes.
TEST_F(HostileGraphJson, OutputsAreBounded) {
  EXPECT_TRUE(With("/nodes/0/attributes/padding", 1 << 24)
                  .starts_with("nodes[0]: the output is 1x33554434x33554434x2, expected"));
  const json grown = {{"op", "conv2d_backward_data"},
                      {"inputs", {0, 1}},
                      {"block", 0},
                      {"attributes", {{"height", 1 << 24}, {"width", 1 << 24}, {"stride", 1 << 22}, {"padding", 1}}}};
  EXPECT_TRUE(With("/nodes/1", grown).starts_with("nodes[1]: ")) << With("/nodes/1", grown);
  const json pooled = {{"op", "global_avg_pool"}, {"inputs", {0}}, {"block", 0}};
  json changed = valid_;
  changed["nodes"] = {pooled,
                      {{"op", "global_avg_pool_backward"},
                       {"inputs", {2}},
                       {"block", 0},
                       {"attributes", {{"height", 1 << 24}, {"width", 1 << 24}}}}};
  EXPECT_TRUE(Error(changed.dump()).starts_with("nodes[1]: the output is 1x16777216x16777216x2"));
}

TEST_F(HostileGraphJson, Names) {
  EXPECT_EQ(With("/names/out", 4), "names[\"out\"]: found 4, expected one of the 4 values so far");
  EXPECT_EQ(With("/names/again", 3), "names[\"out\"]: value 3 is \"again\" already");
  EXPECT_EQ(With("/names/x", 2), "names[\"x\"]: taken, expected every name once");
  EXPECT_EQ(With("/names", {{"", 2}}), "names[\"\"]: empty");
  EXPECT_EQ(With("/names", {{"y", 1}}), "names[\"y\"]: value 1 is \"w\" already");
}

}  // namespace
}  // namespace mathnas::kernels
