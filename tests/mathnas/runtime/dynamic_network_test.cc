// Whether every answer is that of the subnet that it is said to be of, while subnets change.
#include "mathnas/runtime/dynamic_network.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/profile/profiler.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/safetensors.h"
#include "supernet/training/sampling.h"
#include "supernet/weights.h"
#include "tests/mathnas/runtime/runtime_test.h"
#include "tests/supernet/test_files.h"

namespace mathnas::runtime {
namespace {

using core::Limit;
using core::LimitOp;
using supernet::Choice;

// Images that fail to be read when the test says so, or wait until it says otherwise.
class Images : public supernet::ImageSource {
 public:
  Images(int64_t side, int classes, bool one_size) : side_(side), one_size_(one_size) {
    name_ = "test/train";
    classes_ = classes;
    channels_ = 3;
    mean_ = {125, 125, 125};
    stddev_ = {60, 60, 60};
    kernels::Random random(5);
    pixels_.resize(static_cast<size_t>(16 * side * side * 3));
    for (uint8_t& p : pixels_) p = static_cast<uint8_t>(random.Below(256));
    for (int i = 0; i < 16; ++i) labels_.push_back(i % classes);
  }
  std::optional<supernet::ImageSize> one_size() const override {
    return one_size_ ? std::optional(supernet::ImageSize{side_, side_}) : std::nullopt;
  }
  std::string Origin(int64_t index) const override { return "image " + std::to_string(index); }
  absl::StatusOr<supernet::ImageView> Decode(int64_t index, Buffer&) const override {
    ++decoded;
    while (wait && !fail) std::this_thread::yield();
    if (fail) return absl::ResourceExhaustedError("no more images");
    return supernet::ImageView{side_, side_, 3, pixels_.data() + index * side_ * side_ * 3};
  }
  mutable std::atomic<int64_t> decoded{0};
  std::atomic<bool> fail{false}, wait{false};

 private:
  int64_t side_;
  bool one_size_;
  std::vector<uint8_t> pixels_;
};

constexpr int64_t kSide = 8, kClasses = 10;

struct Fixture {
  Supernet supernet;
  core::BlockTable table;
  std::shared_ptr<kernels::Device> device;
  std::shared_ptr<Images> images;

