// Counting, Algorithm 1's list of networks, measuring in turn, energy counters, the journal of measurements, and the
// table that comes of it.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "mathnas/core/average_network.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/profile/image_workload.h"
#include "mathnas/profile/latency.h"
#include "mathnas/profile/meter.h"
#include "mathnas/profile/profiler.h"
#include "mathnas/profile/rapl.h"
#include "nlohmann/json.hpp"
#include "supernet/counting.h"
#include "supernet/evaluation.h"
#include "supernet/nasbench201/space.h"
#include "supernet/training/sampling.h"
#include "supernet/weights.h"
#include "tests/supernet/test_files.h"

namespace mathnas::profile {
namespace {

using nlohmann::json;
using supernet::NasBench201;
using supernet::SearchSpace;
using supernet::testing::Read;
using supernet::testing::TempFolder;
using supernet::testing::Write;

void ExpectError(const absl::Status& status, absl::StatusCode code, const std::vector<std::string>& fragments) {
  EXPECT_EQ(status.code(), code) << status;
  for (const std::string& f : fragments) {
    EXPECT_NE(kernels::Message(status).find(f), std::string::npos)
        << "\"" << f << "\" in: " << kernels::Message(status);
  }
}

// Counting

TEST(CountedTable, SumsAreTheCountsOfNetworks) {
  for (const auto& space :
       {*NasBench201({}),
        *NasBench201({.channels = 24, .cells = 2, .classes = 20, .height = 28, .width = 28, .input_channels = 1})}) {
    const auto table = CountedTable(*space);
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_EQ(table->metrics.at("flops").unit, "MMAC");
    EXPECT_EQ(table->metrics.at("parameters").unit, "M");
    for (int64_t i = 0; i < 50; ++i) {
      const Choice choice = supernet::RandomChoice(*space, 8, i);
      const auto cost = supernet::CountNetwork(*space, choice);
      ASSERT_TRUE(cost.ok()) << cost.status();
      for (const auto& [name, count] :
           {std::pair{"flops", cost->total.flops}, {"parameters", cost->total.parameters}}) {
        const core::MetricSlice& slice = table->metrics.at(name).slices[0];
        double sum = slice.base;
        for (size_t n = 0; n < choice.size(); ++n) sum += slice.values[n][static_cast<size_t>(choice[n])];
        EXPECT_EQ(std::llround(sum * 1e6), count) << name;
        EXPECT_NEAR(sum * 1e6, static_cast<double>(count), 1e-3) << "counts are whole numbers";
      }
      // Parameters, by hand.
      const kernels::Graph graph = space->Network(choice, {}).graph;
      int64_t elements = 0;
      for (kernels::Value v : graph.Leaves(kernels::ValueKind::kParameter)) elements += graph.desc(v).elements();
      EXPECT_EQ(cost->total.parameters, elements);
    }
  }
}

// spec/search-spaces.md 2.7: each 3x3 edge 35.38944, each 1x1 edge 3.93216, the rest 7.78305.
TEST(CountedTable, PublishedValues) {
  const auto table = CountedTable(**NasBench201({}));
  ASSERT_TRUE(table.ok());
  const core::MetricSlice& flops = table->metrics.at("flops").slices[0];
  EXPECT_DOUBLE_EQ(flops.base, 7.78305);
  for (const std::vector<double>& edge : flops.values) {
    ASSERT_EQ(edge.size(), 5U);
    EXPECT_EQ(edge[0], 0);
    EXPECT_EQ(edge[1], 0);
    EXPECT_DOUBLE_EQ(edge[2], 3.93216);
    EXPECT_DOUBLE_EQ(edge[3], 35.38944);
    EXPECT_EQ(edge[4], 0);
  }
}

// spec/mathnas.md 2.1: the mean of 0, 0, 1, 9, 0 is 2, and 1x1 with 1 is nearest to it.
TEST(PlanSwitches, NetworksOfAlgorithm1) {
  const auto space = *NasBench201({});
  const auto table = CountedTable(*space);
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(*core::AverageNetwork(*table), Choice({2, 2, 2, 2, 2, 2}));
  const auto planned = PlanSwitches(*space, *table);
  ASSERT_TRUE(planned.ok()) << planned.status();
  ASSERT_EQ(planned->size(), 1U);
  const Switches* switches = &planned->front();
  EXPECT_EQ(switches->base, Choice({3, 3, 3, 3, 3, 3}));
  EXPECT_EQ(switches->average, Choice({2, 2, 2, 2, 2, 2}));
  ASSERT_EQ(switches->switched.size(), 6U);
  for (size_t i = 0; i < 6; ++i) {
    ASSERT_EQ(switches->switched[i].size(), 5U);
    for (int j = 0; j < 5; ++j) {
      Choice expected = {2, 2, 2, 2, 2, 2};
      expected[i] = j;
      // Nothing gets into vertex 1, or out of vertex 2: the other edges there are dead.
      if (i == 0 && j == 0) expected = {0, 2, 0, 2, 0, 2};
      if (i == 5 && j == 0) expected = {2, 0, 0, 2, 2, 0};
      EXPECT_EQ(switches->switched[i][static_cast<size_t>(j)], expected);
    }
  }
  const std::vector<Choice> all = NetworksOf(*planned);
  EXPECT_EQ(all.size(), 32U);
  EXPECT_EQ(std::set<Choice>(all.begin(), all.end()).size(), 26U);
}

// Latency

TEST(Summarise, RobustStatistics) {
  const auto stats = Summarise({5, 1, 3});
  ASSERT_TRUE(stats.ok());
  EXPECT_DOUBLE_EQ(stats->median_ms, 3);
  EXPECT_DOUBLE_EQ(stats->low_ms, 2);
  EXPECT_DOUBLE_EQ(stats->high_ms, 4);
  EXPECT_DOUBLE_EQ(stats->stddev_ms, 1.4826 * 2);
  EXPECT_EQ(stats->rounds, 3);
  // One wild round in ten changes nothing.
  const auto wild = Summarise({2, 2, 2, 2, 2, 1000, 2, 2, 2, 2});
  EXPECT_DOUBLE_EQ(wild->median_ms, 2);
  EXPECT_DOUBLE_EQ(wild->high_ms, 2);
  EXPECT_DOUBLE_EQ(wild->stddev_ms, 0);
  EXPECT_DOUBLE_EQ(Summarise({7})->median_ms, 7);
  EXPECT_FALSE(Summarise({}).ok());
}

TEST(Settled, WhenTheMedianIsKnownWellEnough) {
  const LatencyOptions options = {.min_rounds = 4, .max_rounds = 40, .relative_error = 0.01};
  EXPECT_FALSE(Settled({}, options));
  EXPECT_FALSE(Settled({1, 1, 1}, options)) << "too few";
  EXPECT_TRUE(Settled({1, 1, 1, 1}, options));
  // Deviations of 0.1: a standard error of 1.2533 * 0.14826 / sqrt(n).
  std::vector<double> samples;
  for (int n = 0; n < 40; n += 2) samples.insert(samples.end(), {0.9, 1.1});
  EXPECT_TRUE(Settled(samples, options)) << "max_rounds";
  EXPECT_TRUE(Settled({1, 2}, {.min_rounds = 4, .max_rounds = 2})) << "max_rounds counts before min_rounds";
  EXPECT_FALSE(Settled({1}, {.min_rounds = 4, .max_rounds = 2}));
  samples.resize(38);
  EXPECT_FALSE(Settled(samples, options));
  const double error = 1.2533 * 1.4826 * 0.1 / std::sqrt(38);
  EXPECT_TRUE(Settled(samples, {.min_rounds = 4, .relative_error = error * 1.001}));
  EXPECT_FALSE(Settled(samples, {.min_rounds = 4, .relative_error = error * 0.999}));
}

// A device whose only operator writes down that it ran: by the size of its input.
class Recorder : public kernels::Device {
 public:
  std::string_view name() const override { return "recorder"; }
  int threads() const override { return 1; }
  kernels::DType real() const override { return kernels::DType::kF32; }

