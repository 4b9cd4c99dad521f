#include "kernels/plan.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <thread>
#include <utility>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/differentiate.h"
#include "kernels/status.h"
#include "kernels/testing/operator_runner.h"
#include "tests/kernels/training_graph.h"

namespace mathnas::kernels {
namespace {

using testing::FillInputs;
using testing::RandomTensors;
using testing::RunOperator;
using testing::Tensors;
using testing::TrainingGraph;

std::vector<std::shared_ptr<Device>> Devices() {
  std::vector<std::shared_ptr<Device>> devices = {ReferenceDevice(DType::kF32)};
  if (auto cpu = CpuDevice(1); cpu.ok()) devices.push_back(*cpu);
  if (auto cuda = CudaDevice(); cuda.ok()) devices.push_back(*cuda);
  return devices;
}

bool SameBits(const TensorView& a, const TensorView& b) {
  return a.desc == b.desc && (a.desc.bytes() == 0 || std::memcmp(a.data, b.data, a.desc.bytes()) == 0);
}

// The graph node by node, every value in memory of its own: no plan, no arena, nothing in place.
std::map<int32_t, Tensor> EvaluateDirectly(const Graph& graph, Device& device, const Context& inputs,
                                           TensorMap& tensors) {
  std::map<int32_t, Tensor> values;
  const auto copy = [](const TensorView& view) {
    Tensor tensor(view.desc);
    if (view.desc.bytes() > 0) std::memcpy(tensor.data(), view.data, view.desc.bytes());
    return tensor;
  };
  for (ValueKind kind : {ValueKind::kParameter, ValueKind::kState}) {
    for (Value v : graph.Leaves(kind)) values.emplace(v.id, copy(tensors.Find(graph.info(v).name)->view()));
  }
  for (Value v : graph.Leaves(ValueKind::kInput)) values.emplace(v.id, copy(*inputs.Input(graph.info(v).name)));
  for (const Graph::Node& node : graph.nodes()) {
    testing::Problem problem = {node.op, {}};
    Tensors operands;
    std::vector<int32_t> results;
    for (Value v : node.outputs) results.push_back(v.id);
    for (Value v : node.inputs) {
      const bool state = graph.info(v).kind == ValueKind::kState;
      if (state) results.push_back(v.id);
      const bool labels = graph.desc(v).dtype == DType::kI64;
      problem.inputs.push_back({state    ? testing::InputSpec::kState
                                : labels ? testing::InputSpec::kLabels
                                         : testing::InputSpec::kActivation,
                                graph.desc(v).shape});
      operands.push_back(values.at(v.id).Clone());
    }
    auto run = RunOperator(device, problem, operands);
    EXPECT_TRUE(run.ok()) << NameOf(node.op) << ": " << Message(run.status());
    if (!run.ok()) break;
    for (size_t i = 0; i < results.size(); ++i) values.insert_or_assign(results[i], std::move(run->results[i]));
  }
  return values;
}

class PlanOnReference : public ::testing::TestWithParam<DType> {};

TEST_P(PlanOnReference, GivesTheBitsOfDirectEvaluation) {
  const auto device = ReferenceDevice(GetParam());
  TrainingGraph t(GetParam());
  ASSERT_TRUE(t.graph.status().ok()) << Message(t.graph.status());
  TensorMap tensors = RandomTensors(t.graph, 1);
  TensorMap direct_tensors = tensors.Clone();
  auto plan = Plan::Create(t.graph, t.outputs, *device);
  ASSERT_TRUE(plan.ok()) << Message(plan.status());
  const TensorMap* const bound[] = {&tensors};
  auto context = Context::Create(*plan, bound);
  ASSERT_TRUE(context.ok()) << Message(context.status());
  FillInputs(**context, 2);
  const auto values = EvaluateDirectly(t.graph, *device, **context, direct_tensors);
  ASSERT_TRUE((*context)->Run().ok());
  for (const PlanOutput& o : t.outputs) {
    const auto output = (*context)->Output(o.name);
    ASSERT_TRUE(output.ok()) << Message(output.status());
    EXPECT_TRUE(SameBits(*output, values.at(o.value.id).view())) << o.name;
  }
  size_t changed = 0;
  const std::vector<Value> states = t.graph.Leaves(ValueKind::kState);
  for (Value v : states) {
    const std::string& name = t.graph.info(v).name;
    EXPECT_TRUE(SameBits(tensors.Find(name)->view(), values.at(v.id).view())) << name;
    changed += SameBits(tensors.Find(name)->view(), direct_tensors.Find(name)->view()) ? 0 : 1;
  }
  EXPECT_GT(changed, states.size() / 2);  // not all: a shift before a batch norm has no gradient but rounding
}

INSTANTIATE_TEST_SUITE_P(Types, PlanOnReference, ::testing::Values(DType::kF32, DType::kF64),
                         [](const auto& test) { return std::string(Name(test.param)); });

TEST(Plan, InputsAreKeptAndRunsRepeat) {
  const auto device = ReferenceDevice(DType::kF32);
  TrainingGraph t(DType::kF32);
  TensorMap tensors = RandomTensors(t.graph, 1);
  const TensorMap* const bound[] = {&tensors};
  auto context = *Context::Create(*Plan::Create(t.graph, t.outputs, *device), bound);
  FillInputs(*context, 2);
  std::map<std::string, std::vector<float>> first;
  ASSERT_TRUE(context->Run().ok());
  const auto read = [&](const std::string& name) {
    const auto view = context->Output(name)->as<float>();
    return std::vector<float>(view.begin(), view.end());
  };
  for (const PlanOutput& o : t.outputs) first[o.name] = read(o.name);
  ASSERT_TRUE(context->Run().ok());
  for (const PlanOutput& o : t.outputs) EXPECT_EQ(read(o.name), first[o.name]) << o.name;
}

// Two threads, one plan, a context each: the same bits as one after the other.
TEST(Plan, IsSharedByThreads) {
  for (const auto& device : Devices()) {
    TrainingGraph t(DType::kF32);
    auto plan = Plan::Create(t.graph, t.outputs, *device);
    ASSERT_TRUE(plan.ok()) << Message(plan.status());
    const auto run = [&](std::vector<float>& result) {
      TensorMap tensors = RandomTensors(t.graph, 1);
      const TensorMap* const bound[] = {&tensors};
      auto context = Context::Create(*plan, bound);
      ASSERT_TRUE(context.ok()) << Message(context.status());
      FillInputs(**context, 2);
      for (int i = 0; i < 20; ++i) ASSERT_TRUE((*context)->Run().ok());
      for (const PlanOutput& o : t.outputs) {
        for (float x : (*context)->Output(o.name)->as<float>()) result.push_back(x);
      }
      for (const TensorMap::Entry& e : tensors.entries()) {
        for (float x : e.tensor.as<float>()) result.push_back(x);
      }
    };
    std::vector<float> alone, a, b;
    run(alone);
    std::thread one(run, std::ref(a)), two(run, std::ref(b));
    one.join();
    two.join();
    EXPECT_EQ(a, alone) << device->name();
    EXPECT_EQ(b, alone) << device->name();
  }
}

TEST(Plan, LaysActivationsOverEachOther) {
  Graph g;
  const Value x = g.Input("x", {1, 16, 16, 8});
  Value y = x;
  const Value w = g.Parameter("w", {8, 8, 3, 3});
  for (int i = 0; i < 10; ++i) y = Convolve(g, y, w, Value{}, 1, 1);
  auto plan = Plan::Create(g, {{"y", y}}, *ReferenceDevice(DType::kF32));
  ASSERT_TRUE(plan.ok());
  const size_t one = g.desc(x).bytes();
  EXPECT_EQ((*plan)->arena_bytes() - (*plan)->scratch_bytes(), 3 * one);  // the input stays, two take turns
}

TEST(Plan, ElementwiseOperatorsRunInPlace) {
  Graph g;
  const Value x = g.Input("x", {1, 16, 16, 8});
  Value y = g.Apply(Scale{2}, {x})[0];
  for (int i = 0; i < 5; ++i) y = g.Apply(Relu{}, {g.Apply(Add{}, {y, x})[0]})[0];
  auto plan = Plan::Create(g, {{"y", y}}, *ReferenceDevice(DType::kF32));
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ((*plan)->arena_bytes(), 2 * g.desc(x).bytes());
}

TEST(Plan, RunsOnlyWhatIsNeeded) {
  Graph g;
  const Value x = g.Input("x", {1, 4});
  const Value y = g.Apply(Relu{}, {x})[0];
  g.Apply(Linear{false}, {x, g.Parameter("unused", {4, 4})});
  g.Apply(Accumulate{}, {g.State("sum", {1, 4}), y});
  auto plan = Plan::Create(g, {}, *ReferenceDevice(DType::kF32));
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ((*plan)->steps().size(), 2u);
  ASSERT_EQ((*plan)->bound().size(), 1u);
  EXPECT_EQ((*plan)->bound()[0].name, "sum");
}

TEST(Plan, SumsSkipZeros) {
  Graph g;
  const Value x = g.Input("x", {1, 4, 4, 2}), y = g.Input("y", {1, 4, 4, 2});
  const Value zero = g.Apply(Zero{}, {x})[0];
  const Value pooled = g.Apply(AvgPool2d{.kernel = 3, .stride = 1, .padding = 1}, {zero})[0];
  const Value sum = g.Apply(Add{}, {zero, x, pooled, y})[0];
  const Value alone = g.Apply(Add{}, {x, zero})[0];
  const Value nothing = g.Apply(Add{}, {zero, pooled})[0];
  auto plan = Plan::Create(g, {{"sum", sum}, {"alone", alone}, {"nothing", nothing}}, *ReferenceDevice(DType::kF32));
  ASSERT_TRUE(plan.ok()) << Message(plan.status());
  EXPECT_EQ((*plan)->steps().size(), 2u) << (*plan)->ToString();  // one sum, one constant
  auto context = *Context::Create(*plan, {});
  const auto xs = context->Input("x")->as<float>(), ys = context->Input("y")->as<float>();
  for (size_t i = 0; i < xs.size(); ++i) xs[i] = static_cast<float>(i), ys[i] = 0.5f;
  ASSERT_TRUE(context->Run().ok());
  for (size_t i = 0; i < xs.size(); ++i) {
    EXPECT_EQ(context->Output("sum")->as<float>()[i], static_cast<float>(i) + 0.5f);
    EXPECT_EQ(context->Output("alone")->as<float>()[i], static_cast<float>(i));
    EXPECT_EQ(context->Output("nothing")->as<float>()[i], 0);
  }
}

// A convolution may take over its addend's memory, but not while it still reads it as its source.
TEST(Plan, AddendThatIsAlsoTheSource) {
  for (const auto& device : Devices()) {
    Graph g;
    const Value x = g.Input("x", {1, 6, 6, 8});
    const Value source = g.Apply(Scale{1}, {x})[0];
    const Value w = g.Parameter("w", {8, 8, 3, 3});
    const Value fused = g.Apply(Conv2d{.padding = 1, .has_addend = true}, {source, w, source})[0];
    const Value expected = g.Apply(Add{}, {Convolve(g, x, w, Value{}, 1, 1), x})[0];
    TensorMap tensors = RandomTensors(g, 1);
    const TensorMap* const bound[] = {&tensors};
    auto plan = Plan::Create(g, {{"fused", fused}}, *device);
    auto reference = Plan::Create(g, {{"expected", expected}}, *device);
    ASSERT_TRUE(plan.ok() && reference.ok());
    auto context = *Context::Create(*plan, bound), reference_context = *Context::Create(*reference, bound);
    FillInputs(*context, 3);
    FillInputs(*reference_context, 3);
    ASSERT_TRUE(context->Run().ok() && reference_context->Run().ok());
    const auto got = context->Output("fused")->as<float>(), want = reference_context->Output("expected")->as<float>();
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-5) << device->name() << " " << i;
  }
}

// The first parameter has the number 0, and the largest activation the offset 0: they are not the same place.
TEST(Plan, AddendThatIsAParameter) {
  for (const auto& device : Devices()) {
    Graph g;
    const Value addend = g.Parameter("addend", {1, 6, 6, 8}), w = g.Parameter("w", {8, 2, 1, 1});
    const Value x = g.Input("x", {1, 6, 6, 2});
    const Value fused = g.Apply(Conv2d{.has_addend = true}, {x, w, addend})[0];
    const Value expected = g.Apply(Add{}, {Convolve(g, x, w, Value{}, 1, 0), addend})[0];
    TensorMap tensors = RandomTensors(g, 1);
    const TensorMap before = tensors.Clone();
    const TensorMap* const bound[] = {&tensors};
    auto plan = Plan::Create(g, {{"fused", fused}}, *device);
    auto reference = Plan::Create(g, {{"expected", expected}}, *device);
    ASSERT_TRUE(plan.ok() && reference.ok());
    auto context = *Context::Create(*plan, bound), reference_context = *Context::Create(*reference, bound);
    FillInputs(*context, 3);
    FillInputs(*reference_context, 3);
    for (int run = 0; run < 2; ++run) {
      ASSERT_TRUE(context->Run().ok() && reference_context->Run().ok());
      const auto got = context->Output("fused")->as<float>(), want = reference_context->Output("expected")->as<float>();
      for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-5) << device->name() << " " << i;
    }
    EXPECT_TRUE(SameBits(tensors.Find("addend")->view(), before.Find("addend")->view())) << device->name();
  }
}

