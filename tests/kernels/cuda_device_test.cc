// Graphs on a GPU, or its emulation: the results of the reference device wherever their tensors are, and what the
// stream does for them.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/bfloat16.h"
#include "kernels/differentiate.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "tests/kernels/cuda_emulation.h"
#include "tests/kernels/training_graph.h"

namespace mathnas::kernels {
namespace {

using testing::EmulationCounters;
using testing::EmulationSettings;
using testing::FillInputs;
using testing::RandomTensors;
using testing::TrainingGraph;

// A training step of own kernels: tokens, a loss, two gradients that are accumulated, a state that is written.
struct TokenGraph {
  Graph graph;
  std::vector<PlanOutput> outputs;

  explicit TokenGraph(int64_t batch = 2) {
    Graph& g = graph;
    const int64_t tokens = 5, features = 12;
    const Value ids = g.Integers("ids", {batch, tokens}), x = g.Input("x", {batch, tokens, features});
    const Value table = g.Parameter("table", {7, features}), shift = g.Parameter("shift", {batch, tokens, features});
    const Value words = g.Apply(Embedding{.scale = 2, .padding = 0}, {ids, table})[0];
    const Value positions = g.Apply(
        SinusoidalPositions{.columns = 12, .width = 16, .rows = 20, .padding = 0, .from_tokens = true}, {ids})[0];
    const Value sum = g.Apply(Relu{}, {g.Apply(Add{}, {words, positions, x, shift})[0]})[0];
    const Value kept = g.Apply(Dropout{.rate = 0.25, .stream = 3}, {sum, g.Integers("seed", {1})})[0];
    const Value logits = g.Apply(Scale{0.5}, {g.Apply(Concat{2}, {kept, x})[0]})[0];
    const Value loss = g.Apply(SoftmaxCrossEntropy{.label_smoothing = 0.1, .ignored_label = 0},
                               {logits, g.Integers("labels", {batch, tokens})})[0];
    const Value cache = g.State("cache", {batch, 8, features});
    g.Apply(Store{}, {cache, kept, g.Integers("at", {1})});
    const Value cached = g.Apply(Scale{1}, {cache})[0];
    const std::vector<ParameterGradient> gradients = Differentiate(g, loss);
    AccumulateGradients(g, gradients);
    outputs = {{"loss", loss}, {"logits", logits}, {"cached", cached}};
    for (const ParameterGradient& p : gradients) outputs.push_back({"of " + g.info(p.parameter).name, p.gradient});
  }
};

using Results = std::map<std::string, std::vector<float>>;

// The outputs of a context, and what it was bound to.
Results ResultsOf(const Context& context, const TensorMap& tensors) {
  Results results;
  for (const Plan::Port& port : context.plan().outputs()) {
    const auto view = context.Output(port.name)->as<float>();
    results["output " + port.name].assign(view.begin(), view.end());
  }
  for (const TensorMap::Entry& e : tensors.entries()) {
    const auto view = e.tensor.as<float>();
    results["tensor " + e.name].assign(view.begin(), view.end());
  }
  return results;
}

void ExpectNear(const Results& got, const Results& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [name, expected] : want) {
    const std::vector<float>& values = got.at(name);
    ASSERT_EQ(values.size(), expected.size()) << name;
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(values[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << name << " " << i;
    }
  }
}

std::unique_ptr<Context> Open(const Graph& graph, const std::vector<PlanOutput>& outputs, Device& device,
                              const TensorMap& tensors, PlanOptions options = {}, Workspace* workspace = nullptr) {
  auto plan = Plan::Create(graph, outputs, device, options);
  EXPECT_TRUE(plan.ok()) << Message(plan.status());
  if (!plan.ok()) return nullptr;
  const TensorMap* const bound[] = {&tensors};
  auto context = Context::Create(*plan, bound, workspace);
  EXPECT_TRUE(context.ok()) << Message(context.status());
  return context.ok() ? *std::move(context) : nullptr;
}

class CudaDeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto device = CudaDevice();
    if (!device.ok()) GTEST_SKIP() << "no CUDA device: " << Message(device.status());
    device_ = *device;
  }

  // The same tensors where the device reaches them.
  TensorMap OnDevice(const TensorMap& tensors) {
    TensorMap placed;
    for (const TensorMap::Entry& e : tensors.entries()) {
      auto tensor = device_->NewTensor(e.tensor.desc());
      EXPECT_TRUE(tensor.ok()) << Message(tensor.status());
      std::ranges::copy(e.tensor.as<float>(), tensor->as<float>().begin());
      placed.Put(e.name, *std::move(tensor));
    }
    return placed;
  }