  std::vector<int64_t> runs;
  int64_t broken = 0;  // the size that fails

 protected:
  class Recording : public kernels::Kernel, public kernels::BoundKernel {
   public:
    Recording(Recorder& recorder, int64_t size) : recorder_(recorder), size_(size) {}
    std::string implementation() const override { return "recorder"; }
    absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const kernels::KernelBuffers&) const override {
      return std::make_unique<Recording>(*this);
    }
    absl::Status Run() override {
      recorder_.runs.push_back(size_);
      return size_ == recorder_.broken ? absl::DataLossError("broken kernel") : absl::OkStatus();
    }

   private:
    Recorder& recorder_;
    int64_t size_;
  };

  absl::StatusOr<std::shared_ptr<const kernels::Kernel>> Make(const kernels::Operator&, kernels::DescSpan inputs,
                                                              kernels::DescSpan) override {
    return std::make_shared<Recording>(*this, inputs[0].elements());
  }
};

class InTurn : public ::testing::Test {
 protected:
  InTurn() {
    for (int64_t size : {1, 2, 3}) {
      kernels::Graph graph;
      const kernels::Value y = graph.Apply(kernels::Relu{}, {graph.Input("x", {size})})[0];
      const auto plan = kernels::Plan::Create(graph, {{"y", y}}, recorder_);
      owned_.push_back(*kernels::Context::Create(*plan, {}));
      runs_.emplace_back([context = owned_.back().get()] { return context->Run(); });
    }
  }
  // Each round runs a context once to fill the caches, and once.
  static LatencyOptions Options(int rounds) {
    return {.warmup_rounds = 2, .min_rounds = rounds, .max_rounds = rounds, .round_seconds = 0};
  }
  static constexpr std::array<int64_t, 3> kRuns = {1, 2, 3};