TEST(Plan, ErrorsNameWhatIsWrong) {
  const auto device = ReferenceDevice(DType::kF32);
  {
    Graph g, other;
    other.Input("a", {1});
    other.Input("b", {1});
    g.Input("x", {1});
    const auto plan = Plan::Create(g, {{"y", Value{}}}, *device);
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(Message(plan.status()).find("\"y\""), std::string::npos) << Message(plan.status());
    EXPECT_FALSE(Plan::Create(g, {{"y", other.Find("b")}}, *device).ok());
  }
  {
    Graph g;
    g.Apply(Add{}, {});
    EXPECT_EQ(Plan::Create(g, {}, *device).status(), g.status());
  }
}

// A device in float would read doubles as floats.
TEST(Plan, GraphAndDeviceMustHaveTheSameType) {
  Graph g(DType::kF64);
  const Value y = g.Apply(Relu{}, {g.Input("x", {4})})[0];
  const auto plan = Plan::Create(g, {{"y", y}}, *ReferenceDevice(DType::kF32));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
  for (const char* word : {"F64", "F32"}) EXPECT_NE(Message(plan.status()).find(word), std::string::npos);
}

TEST(Context, ErrorsNameTheTensor) {
  const auto device = ReferenceDevice(DType::kF32);
  Graph g;
  const Value y = g.Apply(Linear{false}, {g.Input("x", {1, 4}), g.Parameter("head.weight", {3, 4})})[0];
  const auto plan = *Plan::Create(g, {{"y", y}}, *device);
  TensorMap tensors;
  const TensorMap* const bound[] = {&tensors};
  const auto missing = Context::Create(plan, bound);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(Message(missing.status()).find("head.weight"), std::string::npos);
  EXPECT_FALSE(Context::Create(plan, {}).ok());
  for (const TensorDesc& desc : {TensorDesc{DType::kF32, {4, 3}}, TensorDesc{DType::kF64, {3, 4}}}) {
    tensors.Put("head.weight", Tensor(desc));
    const auto wrong = Context::Create(plan, bound);
    EXPECT_EQ(wrong.status().code(), absl::StatusCode::kInvalidArgument);
    for (const std::string& word : {std::string("head.weight"), ToString(desc.shape), std::string(Name(desc.dtype)),
                                    std::string("3x4"), std::string("F32")}) {
      EXPECT_NE(Message(wrong.status()).find(word), std::string::npos) << word << ": " << Message(wrong.status());
    }
  }
  tensors.Put("head.weight", Tensor(DType::kF32, {3, 4}));
  const auto context = *Context::Create(plan, bound);
  const auto input = context->Input("image");
  EXPECT_EQ(input.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(Message(input.status()).find("image"), std::string::npos);
  EXPECT_NE(Message(input.status()).find("\"x\""), std::string::npos) << Message(input.status());
  EXPECT_FALSE(context->Output("x").ok());
}

// Weights are looked for in one map after the other: gradients and weights may live apart.
TEST(Context, LooksThroughTheMapsInOrder) {
  Graph g;
  const Value y = g.Apply(Relu{}, {g.Parameter("a", {1})})[0], z = g.Apply(Relu{}, {g.Parameter("b", {1})})[0];
  const auto plan = *Plan::Create(g, {{"y", y}, {"z", z}}, *ReferenceDevice(DType::kF32));
  TensorMap first, second;
  for (TensorMap* map : {&first, &second}) map->Put("a", Tensor(DType::kF32, {1}));
  second.Put("b", Tensor(DType::kF32, {1}));
  first.Find("a")->as<float>()[0] = 1;
  second.Find("a")->as<float>()[0] = 2;
  second.Find("b")->as<float>()[0] = 3;
  const TensorMap* const bound[] = {&first, &second};
  auto context = *Context::Create(plan, bound);
  ASSERT_TRUE(context->Run().ok());
  EXPECT_EQ(context->Output("y")->as<float>()[0], 1);
  EXPECT_EQ(context->Output("z")->as<float>()[0], 3);
}

TEST(Workspace, ServesContextsInTurnAndGrowsToTheLargest) {
  const auto device = ReferenceDevice(DType::kF32);
  Workspace workspace;
  std::map<int64_t, float> expected;
  size_t largest = 0;
  for (int64_t n : {8, 64, 16, 64, 8}) {
    Graph g;
    const Value y = g.Apply(Scale{2}, {g.Input("x", {n})})[0];
    const auto plan = *Plan::Create(g, {{"y", y}}, *device);
    auto context = *Context::Create(plan, {}, &workspace);
    largest = std::max(largest, plan->arena_bytes());
    EXPECT_GE(workspace.bytes(), largest);
    for (float& x : context->Input("x")->as<float>()) x = static_cast<float>(n);
    ASSERT_TRUE(context->Run().ok());
    for (float x : context->Output("y")->as<float>()) EXPECT_EQ(x, 2 * static_cast<float>(n));
  }
  void* const before = workspace.Reserve(1);
  EXPECT_EQ(workspace.Reserve(workspace.bytes()), before);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(before) % 64, 0u);
}