  // Four runs, each with other inputs: as they are, recorded, replayed, replayed.
  void Compare(const Graph& graph, const std::vector<PlanOutput>& outputs, bool on_device, PlanOptions options,
               double tolerance) {
    ASSERT_TRUE(graph.status().ok()) << Message(graph.status());
    const TensorMap reference_tensors = RandomTensors(graph, 1), host_tensors = reference_tensors.Clone();
    const TensorMap tensors = on_device ? OnDevice(host_tensors) : host_tensors.Clone();
    auto reference = Open(graph, outputs, *ReferenceDevice(DType::kF32), reference_tensors);
    auto context = Open(graph, outputs, *device_, tensors, options);
    ASSERT_TRUE(reference != nullptr && context != nullptr);
    for (uint64_t run = 0; run < 4; ++run) {
      SCOPED_TRACE(run);
      for (Context* c : {reference.get(), context.get()}) {
        FillInputs(*c, 10 + run);
        const absl::Status status = c->Run();
        ASSERT_TRUE(status.ok()) << Message(status);
      }
      ExpectNear(ResultsOf(*context, tensors), ResultsOf(*reference, reference_tensors), tolerance);
      if (HasFatalFailure()) return;
    }
  }

  std::shared_ptr<Device> device_;
};

TEST_F(CudaDeviceTest, SameAsTheReference) {
  const TokenGraph t;
  for (bool on_device : {false, true}) {
    for (bool constant_weights : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "on device " << on_device << ", constant " << constant_weights);
      Compare(t.graph, t.outputs, on_device, {.constant_weights = constant_weights}, 1e-6);
    }
  }
}

// A leading or middle part of every tensor that kernels take as a slice.
TEST_F(CudaDeviceTest, SlicesAreReadAndWrittenInPlace) {
  Graph g;
  const Value ids = g.Integers("ids", {3, 4});
  const Slice of_table = {.begin = 2, .rows = 4, .columns = 12};
  const Value table = g.Apply(of_table, {g.Parameter("table", {9, 30})})[0];
  const Value sums = g.Apply(of_table, {g.State("sums", {9, 30})})[0];
  const Value rows = g.Apply(Embedding{.scale = 0.5}, {ids, table})[0];
  g.Apply(AccumulateRows{.scale = 3, .padding = 1}, {sums, ids, rows});
  g.Apply(Accumulate{}, {sums, table});
  const Value cache = g.Apply(Slice{.begin = 1, .rows = 3, .columns = 7}, {g.State("cache", {5, 9, 12})})[0];
  g.Apply(Store{}, {cache, rows, g.Integers("at", {1})});
  for (bool on_device : {false, true}) Compare(g, {{"rows", rows}}, on_device, {}, 1e-6);
}

TEST_F(CudaDeviceTest, ConvertsSlices) {
  Graph g;
  const Value part = g.Apply(Slice{.begin = 1, .rows = 3, .columns = 5}, {g.Parameter("w", {6, 9, 3})})[0];
  const Value low = Converted(g, part, DType::kBf16);
  const TensorMap tensors = RandomTensors(g, 1);
  auto context = Open(g, {{"wide", Converted(g, low, DType::kF32)}}, *device_, tensors);
  ASSERT_NE(context, nullptr);
  ASSERT_TRUE(context->Run().ok());
  const auto wide = context->Output("wide")->as<float>(), w = tensors.Find("w")->as<float>();
  for (size_t row = 0; row < 3; ++row) {
    for (size_t k = 0; k < 15; ++k) {
      EXPECT_EQ(wide[row * 15 + k], Bfloat16::Rounded(w[(row + 1) * 27 + k]).ToFloat());
    }
  }
}

TEST_F(CudaDeviceTest, TrainsAsTheReference) {
  const TrainingGraph t(DType::kF32);
  for (bool on_device : {false, true}) Compare(t.graph, t.outputs, on_device, {}, 2e-4);
}