  Recorder recorder_;
  std::vector<std::unique_ptr<kernels::Context>> owned_;
  std::vector<std::function<absl::Status()>> runs_;
  std::vector<std::vector<double>> samples_;
};

TEST_F(InTurn, RoundAfterRound) {
  std::vector<int> told;
  const auto after_round = [&](int rounds) {
    told.push_back(rounds);
    for (const auto& s : samples_) EXPECT_EQ(std::ssize(s), rounds);
    return absl::OkStatus();
  };
  ASSERT_TRUE(MeasureInTurn(runs_, Options(5), samples_, after_round, nullptr).ok());
  ASSERT_EQ(recorder_.runs.size(), 2U * 3U * (2 + 5));
  for (auto round = recorder_.runs.begin(); round != recorder_.runs.end(); round += 6) {
    std::vector<int64_t> measured;
    for (int i = 0; i < 6; i += 2) {
      EXPECT_EQ(round[i], round[i + 1]) << "right after its own warming run";
      measured.push_back(round[i]);
    }
    EXPECT_TRUE(std::is_permutation(measured.begin(), measured.end(), kRuns.begin()));
    const bool warms_up = round - recorder_.runs.begin() < 2 * 6;
    if (warms_up) {
      EXPECT_TRUE(std::equal(measured.begin(), measured.end(), kRuns.begin()));
    }
  }
  const std::vector<int64_t> before = std::exchange(recorder_.runs, {});
  std::vector<std::vector<double>> again;
  ASSERT_TRUE(MeasureInTurn(runs_, Options(5), again, nullptr, nullptr).ok());
  EXPECT_EQ(recorder_.runs, before) << "the same order every time";
  EXPECT_EQ(told, std::vector<int>({1, 2, 3, 4, 5}));
  ASSERT_EQ(samples_.size(), 3U);
  for (const auto& s : samples_) {
    ASSERT_EQ(s.size(), 5U);
    for (double v : s) EXPECT_GE(v, 0);
  }
}

// The first run finds the caches taken by the others.
TEST_F(InTurn, TheFirstRunOfARoundDoesNotCount) {
  int runs = 0;
  const std::function<absl::Status()> slow_at_first = [&] {
    if (runs++ % 2 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return absl::OkStatus();
  };
  ASSERT_TRUE(MeasureInTurn({slow_at_first}, Options(5), samples_, nullptr, nullptr).ok());
  EXPECT_EQ(runs, 2 * (2 + 5));
  EXPECT_LT(Summarise(samples_[0])->median_ms, 20);
}

// What comes first in a round may be at a disadvantage.
TEST_F(InTurn, EveryRunComesFirstNowAndThen) {
  ASSERT_TRUE(MeasureInTurn(runs_, Options(60), samples_, nullptr, nullptr).ok());
  std::map<int64_t, int> first;
  for (size_t i = 0; i < recorder_.runs.size(); i += 6) ++first[recorder_.runs[i]];
  for (int64_t run : kRuns) EXPECT_GE(first[run], 10) << run;
}

TEST_F(InTurn, UntilAllAreSettled) {
  LatencyOptions options = Options(3);
  options.max_rounds = 9;
  options.relative_error = -1;  // never
  ASSERT_TRUE(MeasureInTurn(runs_, options, samples_, nullptr, nullptr).ok());
  for (const auto& s : samples_) EXPECT_EQ(s.size(), 9U);
  options.relative_error = 1e12;  // at once
  samples_.clear();
  ASSERT_TRUE(MeasureInTurn(runs_, options, samples_, nullptr, nullptr).ok());
  for (const auto& s : samples_) EXPECT_EQ(s.size(), 3U);
  // Earlier samples count, and stay. What is settled runs on with the others.
  samples_ = {{1, 2, 3}, {1}, {}};
  ASSERT_TRUE(MeasureInTurn(runs_, options, samples_, nullptr, nullptr).ok());
  EXPECT_EQ(samples_[0].size(), 6U);
  EXPECT_EQ(samples_[1].size(), 4U);
  EXPECT_EQ(samples_[2].size(), 3U);
  EXPECT_EQ(samples_[0][1], 2);
}

TEST_F(InTurn, StopsByFlagByCallbackAndByError) {
  std::atomic<bool> cancel = false;
  const auto cancel_after_2 = [&](int rounds) {
    cancel = rounds == 2;
    return absl::OkStatus();
  };
  ExpectError(MeasureInTurn(runs_, Options(5), samples_, cancel_after_2, &cancel), absl::StatusCode::kCancelled, {});
  for (const auto& s : samples_) EXPECT_EQ(s.size(), 2U) << "what was measured is kept";
  samples_.clear();
  const auto refuse = [](int) { return absl::ResourceExhaustedError("disk full"); };
  ExpectError(MeasureInTurn(runs_, Options(5), samples_, refuse, nullptr), absl::StatusCode::kResourceExhausted,
              {"disk full"});
  recorder_.broken = 2;
  samples_.clear();
  ExpectError(MeasureInTurn(runs_, Options(5), samples_, nullptr, nullptr), absl::StatusCode::kDataLoss,
              {"broken kernel"});
}

// Energy

class Rapl : public ::testing::Test {
 protected:
  void Package(const std::string& name, const std::string& energy, const std::string& range) {
    std::filesystem::create_directories(folder_ / name);
    Write(folder_ / (name + "/energy_uj"), energy);
    if (!range.empty()) Write(folder_ / (name + "/max_energy_range_uj"), range);
  }
  TempFolder folder_;
};

TEST_F(Rapl, AddsPackagesAndUnwraps) {
  Package("intel-rapl:0", "900000\n", "1000000\n");
  Package("intel-rapl:1", "5\n", "1000000\n");
  Package("intel-rapl:0:0", "700000\n", "1000000\n");  // a part of package 0
  Package("dtpm", "1\n", "10\n");
  auto counter = RaplCounter::Open(folder_.str());
  ASSERT_TRUE(counter.ok()) << counter.status();
  const double start = *counter->Joules();
  Package("intel-rapl:0", "950000\n", "");
  Package("intel-rapl:0:0", "900000\n", "");
  EXPECT_NEAR(*counter->Joules() - start, 0.05, 1e-9);
  Package("intel-rapl:1", "250005\n", "");
  EXPECT_NEAR(*counter->Joules() - start, 0.3, 1e-9);
  Package("intel-rapl:0", "100000\n", "");  // wrapped: 0.05 to the end and 0.1
  EXPECT_NEAR(*counter->Joules() - start, 0.45, 1e-9);
  EXPECT_NEAR(*counter->Joules() - start, 0.45, 1e-9) << "nothing was used since";
  Package("intel-rapl:0", "99999\n", "");  // nearly all the way round
  EXPECT_NEAR(*counter->Joules() - start, 0.45 + 0.999999, 1e-9);
}

TEST_F(Rapl, SaysWhyThereIsNoEnergy) {
  const auto unavailable = [](const absl::Status& status, const std::string& word) {
    ExpectError(status, absl::StatusCode::kUnavailable, {word});
  };
  unavailable(RaplCounter::Open(folder_ / "missing").status(), "no RAPL");
  unavailable(RaplCounter::Open(folder_.str()).status(), "no RAPL");
  Package("intel-rapl:0:0", "1\n", "10\n");
  unavailable(RaplCounter::Open(folder_.str()).status(), "no RAPL");
  std::filesystem::create_directories(folder_ / "intel-rapl:0");
  unavailable(RaplCounter::Open(folder_.str()).status(), "intel-rapl:0/energy_uj");
  std::filesystem::create_directories(folder_ / "intel-rapl:0/energy_uj");
  unavailable(RaplCounter::Open(folder_.str()).status(), "not readable");
  std::filesystem::remove(folder_ / "intel-rapl:0/energy_uj");
  Package("intel-rapl:0", "many\n", "10\n");
  unavailable(RaplCounter::Open(folder_.str()).status(), "intel-rapl:0/energy_uj");
  Package("intel-rapl:0", "7\n", "10\n");
  auto counter = RaplCounter::Open(folder_.str());
  ASSERT_TRUE(counter.ok()) << counter.status();
  std::filesystem::remove_all(folder_ / "intel-rapl:0");
  unavailable(counter->Joules().status(), "cannot be read any more");
}

// Meter and journal

class Measuring : public ::testing::Test {
 protected:
  Measuring()
      : space_(*NasBench201({.channels = 8, .cells = 1, .classes = 4, .height = 8, .width = 8})),
        data_(*supernet::LoadDataset("synthetic:N=48,test=40,size=8,classes=4")),
        shared_(supernet::AllocateWeights(space_->Supernet({.mode = supernet::Mode::kTraining}).graph)),
        journal_(folder_ / "journal.json") {
    supernet::InitializeWeights(shared_, 3);
  }

  void SetUp() override {
    const auto cpu = kernels::CpuDevice(1);
    if (!cpu.ok()) GTEST_SKIP() << "no CPU kernels: " << kernels::Message(cpu.status());
    device_ = *cpu;
  }

  MeterOptions Options() {
    MeterOptions options;
    options.latency = {.warmup_rounds = 1, .min_rounds = 3, .max_rounds = 3, .round_seconds = 0};
    options.journal_path = journal_;
    options.identity = "supernet A";
    options.cancel = &cancel_;
    options.progress = [this](const MeterProgress& p) {
      reports_.emplace_back(p.what, p.done, p.total);
      if (std::ssize(reports_) == cancel_at_) cancel_ = true;
    };
    return options;
  }
  absl::StatusOr<std::unique_ptr<Meter>> Open() { return Open(Options()); }
  absl::StatusOr<std::unique_ptr<Meter>> Open(MeterOptions options) {
    reports_.clear();
    cancel_ = false;
    return Meter::Create(
        std::make_unique<ImageWorkload>(space_, device_, shared_, supernet::Referring(data_.train),
                                        supernet::Referring(data_.test),
                                        ImageWorkloadOptions{.recalibration = {.batches = 2, .batch = 16}}),
        std::move(options));
  }
  std::vector<Choice> Networks() const { return NetworksOf(*PlanSwitches(*space_, *CountedTable(*space_))); }

  TempFolder folder_;
  std::shared_ptr<const SearchSpace> space_;
  std::shared_ptr<kernels::Device> device_;
  supernet::DatasetPair data_;
  kernels::TensorMap shared_;
  std::string journal_;
  std::atomic<bool> cancel_ = false;
  int64_t cancel_at_ = -1;
  std::vector<std::tuple<std::string, int64_t, int64_t>> reports_;
};

TEST_F(Measuring, InterruptedAccuracyGoesOnWhereItStopped) {
  const std::vector<Choice> networks = Networks();
  cancel_at_ = 5;
  auto first = Open();
  ASSERT_TRUE(first.ok()) << first.status();
  ExpectError((*first)->MeasureAccuracy(networks), absl::StatusCode::kCancelled, {});
  ASSERT_EQ(reports_.size(), 5U);
  EXPECT_EQ(reports_[4], std::tuple("accuracy", 5, 26)) << "each network once";

  // A changed journal tells what is taken from it: the second network gets an accuracy that no measurement gives.
  json journal = json::parse(Read(journal_));
  for (json& n : journal["networks"]) {
    if (n["choice"] == json(networks[1])) n["accuracy"] = 12.3456;
  }
  Write(journal_, journal.dump());

  cancel_at_ = -1;
  auto second = Open();
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_TRUE((*second)->MeasureAccuracy(networks).ok());
  ASSERT_EQ(reports_.size(), 21U);
  EXPECT_EQ(reports_.back(), std::tuple("accuracy", 21, 21));
  EXPECT_EQ((*second)->of(networks[1]).accuracy, 12.3456);
  EXPECT_EQ((*second)->of(networks[0]).accuracy, (*first)->of(networks[0]).accuracy);

  auto third = Open();
  ASSERT_TRUE(third.ok()) << third.status();
  ASSERT_TRUE((*third)->MeasureAccuracy(networks).ok());
  EXPECT_TRUE(reports_.empty());
  for (const Choice& c : networks) {
    ASSERT_TRUE((*third)->of(c).accuracy.has_value());
    EXPECT_EQ((*third)->of(c).accuracy, (*second)->of(c).accuracy);
    EXPECT_EQ((*third)->of(c).loss, (*second)->of(c).loss);
  }
  EXPECT_EQ(folder_.entries(), 1);

  // What was measured is the network with inherited weights and statistics of its own.
  auto weights = supernet::ExtractWeights(*space_, networks[0], shared_);
  ASSERT_TRUE(weights.ok());
  ASSERT_TRUE(supernet::Recalibrate(*space_, networks[0], *weights, device_, supernet::Referring(data_.train),
                                    {.batches = 2, .batch = 16})
                  .ok());
  const auto evaluation = supernet::Evaluate(*space_, networks[0], *weights, device_, supernet::Referring(data_.test));
  EXPECT_EQ((*third)->of(networks[0]).accuracy, evaluation->accuracy);
  EXPECT_EQ((*third)->of(networks[0]).loss, evaluation->loss);
}

TEST_F(Measuring, InterruptedLatencyKeepsItsRounds) {
  const std::vector<Choice> networks = {{3, 3, 3, 3, 3, 3}, {1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1}};
  cancel_at_ = 2;
  auto first = Open();
  ASSERT_TRUE(first.ok()) << first.status();
  ExpectError((*first)->MeasureLatency(networks), absl::StatusCode::kCancelled, {});
  EXPECT_EQ(reports_.back(), std::tuple("latency", 2, 3));
  const std::vector<double> before = (*first)->of(networks[0]).latency_ms;
  ASSERT_EQ(before.size(), 2U);

  cancel_at_ = -1;
  auto second = Open();
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_TRUE((*second)->MeasureLatency(networks).ok());
  EXPECT_EQ(reports_.size(), 1U) << "one round was missing";
  const std::vector<double> after = (*second)->of(networks[0]).latency_ms;
  ASSERT_EQ(after.size(), 3U);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin()));