  DynamicOptions Options() const {
    DynamicOptions options;
    options.choosing.request.estimator.kind = core::EstimatorKind::kLinear;
    options.calibration = {.images = images, .recalibration = {.batches = 2, .batch = 8}};
    options.background = false;
    return options;
  }
  absl::StatusOr<std::unique_ptr<DynamicNetwork>> Make(DynamicOptions options) const {
    return DynamicNetwork::Create(supernet, table, device, std::move(options));
  }
};

// Accuracy: 3x3 best, then 1x1, pooling, skip, none. Latency: about their FLOPs.
Fixture Small() {
  Fixture f;
  f.supernet.space = *supernet::NasBench201({.channels = 4, .cells = 1, .height = kSide, .width = kSide});
  auto weights = std::make_shared<kernels::TensorMap>(
      supernet::AllocateWeights(f.supernet.space->Supernet({.mode = supernet::Mode::kTraining}).graph));
  supernet::FillSynthetic(*weights);
  f.supernet.weights = std::move(weights);
  auto cpu = kernels::CpuDevice(1);
  f.device = cpu.ok() ? *cpu : kernels::ReferenceDevice(kernels::DType::kF32);
  f.images = std::make_shared<Images>(kSide, 10, /*one_size=*/true);
  f.table = *profile::TableOf(*f.supernet.space);
  core::Metric accuracy = MetricOf("%", core::Goal::kMax, 90);
  core::Metric latency = MetricOf("ms", core::Goal::kMin, 1);
  for (int edge = 0; edge < 6; ++edge) {
    accuracy.slices[0].values.push_back({9, 5.0 + edge, 1.5 + 0.1 * edge, 0, 4.0 + 0.2 * edge});
    latency.slices[0].values.push_back({0, 0.1, 1 + 0.01 * edge, 4 + 0.02 * edge, 0.5});
  }
  f.table.metrics = {{"accuracy", accuracy}, {"latency", latency}};
  return f;
}

void OnThreads(int64_t count, void (*task)(void*, int64_t), void* argument) {
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < count; ++i) threads.emplace_back(task, argument, i);
  for (std::thread& t : threads) t.join();
}

std::vector<Limit> AtMost(double latency) { return {{.metric = "latency", .value = latency}}; }

std::vector<float> Request(int64_t images, uint64_t seed) {
  kernels::Random random(seed);
  std::vector<float> values(static_cast<size_t>(images * kSide * kSide * 3));
  for (float& v : values) v = static_cast<float>(random.Normal());
  return values;
}

// What a subnet answers, computed apart in double on the graph that is not folded: recalibrated by hand.
std::vector<float> Alone(const Fixture& f, const Choice& choice, const std::vector<float>& request) {
  auto weights = *supernet::ExtractWeights(*f.supernet.space, choice, *f.supernet.weights);
  EXPECT_TRUE(supernet::Recalibrate(*f.supernet.space, choice, weights, kernels::ReferenceDevice(kernels::DType::kF32),
                                    f.images, {.batches = 2, .batch = 8})
                  .ok());
  const auto n = static_cast<int64_t>(request.size()) / (kSide * kSide * 3);
  const auto network = f.supernet.space->Network(choice, {.batch = n});
  const auto device = kernels::ReferenceDevice(kernels::DType::kF32);
  const auto plan = *kernels::Plan::Create(network.graph, {{"logits", network.logits}}, *device);
  const auto context = *kernels::Context::Create(plan, {&weights});
  std::copy(request.begin(), request.end(), context->Input("image")->as<float>().begin());
  EXPECT_TRUE(context->Run().ok());
  const auto logits = context->Output("logits")->as<float>();
  return {logits.begin(), logits.end()};
}

// Float32 sums of a few hundred terms in another order: relative to the largest logit.
bool Close(const std::vector<float>& a, const std::vector<float>& b) {
  float largest = 1e-6f, difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(b[i]));
    difference = std::max(difference, std::abs(a[i] - b[i]));
  }
  return difference <= 1e-4f * largest;
}

TEST(DynamicNetwork, AnswersAsTheSubnetAlone) {
  const Fixture f = Small();
  DynamicOptions options = f.Options();
  options.batch = 2;
  options.choosing.request.limits = AtMost(100);
  auto network = f.Make(options);
  ASSERT_TRUE(network.ok()) << network.status();
  const std::vector<float> request = Request(5, 1);  // three runs, the last of one image
  std::vector<float> logits(5 * kClasses);
  std::set<Choice> seen;
  for (double limit : {100.0, 18.0, 9.0, 5.0, 18.0}) {
    const auto decision = (*network)->SetLimits(AtMost(limit));
    ASSERT_TRUE(decision.ok()) << decision.status();
    if (decision->switching == Switching::kPlanned) {
      EXPECT_NE((*network)->present(), decision->choice) << "served before it is ready";
    }
    ASSERT_TRUE((*network)->Wait().ok());
    EXPECT_EQ((*network)->present(), decision->choice);
    const auto served = (*network)->Run(request, logits);
    ASSERT_TRUE(served.ok()) << served.status();
    EXPECT_EQ(served->choice, decision->choice);
    EXPECT_TRUE(Close(logits, Alone(f, served->choice, request)));
    EXPECT_LE(Value(f.table, "latency", served->choice), limit);
    seen.insert(served->choice);
  }
  EXPECT_EQ(seen.size(), 4u);
  const DynamicStatistics s = (*network)->statistics();
  EXPECT_EQ(s.requests, 5);
  EXPECT_EQ(s.switches, 4);
  EXPECT_EQ(s.hits, 1);
  EXPECT_EQ(s.misses, 3);
  EXPECT_EQ(s.by_subnet.size(), 4u);
  for (const auto& [choice, count] : s.by_subnet) EXPECT_EQ(count.runs, 3 * count.requests);
  // Sizes that do not fit.
  ExpectError((*network)->Run(std::span(request).first(100), logits).status(), absl::StatusCode::kInvalidArgument,
              {"images have 100 elements and logits 50", "multiples of 192 and 10"});
  EXPECT_FALSE((*network)->Run({}, {}).ok());
}