TEST_F(CudaDeviceTest, RecordsTheSecondRunAndReplaysItFromThenOn) {
  const auto* counters = EmulationCounters();
  if (counters == nullptr) GTEST_SKIP() << "what a driver does cannot be seen";
  const TokenGraph t;
  const TensorMap tensors = RandomTensors(t.graph, 1);
  auto context = Open(t.graph, t.outputs, *device_, tensors);
  ASSERT_NE(context, nullptr);
  FillInputs(*context, 2);
  std::vector<int64_t> launches;
  for (int run = 1; run <= 4; ++run) {
    const auto before = *counters;
    ASSERT_TRUE(context->Run().ok());
    EXPECT_EQ(counters->captures - before.captures, run == 2 ? 1 : 0) << run;
    EXPECT_EQ(counters->graph_launches - before.graph_launches, run >= 2 ? 1 : 0) << run;
    EXPECT_EQ(counters->waits - before.waits, 1) << run;
    launches.push_back(counters->launches - before.launches);
  }
  EXPECT_GE(launches[0], static_cast<int64_t>(context->plan().steps().size()) - 1);
  EXPECT_EQ(launches, std::vector<int64_t>(4, launches[0])) << "a run is other kernels";
}

TEST_F(CudaDeviceTest, TimesEveryStepAndComputesTheSame) {
  const TokenGraph t;
  const TensorMap one = RandomTensors(t.graph, 1), two = one.Clone();
  auto plain = Open(t.graph, t.outputs, *device_, one), timed = Open(t.graph, t.outputs, *device_, two);
  ASSERT_TRUE(plain != nullptr && timed != nullptr);
  for (uint64_t run = 0; run < 5; ++run) {
    FillInputs(*plain, run);
    FillInputs(*timed, run);
    ASSERT_TRUE(plain->Run().ok());
    std::vector<double> seconds(timed->plan().steps().size(), 0.0);
    // Its second run with times, and those that follow, replay a graph of their own.
    ASSERT_TRUE((run == 1 ? timed->Run() : timed->RunTimed(absl::MakeSpan(seconds))).ok());
    ExpectNear(ResultsOf(*timed, two), ResultsOf(*plain, one), 0);
    for (double s : seconds) EXPECT_EQ(s > 0, run != 1) << "run " << run;
  }
}

// Two threads, one plan, a context each: the same bits as one after the other.
TEST_F(CudaDeviceTest, ThreadsShareAPlan) {
  const TokenGraph t;
  const auto plan = *Plan::Create(t.graph, t.outputs, *device_);
  const auto run = [&](Results& results) {
    const TensorMap tensors = RandomTensors(t.graph, 1);
    const TensorMap* const bound[] = {&tensors};
    auto context = Context::Create(plan, bound);
    ASSERT_TRUE(context.ok()) << Message(context.status());
    for (uint64_t i = 0; i < 10; ++i) {
      FillInputs(**context, i);
      ASSERT_TRUE((*context)->Run().ok());
    }
    results = ResultsOf(**context, tensors);
  };
  Results alone, a, b;
  run(alone);
  std::thread one(run, std::ref(a)), two(run, std::ref(b));
  one.join();
  two.join();
  ExpectNear(a, alone, 0);
  ExpectNear(b, alone, 0);
}

// Larger and smaller networks in turn, as in the training of a supernet; all memory is given back in the end.
TEST_F(CudaDeviceTest, WorkspaceServesContextsInTurn) {
  const auto* counters = EmulationCounters();
  const size_t before = counters == nullptr ? 0 : counters->bytes;
  {
    Workspace workspace;
    for (int64_t batch : {2, 9, 3, 9, 20}) {
      const TokenGraph t(batch);
      const TensorMap expected = RandomTensors(t.graph, 1), tensors = expected.Clone();
      auto reference = Open(t.graph, t.outputs, *ReferenceDevice(DType::kF32), expected);
      auto context = Open(t.graph, t.outputs, *device_, tensors, {}, &workspace);
      ASSERT_TRUE(reference != nullptr && context != nullptr);
      for (uint64_t run = 0; run < 3; ++run) {
        FillInputs(*reference, run);
        FillInputs(*context, run);
        ASSERT_TRUE(reference->Run().ok() && context->Run().ok());
      }
      ExpectNear(ResultsOf(*context, tensors), ResultsOf(*reference, expected), 1e-6);
    }
    EXPECT_TRUE(counters == nullptr || counters->bytes > before);
  }
  EXPECT_TRUE(counters == nullptr || counters->bytes == before);
}