  auto third = Open();
  ASSERT_TRUE(third.ok()) << third.status();
  ASSERT_TRUE((*third)->MeasureLatency(networks).ok());
  EXPECT_TRUE(reports_.empty());
  EXPECT_EQ((*third)->of(networks[0]).latency_ms, after);
}

TEST_F(Measuring, NetworksNamedSeveralTimesAreTimedAsOften) {
  auto meter = Open();
  ASSERT_TRUE(meter.ok()) << meter.status();
  const Choice often = {3, 3, 3, 3, 3, 3}, once = {1, 1, 1, 1, 1, 1};
  ASSERT_TRUE((*meter)->MeasureLatency({often, once, often}).ok());
  EXPECT_EQ((*meter)->of(often).latency_ms.size(), 6U);
  EXPECT_EQ((*meter)->of(once).latency_ms.size(), 3U);
}

TEST_F(Measuring, MemoryGrowsWithTheNetwork) {
  auto meter = Open();
  ASSERT_TRUE(meter.ok()) << meter.status();
  const Choice large = {3, 3, 3, 3, 3, 3}, small = {0, 0, 0, 1, 0, 0};
  ASSERT_TRUE((*meter)->MeasureMemory({large, small}).ok());
  // Six 3x3 convolutions in cells of 8, 16 and 32 channels.
  const int64_t weights = 6 * 9 * (8 * 8 + 16 * 16 + 32 * 32) * 4;
  EXPECT_GT(*(*meter)->of(large).memory_bytes, *(*meter)->of(small).memory_bytes + weights / 2);
  EXPECT_GT(*(*meter)->of(small).memory_bytes, 8 * 8 * 8 * 4);
  auto again = Open();
  EXPECT_EQ((*again)->of(large).memory_bytes, (*meter)->of(large).memory_bytes);
}