// The table that was published of the space is one of the space: a server takes it as it is.
TEST(DynamicNetwork, ServesByThePublishedTable) {
  Fixture f = Small();
  f.table = *core::Load(MATHNAS_PUBLISHED_TABLES "/nasbench201.json");
  DynamicOptions options = f.Options();
  options.choosing.request.limits = {{.metric = "latency_edgegpu", .value = 5000}};
  auto network = f.Make(options);
  ASSERT_TRUE(network.ok()) << network.status();
  EXPECT_LE(Value(f.table, "latency_edgegpu", (*network)->present()), 5000);
  std::vector<float> logits(kClasses);
  EXPECT_TRUE((*network)->Run(Request(1, 1), logits).ok());
}

TEST(DynamicNetwork, LimitsThatCannotBeMetChangeNothing) {
  const Fixture f = Small();
  DynamicOptions options = f.Options();
  options.choosing.request.limits = AtMost(10);
  auto network = f.Make(options);
  ASSERT_TRUE(network.ok()) << network.status();
  const Choice before = (*network)->present();
  ExpectError((*network)->SetLimits(AtMost(0.5)).status(), absl::StatusCode::kFailedPrecondition,
              {"no network keeps latency<=0.5", "nearest budget that can be met"});
  ExpectError((*network)->SetLimits({{.metric = "energy", .value = 1}}).status(), absl::StatusCode::kInvalidArgument,
              {"energy"});
  EXPECT_EQ((*network)->present(), before);
  EXPECT_EQ((*network)->limits()[0].value, 10);
  EXPECT_FALSE((*network)->Work());
  EXPECT_EQ((*network)->statistics().infeasible, 1);
  options.choosing.request.limits = AtMost(0.5);
  ExpectError(f.Make(options).status(), absl::StatusCode::kFailedPrecondition, {"no network keeps"});
}

TEST(DynamicNetwork, KeepsAsManySubnetsAsItMayAndTheirStatistics) {
  const Fixture f = Small();
  DynamicOptions options = f.Options();
  options.prepared = 2;
  auto network = f.Make(options);
  ASSERT_TRUE(network.ok()) << network.status();
  const Choice all3 = {3, 3, 3, 3, 3, 3}, a = {3, 2, 2, 3, 2, 2}, b = {2, 2, 2, 2, 2, 2};
  EXPECT_EQ((*network)->present(), all3);
  for (int round = 0; round < 2; ++round) {
    for (const Choice& choice : {a, b, all3}) {
      EXPECT_EQ((*network)->SetChoice(choice)->switching, Switching::kPlanned);
      ASSERT_TRUE((*network)->Wait().ok());
      EXPECT_EQ((*network)->statistics().ready, 2u);
    }
  }
  EXPECT_EQ((*network)->statistics().evicted, 5);
  EXPECT_EQ((*network)->statistics().prepared, 7);
  EXPECT_EQ((*network)->statistics().subnet_statistics, 3u);
  // Recalibrated once a subnet: two batches of eight, and what the loader has prepared ahead.
  const int64_t decoded = f.images->decoded;
  ASSERT_TRUE((*network)->SetChoice(a).ok());
  ASSERT_TRUE((*network)->Wait().ok());
  EXPECT_EQ(f.images->decoded, decoded) << "statistics are taken anew";
  EXPECT_EQ((*network)->SetChoice(all3)->switching, Switching::kSwitched);
  // The present one is never given up.
  ASSERT_TRUE((*network)->PrepareAhead(b).ok());
  EXPECT_EQ((*network)->present(), all3);
  ASSERT_TRUE((*network)->PrepareAhead(a).ok());
  EXPECT_EQ((*network)->SetChoice(b)->switching, Switching::kPlanned);
  EXPECT_EQ((*network)->SetChoice(all3)->switching, Switching::kPresent) << "what was planned is not wanted any more";
  EXPECT_FALSE((*network)->Work());
}