TEST(Context, TimesEveryStep) {
  TrainingGraph t(DType::kF32);
  TensorMap tensors = RandomTensors(t.graph, 1);
  const TensorMap* const bound[] = {&tensors};
  const auto plan = *Plan::Create(t.graph, t.outputs, *ReferenceDevice(DType::kF32));
  auto context = *Context::Create(plan, bound);
  FillInputs(*context, 2);
  std::vector<double> seconds(plan->steps().size(), 0.0);
  ASSERT_TRUE(context->RunTimed(absl::MakeSpan(seconds)).ok());
  double sum = 0;
  for (double s : seconds) {
    EXPECT_GE(s, 0);
    sum += s;
  }
  EXPECT_GT(sum, 0);
}

// Packed constants: another context with other weights must not see the first one's.
TEST(Context, PackedWeightsBelongToTheirTensors) {
  for (const auto& device : Devices()) {
    Graph g;
    const Value y = Convolve(g, g.Input("x", {1, 8, 8, 16}), g.Parameter("w", {32, 16, 3, 3}), Value{}, 1, 1);
    const auto plan = *Plan::Create(g, {{"y", y}}, *device, {.constant_weights = true});
    std::vector<std::vector<float>> results;
    for (uint64_t seed : {1, 2, 1}) {
      const TensorMap tensors = RandomTensors(g, seed);
      const TensorMap* const bound[] = {&tensors};
      auto context = *Context::Create(plan, bound);
      FillInputs(*context, 3);
      ASSERT_TRUE(context->Run().ok());
      const auto view = context->Output("y")->as<float>();
      results.emplace_back(view.begin(), view.end());
    }
    EXPECT_EQ(results[0], results[2]) << device->name();
    EXPECT_NE(results[0], results[1]) << device->name();
  }
}