TEST_F(Measuring, JournalsOfOthersAndDamagedOnesAreRefused) {
  {
    auto meter = Open();
    ASSERT_TRUE(meter.ok());
    ASSERT_TRUE((*meter)->MeasureAccuracy({{3, 3, 3, 3, 3, 3}}).ok());
  }
  const std::string good = Read(journal_);
  EXPECT_TRUE(Open().ok());
  MeterOptions other = Options();
  other.identity = "supernet B";
  ExpectError(Open(other).status(), absl::StatusCode::kInvalidArgument, {journal_, "another", "delete it"});

  const auto broken = [&](const std::string& text, const std::vector<std::string>& fragments) {
    SCOPED_TRACE(text.substr(0, 200));
    Write(journal_, text);
    const auto meter = Open();
    ExpectError(meter.status(), absl::StatusCode::kInvalidArgument, {journal_});
    ExpectError(meter.status(), absl::StatusCode::kInvalidArgument, fragments);
    EXPECT_EQ(Read(journal_), text) << "left as it was";
  };
  broken("", {"format"});
  broken(good.substr(0, good.size() / 2), {"format"});
  broken("[]", {"format"});
  broken(std::string(100000, '['), {"format"});
  const auto changed = [&](const char* pointer, const json& value, const std::vector<std::string>& fragments) {
    json journal = json::parse(good);
    journal[json::json_pointer(pointer)] = value;
    broken(journal.dump(), fragments);
  };
  changed("/format", "mathnas-measurements/2", {"format"});
  changed("/format", 1, {"format"});
  changed("/identity", 1, {"another"});
  changed("/identity", nullptr, {"another"});
  changed("/networks", 1, {"networks"});
  changed("/networks", json::object(), {"networks"});
  changed("/networks/0", 1, {"networks[0]"});
  changed("/networks/0/choice", 1, {"networks[0].choice"});
  changed("/networks/0/choice", {3, 3, 3, 3, 3}, {"networks[0].choice"});
  changed("/networks/0/choice/5", 5, {"networks[0].choice"});
  changed("/networks/0/choice/5", 0.5, {"networks[0].choice"});
  changed("/networks/0/choice/5", 4294967299, {"networks[0].choice"});
  changed("/networks/0/accuracy", "12", {"networks[0].accuracy"});
  changed("/networks/0/loss", nullptr, {"networks[0].loss"});
  changed("/networks/0/energy_mj", json::array(), {"networks[0].energy_mj"});
  changed("/networks/0/memory_bytes", 1.5, {"networks[0].memory_bytes"});
  changed("/networks/0/latency_ms", 1.5, {"networks[0].latency_ms"});
  changed("/networks/0/latency_ms", {1.5, -1}, {"networks[0].latency_ms"});
  changed("/networks/0/latency_ms", {1.5, "x"}, {"networks[0].latency_ms"});
  Write(journal_, good);
  EXPECT_TRUE(Open().ok());
}