TEST(DynamicNetwork, StatisticsFromAFile) {
  Fixture f = Small();
  const supernet::testing::TempFolder folder;
  const std::string path = folder / "statistics.safetensors";
  const Choice other = {2, 2, 2, 2, 2, 2}, unknown = {1, 2, 2, 2, 2, 2};
  const std::vector<float> request = Request(1, 2);
  std::vector<float> expected(kClasses), logits(kClasses);
  {
    auto network = f.Make(f.Options());
    ASSERT_TRUE(network.ok()) << network.status();
    ASSERT_TRUE((*network)->SetChoice(other).ok());
    ASSERT_TRUE((*network)->Wait().ok());
    ASSERT_TRUE((*network)->Run(request, expected).ok());
    ASSERT_TRUE((*network)->SaveStatistics(path).ok());
  }
  DynamicOptions options = f.Options();
  options.calibration = {};
  ExpectError(f.Make(options).status(), absl::StatusCode::kFailedPrecondition, {"no statistics of its own"});
  options.statistics_file = path;
  auto network = f.Make(options);
  ASSERT_TRUE(network.ok()) << network.status();
  ASSERT_TRUE((*network)->SetChoice(other).ok());
  ASSERT_TRUE((*network)->Wait().ok());
  ASSERT_TRUE((*network)->Run(request, logits).ok());
  EXPECT_EQ(logits, expected);
  // A subnet without statistics is never served.
  ASSERT_TRUE((*network)->SetChoice(unknown).ok());
  ExpectError((*network)->Wait(), absl::StatusCode::kFailedPrecondition, {"preparing {", "no statistics of its own"});
  EXPECT_EQ((*network)->present(), other);
  EXPECT_EQ((*network)->statistics().failures, 1);
  // Statistics of other weights, of another space, no such file.
  auto weights = std::make_shared<kernels::TensorMap>(f.supernet.weights->Clone());
  weights->entries()[3].tensor.as<float>()[0] += 1e-3f;
  f.supernet.weights = weights;
  ExpectError(f.Make(options).status(), absl::StatusCode::kInvalidArgument, {"statistics.safetensors: weights: "});
  ASSERT_TRUE(supernet::WriteSafetensors(path, kernels::TensorMap(), {{"format", "mathnas-statistics/2"}}).ok());
  ExpectError(f.Make(options).status(), absl::StatusCode::kUnimplemented, {path, "reads \"mathnas-statistics/1\""});
  ASSERT_TRUE(supernet::WriteSafetensors(path, kernels::TensorMap(), {{"format", "mathnas-network/1"}}).ok());
  ExpectError(f.Make(options).status(), absl::StatusCode::kInvalidArgument,
              {path, "expected \"mathnas-statistics/1\""});
  supernet::testing::Write(path, "not a file of tensors");
  EXPECT_FALSE(f.Make(options).ok());
}

TEST(DynamicNetwork, FailedPreparationsAreReported) {
  const Fixture f = Small();
  DynamicOptions options = f.Options();
  options.background = true;
  auto network = f.Make(options);
  ASSERT_TRUE(network.ok()) << network.status();
  const Choice before = (*network)->present(), other = {2, 2, 2, 2, 2, 2};
  f.images->fail = true;
  EXPECT_EQ((*network)->SetChoice(other)->switching, Switching::kPlanned);
  ExpectError((*network)->Wait(), absl::StatusCode::kResourceExhausted, {"preparing {", "no more images"});
  EXPECT_EQ((*network)->present(), before);
  EXPECT_EQ((*network)->statistics().failures, 1);
  EXPECT_FALSE((*network)->statistics().last_problem.ok());
  std::vector<float> logits(kClasses);
  EXPECT_TRUE((*network)->Run(Request(1, 3), logits).ok());
  f.images->fail = false;
  ASSERT_TRUE((*network)->SetChoice(other).ok());
  EXPECT_TRUE((*network)->Wait().ok());
  EXPECT_EQ((*network)->present(), other);
  EXPECT_TRUE((*network)->statistics().last_problem.ok());
}