// Networks that share weights share the packed ones too, for as long as one of them is there.
TEST(Context, PlansShareThePackedFormOfATensor) {
  const auto device = CpuDevice(1);
  if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << Message(device.status());
  ASSERT_TRUE(device.ok()) << Message(device.status());
  const PackedWeights& packed = *(*device)->packed();
  const auto graph = [](bool larger) {
    Graph g;
    Value y =
        Convolve(g, g.Input("x", {1, 8, 8, 16}), Leading(g, g.Parameter("w", {48, 24, 3, 3}), 32, 16), Value{}, 1, 1);
    if (larger) y = Convolve(g, y, Leading(g, g.Parameter("v", {48, 48, 1, 1}), 32, 32), Value{}, 1, 0);
    g.SetName(y, "y");
    return g;
  };
  const Graph small = graph(false), large = graph(true);
  const TensorMap tensors = RandomTensors(large, 1);
  const TensorMap* const bound[] = {&tensors};
  const auto open = [&](const Graph& g) {
    return *Context::Create(*Plan::Create(g, {{"y", g.Find("y")}}, **device, {.constant_weights = true}), bound);
  };
  auto first = open(small);
  const size_t of_small = packed.bytes();
  EXPECT_GT(of_small, 0U);
  auto second = open(large);
  const size_t of_both = packed.bytes();
  EXPECT_GT(of_both, of_small);
  EXPECT_EQ(packed.stats().hits, 1) << "the second network's first weight";
  EXPECT_EQ(packed.stats().misses, 2);
  EXPECT_EQ(packed.stats().size, 2);
  first.reset();
  EXPECT_EQ(packed.bytes(), of_both) << "the larger one uses what the smaller one packed";
  second.reset();
  EXPECT_EQ(packed.bytes(), 0U);
  EXPECT_EQ(packed.stats().size, 0);
}