// Tables

TEST_F(Measuring, ProfileIsAlgorithm1) {
  auto meter = Open();
  ASSERT_TRUE(meter.ok()) << meter.status();
  const auto table =
      Profile(*space_, **meter, {"accuracy", "latency", "memory", "parameters"}, Options().latency, "today");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->metrics.size(), 5U) << "flops always";
  const Switches switches = PlanSwitches(*space_, *CountedTable(*space_))->front();
  const Measurement& average = (*meter)->of(switches.average);
  const core::Metric& accuracy = table->metrics.at("accuracy");
  EXPECT_EQ(accuracy.form, core::Form::kSaving);
  EXPECT_EQ(accuracy.goal, core::Goal::kMax);
  EXPECT_EQ(accuracy.slices[0].base, *(*meter)->of({3, 3, 3, 3, 3, 3}).accuracy);
  const core::Metric& latency = table->metrics.at("latency");
  EXPECT_EQ(latency.form, core::Form::kCost);
  EXPECT_EQ(latency.unit, "ms");
  EXPECT_EQ(latency.threads, 1);
  const double average_ms = Summarise(average.latency_ms)->median_ms;
  EXPECT_EQ(latency.slices[0].base, average_ms);
  const core::Metric& memory = table->metrics.at("memory");
  EXPECT_DOUBLE_EQ(memory.slices[0].base, 1e-6 * static_cast<double>(*average.memory_bytes));
  const auto sum = [](const core::Metric& m, const Choice& choice) {
    double total = 0;
    for (size_t n = 0; n < choice.size(); ++n) total += m.slices[0].values[n][static_cast<size_t>(choice[n])];
    return total;
  };
  for (size_t i = 0; i < 6; ++i) {
    const double reference = *(*meter)->of(switches.switched[i][3]).accuracy;
    for (size_t j = 0; j < 5; ++j) {
      const Choice& choice = switches.switched[i][j];
      const Measurement& m = (*meter)->of(choice);
      if (j > 0) {
        EXPECT_NEAR(accuracy.slices[0].values[i][j], reference - *m.accuracy, 1e-9);
        EXPECT_NEAR(latency.slices[0].values[i][j], Summarise(m.latency_ms)->median_ms - average_ms, 1e-9);
      }
      // Every network that was measured is predicted as it was measured, dead edges and all.
      EXPECT_NEAR(sum(accuracy, choice) - sum(accuracy, switches.average), *average.accuracy - *m.accuracy, 1e-9);
      EXPECT_NEAR(latency.slices[0].base + sum(latency, choice), Summarise(m.latency_ms)->median_ms, 1e-9);
      EXPECT_NEAR(memory.slices[0].base + sum(memory, choice), 1e-6 * static_cast<double>(*m.memory_bytes), 1e-9);
      EXPECT_EQ(latency.slices[0].samples[i][j], choice == switches.average ? 3 * 7 : 3);
    }
  }
  EXPECT_EQ(table->metrics.at("flops").slices[0].values, CountedTable(*space_)->metrics.at("flops").slices[0].values);

  const std::string text = core::ToJson(*table);
  const auto parsed = core::Parse(text, "table");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(core::ToJson(*parsed), text);
  ExpectError(Profile(*space_, **meter, {"speed"}, Options().latency, "today").status(),
              absl::StatusCode::kInvalidArgument, {"speed", "latency"});
}