// A run begins when the updates before it are done, though nobody waits for them, and they begin after the run.
TEST_F(CudaDeviceTest, RunsSeeTheUpdatesBeforeThem) {
  Graph g;
  const Value twice = g.Apply(Scale{2}, {g.Parameter("w", {1000})})[0];
  const TensorMap tensors = OnDevice(RandomTensors(g, 1));
  const Tensor one = *device_->NewTensor({DType::kF32, {1000}}), none(DType::kF32, {0});
  const Tensor& w = *tensors.Find("w");
  auto context = Open(g, {{"twice", twice}}, *device_, tensors);
  ASSERT_NE(context, nullptr);
  std::ranges::fill(w.as<float>(), 10.F);
  for (float expected : {9.F, 8.F, 7.F, 6.F}) {
    std::ranges::fill(one.as<float>(), 1.F);
    const SgdParameters p = {.learning_rate = 1, .momentum = 0};
    ASSERT_TRUE(device_->SgdStep({{p, w.view(), one.view(), none.view(), true}}).ok());
    ASSERT_TRUE(context->Run().ok());
    for (float x : context->Output("twice")->as<float>()) ASSERT_EQ(x, 2 * expected);
  }
}

// Runs and updates in turn, as steps of a training whose loss nobody asks for, come out as if each had been waited for.
TEST_F(CudaDeviceTest, RunsAndUpdatesAreInOrderThoughNobodyWaits) {
  Graph g;
  const Value w = g.Parameter("w", {1000});
  g.Apply(Accumulate{}, {g.State("gradient", {1000}), w});
  const Value twice = g.Apply(Scale{2}, {w})[0];
  const TensorMap tensors = OnDevice(RandomTensors(g, 1));
  const Tensor none(DType::kF32, {0});
  const TensorView weights = tensors.Find("w")->view(), gradient = tensors.Find("gradient")->view();
  std::ranges::fill(weights.as<float>(), 1024.F);
  std::ranges::fill(gradient.as<float>(), 0.F);
  auto context = Open(g, {{"twice", twice}}, *device_, tensors);
  ASSERT_NE(context, nullptr);
  const SgdParameters halve = {.learning_rate = 1, .momentum = 0, .gradient_scale = 0.5};
  const auto* counters = EmulationCounters();
  const int64_t waits = counters == nullptr ? 0 : counters->waits;
  for (int step = 0; step < 5; ++step) {
    ASSERT_TRUE(context->Start().ok());
    ASSERT_TRUE(device_->SgdStep({{halve, weights, gradient, none.view(), true}}).ok());
  }
  EXPECT_TRUE(counters == nullptr || counters->waits == waits);
  // Whichever is waited for first.
  ASSERT_TRUE(device_->Wait().ok());
  for (float x : weights.as<float>()) ASSERT_EQ(x, 32);
  for (float x : gradient.as<float>()) ASSERT_EQ(x, 0);
  ASSERT_TRUE(context->Wait().ok());
  for (float x : context->Output("twice")->as<float>()) ASSERT_EQ(x, 128);
  EXPECT_GT(context->last_seconds(), 0);
  EXPECT_TRUE(context->Wait().ok()) << "of nothing";

  ASSERT_TRUE(context->Start().ok());
  ASSERT_TRUE(device_->SgdStep({{halve, weights, gradient, none.view(), true}}).ok());
  ASSERT_TRUE(context->Wait().ok());
  for (float x : context->Output("twice")->as<float>()) ASSERT_EQ(x, 64);
  ASSERT_TRUE(device_->Wait().ok());
  for (float x : weights.as<float>()) ASSERT_EQ(x, 16);

  ASSERT_TRUE(context->Start().ok());
  context.reset();  // waits
  for (float x : gradient.as<float>()) ASSERT_EQ(x, 16);
}

// What must have been checked before is seen in the results, and is not used as an index.
TEST_F(CudaDeviceTest, NumbersOutOfRange) {
  Graph g;
  const Value ids = g.Integers("ids", {3}), table = g.Parameter("table", {4, 6});
  const Value rows = g.Apply(Embedding{}, {ids, table})[0];
  const Value loss = g.Apply(SoftmaxCrossEntropy{.label_smoothing = 0.1}, {g.Input("logits", {3, 6}), ids})[0];
  g.Apply(AccumulateRows{}, {g.State("sums", {4, 6}), ids, rows});
  const Value positions = g.Apply(SinusoidalPositions{.columns = 4, .width = 8, .rows = 4}, {ids})[0];
  const TensorMap tensors = OnDevice(RandomTensors(g, 1)), before = tensors.Clone();
  auto context = Open(g, {{"rows", rows}, {"loss", loss}, {"positions", positions}}, *device_, tensors);
  ASSERT_NE(context, nullptr);
  for (int64_t id : {int64_t{-1}, int64_t{6}, int64_t{1} << 40, -(int64_t{1} << 40)}) {
    FillInputs(*context, 2);
    std::ranges::fill(context->Input("ids")->as<int64_t>(), id);
    ASSERT_TRUE(context->Run().ok());
    for (const char* output : {"rows", "loss", "positions"}) {
      for (float x : context->Output(output)->as<float>()) EXPECT_TRUE(std::isnan(x)) << output << " of " << id;
    }
    EXPECT_TRUE(std::ranges::equal(tensors.Find("sums")->as<float>(), before.Find("sums")->as<float>()));
  }
}