// Linear layers over constant weights, whole and sliced, give what they give over weights that may change and what the
// reference gives; layers for another number of rows share the packed weights.
TEST(Context, ConstantWeightsOfLinearLayers) {
  const auto device = CpuDevice(1);
  if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << Message(device.status());
  ASSERT_TRUE(device.ok()) << Message(device.status());
  const auto reference = ReferenceDevice(DType::kF32);
  const PackedWeights& packed = *(*device)->packed();
  const auto graph = [](int64_t rows) {
    Graph g;
    const Value w = g.Parameter("w", {80, 72}), bias = g.Parameter("b", {80});
    const Value y = g.Apply(Linear{}, {g.Input("x", {rows, 72}), w, bias})[0];
    g.SetName(g.Apply(Linear{false}, {y, Leading(g, g.Parameter("v", {96, 96}), 64, 80)})[0], "y");
    return g;
  };
  const TensorMap tensors = RandomTensors(graph(1), 1);
  const TensorMap* const bound[] = {&tensors};
  std::vector<std::unique_ptr<Context>> held;
  size_t bytes = 0;
  for (int64_t rows : {33, 1, 5}) {
    const Graph g = graph(rows);
    std::vector<std::vector<float>> results;
    const auto run = [&](Device& d, bool constant) {
      held.push_back(
          *Context::Create(*Plan::Create(g, {{"y", g.Find("y")}}, d, {.constant_weights = constant}), bound));
      FillInputs(*held.back(), 3);
      ASSERT_TRUE(held.back()->Run().ok());
      const auto view = held.back()->Output("y")->as<float>();
      results.emplace_back(view.begin(), view.end());
    };
    run(*reference, false);
    run(**device, false);
    EXPECT_EQ(packed.bytes(), bytes) << "nothing is packed that may change";
    run(**device, true);
    ASSERT_EQ(results.size(), 3U);
    for (size_t i = 0; i < results[0].size(); ++i) {
      ASSERT_NEAR(results[0][i], results[1][i], 1e-3) << rows << " rows, entry " << i;
      ASSERT_NEAR(results[0][i], results[2][i], 1e-3) << rows << " rows, entry " << i;
    }
    EXPECT_GT(packed.bytes(), 0U);
    // Each of the two layers is held once for each layout that is wanted, not for each number of rows.
    EXPECT_LE(packed.bytes(), 2 * (size_t{80} * 72 + 64 * 80 + 4096) * sizeof(float));
    bytes = packed.bytes();
  }
  held.clear();
  EXPECT_EQ(packed.bytes(), 0U);
}

}  // namespace
}  // namespace mathnas::kernels