TEST(DynamicNetwork, EndsWhilePlanning) {
  const Fixture f = Small();
  DynamicOptions options = f.Options();
  options.background = true;
  options.calibration.recalibration.batches = 1'000'000'000;
  const supernet::testing::TempFolder folder;
  options.statistics_file = folder / "statistics.safetensors";
  {
    auto network = f.Make(f.Options());
    ASSERT_TRUE(network.ok());
    ASSERT_TRUE((*network)->SaveStatistics(options.statistics_file).ok());
  }
  auto network = f.Make(options);  // its first subnet has statistics
  ASSERT_TRUE(network.ok()) << network.status();
  const int64_t decoded = f.images->decoded;
  ASSERT_TRUE((*network)->SetChoice({2, 2, 2, 2, 2, 2}).ok());
  while (f.images->decoded == decoded) std::this_thread::yield();
  network->reset();
}

// A machine whose speed the test sets: the clock moves while a run is timed, by what the present subnet takes.
TEST(DynamicNetwork, FollowsTheMeasuredLatency) {
  const Fixture f = Small();
  DynamicOptions options = f.Options();
  double now = 0, took = 0;
  bool moves = false;
  options.clock = [&] {
    if (moves) now += took;
    return now;
  };
  options.choosing.request.limits = AtMost(18);
  options.follow = FollowOptions{.warmup = 2, .window = 5, .dwell = 0.1, .longest_patience = 1};
  auto network = f.Make(options);
  ASSERT_TRUE(network.ok()) << network.status();
  const Choice first = (*network)->present();
  const std::vector<float> request = Request(1, 4);
  std::vector<float> logits(kClasses);
  const auto serve = [&](int requests, double load) {
    for (int i = 0; i < requests; ++i) {
      took = 1e-3 * load * Value(f.table, "latency", (*network)->present());
      moves = true;
      ASSERT_TRUE((*network)->Run(request, logits).ok());
      moves = false;
      while ((*network)->Work()) {
      }
    }
  };
  serve(100, 0.98);
  EXPECT_EQ((*network)->statistics().switches, 0);
  serve(100, 3);
  const Choice slow = (*network)->present();
  EXPECT_NE(slow, first);
  EXPECT_LT(Value(f.table, "latency", slow), Value(f.table, "latency", first));
  const DynamicStatistics s = (*network)->statistics();
  EXPECT_NEAR(s.latency_factor, 3, 0.01);
  EXPECT_LE(*s.measured_ms, 18 * 1.05);
  EXPECT_GE(s.followed, 1);
  serve(300, 0.98);
  EXPECT_EQ((*network)->present(), first) << "comes back";
  // Beyond every network: keeps what it has, and says why.
  serve(200, 1000);
  EXPECT_FALSE((*network)->statistics().last_problem.ok());
  EXPECT_GT((*network)->statistics().infeasible, 0);
}