TEST_F(CudaDeviceTest, StoreOutsideOfTheStateIsAnError) {
  Graph g;
  const Value state = g.State("state", {2, 5, 3});
  g.Apply(Store{}, {state, g.Input("x", {2, 2, 3}), g.Integers("at", {1})});
  const TensorMap tensors = RandomTensors(g, 1), before = tensors.Clone();
  auto context = Open(g, {{"state", state}}, *device_, tensors);
  ASSERT_NE(context, nullptr);
  FillInputs(*context, 2);
  for (int64_t at : {int64_t{4}, int64_t{-1}, int64_t{1} << 40, std::numeric_limits<int64_t>::min()}) {
    context->Input("at")->as<int64_t>()[0] = at;
    const absl::Status status = context->Run();
    EXPECT_EQ(status, CheckStoreAt(at, 3));
    EXPECT_FALSE(status.ok());
    EXPECT_TRUE(std::ranges::equal(tensors.Find("state")->as<float>(), before.Find("state")->as<float>()));
  }
  context->Input("at")->as<int64_t>()[0] = 3;
  const absl::Status status = context->Run();
  ASSERT_TRUE(status.ok()) << Message(status);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(tensors.Find("state")->as<float>()[9 + i], context->Input("x")->as<float>()[i]);
  }
}

TEST_F(CudaDeviceTest, CountsEnergy) {
  if (EmulationSettings() == nullptr) GTEST_SKIP() << "a GPU at rest may use less than its counter shows";
  const auto before = device_->Joules();
  ASSERT_TRUE(before.ok()) << Message(before.status());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_GE(*device_->Joules() - *before, 1) << "20 ms of 100 W";
  EXPECT_NE(device_->description().find("nvidia-smi --lock-gpu-clocks="), std::string::npos) << device_->description();
}

TEST_F(CudaDeviceTest, MemoryThatIsOut) {
  auto* settings = EmulationSettings();
  if (settings == nullptr) GTEST_SKIP() << "the memory of a GPU is not to be filled by a test";
  const TokenGraph t(60);
  const TensorMap tensors = RandomTensors(t.graph, 1);
  const TensorMap* const bound[] = {&tensors};
  const size_t all = std::exchange(settings->memory, EmulationCounters()->bytes + (60 << 10));
  const auto expect_exhausted = [](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << Message(status);
    for (const char* words : {" MiB wanted, ", " of 0.1 MiB are free"}) {
      EXPECT_NE(Message(status).find(words), std::string::npos) << Message(status);
    }
  };
  Workspace workspace;
  for (bool constant_weights : {false, true}) {
    // Plans have no memory.
    const auto plan = Plan::Create(t.graph, t.outputs, *device_, {.constant_weights = constant_weights});
    ASSERT_TRUE(plan.ok()) << Message(plan.status());
    expect_exhausted(Context::Create(*plan, bound).status());
    expect_exhausted(Context::Create(*plan, bound, &workspace).status());
  }
  expect_exhausted(device_->NewTensor({DType::kF32, {1 << 20}}).status());
  const TensorMap large_weight = [] {
    TensorMap map;
    map.Put("w", Tensor(DType::kF32, {1 << 20}));
    return map;
  }();
  Graph g;
  const Value y = g.Apply(Relu{}, {g.Parameter("w", {1 << 20})})[0];
  const TensorMap* const large[] = {&large_weight};
  const auto constant = *Plan::Create(g, {{"y", y}}, *device_, {.constant_weights = true});
  const absl::Status uploading = Context::Create(constant, large).status();
  expect_exhausted(uploading);
  EXPECT_NE(Message(uploading).find("\"w\""), std::string::npos) << Message(uploading);

  // All of it works when there is memory again.
  settings->memory = all;
  EXPECT_TRUE(Context::Create(constant, large).ok());
  auto context = Open(t.graph, t.outputs, *device_, tensors, {}, &workspace);
  ASSERT_NE(context, nullptr);
  FillInputs(*context, 1);
  EXPECT_TRUE(context->Run().ok());
}

}  // namespace
}  // namespace mathnas::kernels