TEST_F(Measuring, NetworksThatInteractionChooses) {
  const EvaluationPlan plan = {.evaluations = 8, .limits = {{"parameters", core::LimitOp::kAtMost, 0.02, "M"}}};
  const auto profiled = [&](Meter& meter) -> absl::StatusOr<core::BlockTable> {
    auto table = Profile(*space_, meter, {"parameters"}, Options().latency, "today");
    if (!table.ok()) return table;
    if (auto s = AddEvaluatedAccuracy(*space_, meter, plan, "today", *table); !s.ok()) return s;
    return table;
  };
  cancel_at_ = 3;
  auto interrupted = Open();
  ASSERT_TRUE(interrupted.ok()) << interrupted.status();
  ExpectError(profiled(**interrupted).status(), absl::StatusCode::kCancelled, {});
  EXPECT_EQ(reports_.back(), std::tuple("accuracy", 3, 8));

  cancel_at_ = -1;
  auto meter = Open();
  ASSERT_TRUE(meter.ok()) << meter.status();
  const auto table = profiled(**meter);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(reports_.size(), 5U) << "three were measured before";
  EXPECT_EQ(reports_.back(), std::tuple("accuracy", 8, 8));
  const core::Metric& accuracy = table->metrics.at("accuracy");
  EXPECT_EQ(accuracy.goal, core::Goal::kMax);
  ASSERT_EQ(accuracy.evaluations.size(), 8U);
  std::set<Choice> different;
  for (const core::Evaluation& e : accuracy.evaluations) {
    different.insert(e.choice);
    EXPECT_EQ(e.value, *(*meter)->of(e.choice).accuracy);
  }
  EXPECT_EQ(different.size(), 8U);
  for (const auto& row : accuracy.slices[0].values) {
    for (double v : row) EXPECT_TRUE(std::isnan(v));
  }
  const std::string text = core::ToJson(*table);
  EXPECT_EQ(core::ToJson(*core::Parse(text, "table")), text);

  // A run that was never disturbed gives the same table.
  std::filesystem::remove(journal_);
  auto undisturbed = Open();
  ASSERT_TRUE(undisturbed.ok());
  EXPECT_EQ(core::ToJson(*profiled(**undisturbed)), text);
  core::BlockTable other = *table;
  ExpectError(AddEvaluatedAccuracy(*space_, **meter, {.limits = {{"latency", core::LimitOp::kAtMost, 1, "ms"}}},
                                   "today", other),
              absl::StatusCode::kInvalidArgument, {"latency"});
}