// Every answer is compared with that of its subnet alone, bit by bit, while subnets change under three clients.
TEST(DynamicNetwork, EveryAnswerIsRightWhileSubnetsChange) {
  const Fixture f = Small();
  const std::vector<Choice> choices = {{3, 3, 3, 3, 3, 3}, {2, 2, 2, 2, 2, 2}, {1, 2, 3, 4, 2, 1},
                                       {3, 1, 2, 4, 1, 3}, {4, 1, 1, 2, 3, 1}, {1, 1, 1, 3, 1, 2}};
  const std::vector<float> request = Request(2, 6);
  std::map<Choice, std::vector<float>> expected;
  {
    auto network = f.Make(f.Options());
    ASSERT_TRUE(network.ok());
    for (const Choice& choice : choices) {
      ASSERT_TRUE((*network)->SetChoice(choice).ok());
      ASSERT_TRUE((*network)->Wait().ok());
      std::vector<float> logits(2 * kClasses);
      const auto served = (*network)->Run(request, logits);
      ASSERT_TRUE(served.ok());
      EXPECT_TRUE(Close(logits, Alone(f, served->choice, request)));
      expected[served->choice] = logits;
    }
    ASSERT_EQ(expected.size(), choices.size());
  }
  DynamicOptions options = f.Options();
  options.background = true;
  options.lanes = 2;
  options.prepared = 3;
  auto network = f.Make(options);
  ASSERT_TRUE(network.ok()) << network.status();
  std::atomic<bool> stop{false};
  std::atomic<int64_t> wrong{0}, failed{0}, answered{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 3; ++c) {
    clients.emplace_back([&] {
      std::vector<float> logits(2 * kClasses);
      while (!stop) {
        std::fill(logits.begin(), logits.end(), -1.0f);
        const auto served = (*network)->Run(request, logits);
        failed += served.ok() ? 0 : 1;
        wrong += served.ok() && expected.count(served->choice) == 1 && logits == expected[served->choice] ? 0 : 1;
        ++answered;
      }
    });
  }
  kernels::Random random(9);
  for (int i = 0; i < 300; ++i) {
    const Choice& choice = choices[random.Below(static_cast<uint32_t>(choices.size()))];
    const auto decision = (*network)->SetChoice(choice);
    ASSERT_TRUE(decision.ok());
    if (random.Below(4) != 0) {  // otherwise asks for another before it is ready
      ASSERT_TRUE((*network)->Wait().ok());
      EXPECT_EQ((*network)->present(), decision->choice);
    }
  }
  while (answered < 200) std::this_thread::yield();
  stop = true;
  for (std::thread& c : clients) c.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(failed, 0);
  const DynamicStatistics s = (*network)->statistics();
  EXPECT_EQ(s.requests, answered);
  EXPECT_GT(s.switches, 100);
  EXPECT_GT(s.evicted, 20);
  EXPECT_LE(s.ready, 3u);
  int64_t counted = 0;
  for (const auto& [choice, count] : s.by_subnet) counted += count.requests;
  EXPECT_EQ(counted, answered);
}

// Subnets of two resolutions behind requests of one size.
TEST(DynamicNetwork, ResizesForTheSubnet) {
  Fixture f = Small();
  supernet::mobilenetv3::BlockSet set = supernet::mobilenetv3::CpuBlocks();
  for (auto& stage : set.stages) stage = {stage.front(), stage.back()};
  set.name = "two";
  f.supernet.space = *supernet::MobileNetV3({.classes = 4, .resolutions = {32, 40}, .blocks = std::move(set)});
  auto weights = std::make_shared<kernels::TensorMap>(
      supernet::AllocateWeights(f.supernet.space->Supernet({.mode = supernet::Mode::kTraining}).graph));
  supernet::InitializeWeights(*weights, 1, f.supernet.space->initialization());
  f.supernet.weights = weights;
  f.images = std::make_shared<Images>(40, 4, /*one_size=*/false);
  const auto counted = profile::CountedTable(*f.supernet.space);
  ASSERT_TRUE(counted.ok());
  f.table = *counted;
  DynamicOptions options = f.Options();
  options.choosing.request.objective = "parameters";
  options.choosing.request.limits = {{.metric = "flops", .value = 1e6}};
  ExpectError(f.Make(options).status(), absl::StatusCode::kInvalidArgument, {"image_side: 0"});
  options.image_side = 40;
  auto network = f.Make(options);
  ASSERT_TRUE(network.ok()) << network.status();
  std::vector<float> images(40 * 40 * 3, 0.5f), at40(4), at32(4);
  const Choice base = f.supernet.space->base();
  Choice small = base;
  small[static_cast<size_t>(f.supernet.space->structure().shared)] = 0;
  ASSERT_TRUE((*network)->SetChoice(base).ok() && (*network)->Wait().ok());
  ASSERT_TRUE((*network)->Run(images, at40).ok());
  ASSERT_TRUE((*network)->SetChoice(small).ok() && (*network)->Wait().ok());
  const auto served = (*network)->Run(images, at32);
  ASSERT_TRUE(served.ok()) << served.status();
  EXPECT_EQ(served->choice, small);
  // A constant image is the same in any size: the network of its own size says the same.
  options.image_side = 32;
  auto own = f.Make(options);
  ASSERT_TRUE(own.ok()) << own.status();
  std::vector<float> alone(4);
  ASSERT_TRUE((*own)->SetChoice(small).ok() && (*own)->Wait().ok());
  ASSERT_TRUE((*own)->Run(std::span(images).first(32 * 32 * 3), alone).ok());
  EXPECT_TRUE(Close(at32, alone));
  EXPECT_FALSE(Close(at32, at40)) << "the case is none";
  // Three images in two parts, each resized in its part.
  options.image_side = 40;
  options.batch = 3;
  options.division = {2, OnThreads};
  auto divided = f.Make(options);
  ASSERT_TRUE(divided.ok()) << divided.status();
  ASSERT_TRUE((*divided)->SetChoice(small).ok() && (*divided)->Wait().ok());
  std::vector<float> three, logits(3 * 4);
  for (int i = 0; i < 3; ++i) three.insert(three.end(), images.begin(), images.end());
  ASSERT_TRUE((*divided)->Run(three, logits).ok());
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Close({logits.begin() + 4 * i, logits.begin() + 4 * (i + 1)}, at32)) << i;
  }
}

// Requests in parts on threads of the caller, while subnets change.
TEST(DynamicNetwork, DividesBatches) {
  const Fixture f = Small();
  DynamicOptions options = f.Options();
  options.batch = 5;
  std::atomic<int> calls{0};
  options.division = {3, [&](int64_t count, void (*task)(void*, int64_t), void* argument) {
                        ++calls;
                        OnThreads(count, task, argument);
                      }};
  auto network = f.Make(options);
  ASSERT_TRUE(network.ok()) << network.status();
  for (const Choice& choice : {Choice{3, 1, 2, 4, 0, 3}, Choice{2, 2, 2, 1, 1, 3}}) {
    ASSERT_TRUE((*network)->SetChoice(choice).ok() && (*network)->Wait().ok());
    // 5 rows are parts of 2, 2 and 1; 2 rows fill the first; 7 take two runs.
    for (const auto& [rows, expected] : {std::pair{5, 1}, std::pair{2, 0}, std::pair{3, 1}, std::pair{7, 1}}) {
      const std::vector<float> request = Request(rows, 8);
      std::vector<float> logits(static_cast<size_t>(rows * kClasses));
      calls = 0;
      const auto served = (*network)->Run(request, logits);
      ASSERT_TRUE(served.ok()) << served.status();
      EXPECT_EQ(served->choice, choice);
      EXPECT_EQ(calls, expected) << rows;
      EXPECT_TRUE(Close(logits, Alone(f, choice, request))) << rows;
    }
  }
  EXPECT_EQ((*network)->statistics().failed_requests, 0);
}

TEST(DynamicNetwork, SaysWhatIsWrongWithItsOptions) {
  const Fixture f = Small();
  const auto refused = [&](const std::function<void(DynamicOptions&)>& change, const std::string& fragment) {
    DynamicOptions options = f.Options();
    change(options);
    ExpectError(f.Make(options).status(), absl::StatusCode::kInvalidArgument, {fragment});
  };
  refused([](auto& o) { o.batch = 0; }, "batch: 0, expected 1 to 65536");
  refused([](auto& o) { o.lanes = 0; }, "lanes: 0");
  refused([](auto& o) { o.division.parts = 0; }, "division.parts: 0");
  refused([](auto& o) { o.prepared = 1; }, "prepared: 1, expected at least 2");
  refused([](auto& o) { o.image_side = 9; }, "image_side: 9");
  refused([](auto& o) { o.follow = FollowOptions{.metric = "accuracy"}; }, "follow.metric: \"accuracy\"");
  Fixture other = Small();
  other.table.nodes[2].candidates[0] = "zero";
  ExpectError(other.Make(other.Options()).status(), absl::StatusCode::kInvalidArgument, {"nodes[2]"});
}

}  // namespace
}  // namespace mathnas::runtime