TEST_F(Measuring, EnergyThatCannotBeMeasuredIsNullWithAReason) {
  if (RaplCounter::Open().ok()) GTEST_SKIP() << "this machine has energy counters";
  auto meter = Open();
  ASSERT_TRUE(meter.ok()) << meter.status();
  const auto table = Profile(*space_, **meter, {"energy"}, Options().latency, "today");
  ASSERT_TRUE(table.ok()) << table.status();
  const core::Metric& energy = table->metrics.at("energy");
  EXPECT_EQ(energy.unit, "mJ");
  EXPECT_TRUE(std::isnan(energy.slices[0].base));
  for (const auto& row : energy.slices[0].values) {
    ASSERT_EQ(row.size(), 5U);
    for (double v : row) EXPECT_TRUE(std::isnan(v));
  }
  const std::string text = core::ToJson(*table);
  const json document = json::parse(text);
  EXPECT_TRUE(document["metrics"]["energy"]["base"].is_null());
  EXPECT_TRUE(document["metrics"]["energy"]["values"][0][0].is_null());
  EXPECT_NE(document["metrics"]["energy"]["x-reason"].get<std::string>().find("RAPL"), std::string::npos) << text;
  const auto parsed = core::Parse(text, "table");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(core::ToJson(*parsed), text);
}

}  // namespace
}  // namespace mathnas::profile
