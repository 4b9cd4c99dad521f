// Block tables of the once-for-all space, by layers and by stages, with several resolutions: counted, measured,
// searched.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "mathnas/core/average_network.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/networks.h"
#include "mathnas/core/search.h"
#include "mathnas/profile/image_workload.h"
#include "mathnas/profile/meter.h"
#include "mathnas/profile/profiler.h"
#include "mathnas/profile/space_table.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/training/sampling.h"
#include "supernet/weights.h"
#include "tests/supernet/test_files.h"

namespace mathnas::profile {
namespace {

using supernet::MobileNetV3;
using supernet::SearchSpace;
using supernet::mobilenetv3::Architecture;
using supernet::mobilenetv3::BlockSet;
using supernet::testing::TempFolder;

constexpr int kClasses = 4;

// Two candidates per stage: the cheapest and the dearest of the published ones.
BlockSet TwoEach() {
  BlockSet set = supernet::mobilenetv3::CpuBlocks();
  for (auto& stage : set.stages) stage = {stage.front(), stage.back()};
  set.name = "two";
  return set;
}

std::shared_ptr<const SearchSpace> Layers() { return *MobileNetV3({.classes = kClasses, .resolutions = {32, 64}}); }
std::shared_ptr<const SearchSpace> Stages(BlockSet set = TwoEach()) {
  return *MobileNetV3({.classes = kClasses, .resolutions = {32, 64}, .blocks = std::move(set)});
}

struct Count {
  double macs = 0, parameters = 0;

  // A convolution without bias and its normalisation over `side` x `side` results; groups divide the inputs.
  void Convolution(int64_t in, int64_t out, int64_t kernel, int64_t side, bool norm = true) {
    macs += static_cast<double>(in * out * kernel * kernel * side * side);
    parameters += static_cast<double>(in * out * kernel * kernel + (norm ? 2 * out : 0));
  }
};

int64_t Eighths(double value) {
  const int64_t rounded = std::max<int64_t>(8, static_cast<int64_t>(value + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * value ? rounded + 8 : rounded;
}

// Multiply-adds and parameters of a network of width 1.0, layer by layer after spec/search-spaces.md 3.1 and 3.4.
Count ByHand(const Architecture& a) {
  Count count;
  int64_t side = a.resolution / 2, in = 16;
  count.Convolution(3, 16, 3, side);
  count.Convolution(1, 16, 3, side);
  count.Convolution(16, 16, 1, side);
  const int64_t widths[] = {24, 40, 80, 112, 160};
  for (int stage = 0; stage < 5; ++stage) {
    for (int layer = 0; layer < a.d[stage]; ++layer) {
      const int block = 4 * stage + layer;
      const int64_t mid = Eighths(static_cast<double>(in * a.e[block])), out = widths[stage];
      count.Convolution(in, mid, 1, side);
      if (layer == 0 && stage != 3) side = (side + 1) / 2;
      count.Convolution(1, mid, a.ks[block], side);
      if (stage == 1 || stage >= 3) {
        const int64_t hidden = Eighths(static_cast<double>(mid / 4));
        count.macs += static_cast<double>(2 * mid * hidden);
        count.parameters += static_cast<double>(2 * mid * hidden + mid + hidden);
      }
      count.Convolution(mid, out, 1, side);
      in = out;
    }
  }
  count.Convolution(160, 960, 1, side);
  count.Convolution(960, 1280, 1, 1, /*norm=*/false);
  count.Convolution(1280, kClasses, 1, 1, /*norm=*/false);
  count.parameters += kClasses;
  return count;
}

double Predicted(const core::BlockTable& table, const std::string& metric, const TableNetwork& network) {
  const core::MetricSlice& slice = table.metrics.at(metric).slices[static_cast<size_t>(network.shared)];
  const std::vector<bool> counts = core::ContributingNodes(table, network.choice);
  double sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i]) sum += slice.values[i][static_cast<size_t>(network.choice[i])];
  }
  return slice.base + (table.metrics.at(metric).form == core::Form::kCost ? sum : -sum);
}

TEST(ElasticTable, HasTheStructureOfTheSpace) {
  const auto layers = CountedTable(*Layers()), stages = CountedTable(*Stages(supernet::mobilenetv3::CpuBlocks()));
  ASSERT_TRUE(layers.ok()) << layers.status();
  ASSERT_TRUE(stages.ok()) << stages.status();
  for (const core::BlockTable* table : {&*layers, &*stages}) {
    ASSERT_TRUE(table->structure.shared);
    EXPECT_EQ(table->structure.shared->name, "resolution");
    EXPECT_EQ(table->structure.shared->values, std::vector<double>({32, 64}));
    EXPECT_EQ(core::ToJson(*core::Parse(core::ToJson(*table), "table")), core::ToJson(*table));
  }
  EXPECT_EQ(core::CountNetworks(*stages), 6250);
  // spec/search-spaces.md 3: 7371 ways for a stage.
  EXPECT_DOUBLE_EQ(core::CountNetworks(*layers), 2 * std::pow(7371.0, 5));
  EXPECT_FALSE(CountedTable(**MobileNetV3({})).ok()) << "249 resolutions";
}

// No block's work depends on other nodes: the first block of a stage takes the width of the stage before, which is
// fixed here.
TEST(ElasticTable, CountsAreThoseByHand) {
  for (const auto& space : {Layers(), Stages(supernet::mobilenetv3::GpuBlocks())}) {
    const auto table = CountedTable(*space);
    ASSERT_TRUE(table.ok()) << table.status();
    for (int64_t i = 0; i < 200; ++i) {
      const Choice choice = Canonical(*space, *table, supernet::RandomChoice(*space, 21, i));
      const TableNetwork network = InTable(*space, choice);
      EXPECT_EQ(InSpace(*space, network), choice);
      const Count count = ByHand(*ArchitectureOf(*space, choice));
      EXPECT_NEAR(1e6 * Predicted(*table, "flops", network), count.macs, 1e-2);
      EXPECT_NEAR(1e6 * Predicted(*table, "parameters", network), count.parameters, 1e-3);
    }
  }
}

TEST(ElasticTable, SwitchesStayAtTheirResolution) {
  for (const auto& space : {Layers(), Stages()}) {
    const auto table = CountedTable(*space);
    ASSERT_TRUE(table.ok()) << table.status();
    const auto planned = PlanSwitches(*space, *table);
    ASSERT_TRUE(planned.ok()) << planned.status();
    ASSERT_EQ(planned->size(), 2U);
    for (int shared = 0; shared < 2; ++shared) {
      const Switches& s = (*planned)[static_cast<size_t>(shared)];
      for (const Choice& c : NetworksOf({s})) {
        EXPECT_EQ(InTable(*space, c).shared, shared);
        EXPECT_TRUE(space->Check(c).ok());
      }
      EXPECT_EQ(InTable(*space, s.average).choice, *core::AverageNetwork(*table, shared));
      for (size_t i = 0; i < table->nodes.size(); ++i) {
        for (size_t j = 0; j < table->nodes[i].candidates.size(); ++j) {
          const auto architecture = ArchitectureOf(*space, s.switched[i][j]);
          const auto average = ArchitectureOf(*space, s.average);
          if (table->nodes[i].candidates[j] == "absent") {
            // The layers behind it are gone as well.
            EXPECT_EQ(architecture->d[i / 4], static_cast<int>(i % 4));
          }
          for (size_t stage = 0; stage < 5; ++stage) {
            if (stage == (table->nodes.size() == 5 ? i : i / 4)) continue;
            EXPECT_EQ(architecture->d[stage], average->d[stage]);
          }
        }
      }
    }
  }
}

class ElasticMeasuring : public ::testing::Test {
 protected:
  ElasticMeasuring()
      : space_(Stages()),
        data_(*supernet::LoadDataset("synthetic:N=48,test=40,size=16,classes=4")),
        shared_(supernet::AllocateWeights(space_->Supernet({.mode = supernet::Mode::kTraining}).graph)) {
    supernet::InitializeWeights(shared_, 3, space_->initialization());
  }

  void SetUp() override {
    const auto cpu = kernels::CpuDevice(1);
    if (!cpu.ok()) GTEST_SKIP() << "no CPU kernels: " << kernels::Message(cpu.status());
    device_ = *cpu;
  }

  MeterOptions Options() {
    MeterOptions options;
    options.latency = {.warmup_rounds = 1, .min_rounds = 3, .max_rounds = 3, .round_seconds = 0};
    options.progress = [this](const MeterProgress& p) { rounds_ += p.what == "latency"; };
    return options;
  }
  absl::StatusOr<std::unique_ptr<Meter>> Open(MeterOptions options) {
    return Meter::Create(
        std::make_unique<ImageWorkload>(space_, device_, shared_, supernet::Referring(data_.train),
                                        supernet::Referring(data_.test),
                                        ImageWorkloadOptions{.recalibration = {.batches = 1, .batch = 16}}),
        std::move(options));
  }

  std::shared_ptr<const SearchSpace> space_;
  std::shared_ptr<kernels::Device> device_;
  supernet::DatasetPair data_;
  kernels::TensorMap shared_;
  int rounds_ = 0;
};

TEST_F(ElasticMeasuring, TableOfTwoResolutions) {
  auto meter = Open(Options());
  ASSERT_TRUE(meter.ok()) << meter.status();
  const auto table = Profile(*space_, **meter, {"accuracy", "latency", "memory"}, Options().latency, "today");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(rounds_, 2 * 3) << "a series for each resolution";
  const auto planned = PlanSwitches(*space_, *table);
  ASSERT_TRUE(planned.ok());
  std::vector<double> latencies;
  for (const Switches& s : *planned) {
    const int shared = InTable(*space_, s.base).shared;
    EXPECT_EQ(table->metrics.at("accuracy").slices[static_cast<size_t>(shared)].base, *(*meter)->of(s.base).accuracy);
    latencies.push_back(Summarise((*meter)->of(s.average).latency_ms)->median_ms);
    for (const std::vector<Choice>& node : s.switched) {
      for (const Choice& c : node) {
        // Every network that was measured is predicted as it was measured.
        const Measurement& m = (*meter)->of(c);
        const TableNetwork network = InTable(*space_, c), average = InTable(*space_, s.average);
        EXPECT_NEAR(Predicted(*table, "latency", network), Summarise(m.latency_ms)->median_ms, 1e-9);
        EXPECT_NEAR(Predicted(*table, "memory", network), 1e-6 * static_cast<double>(*m.memory_bytes), 1e-9);
        EXPECT_NEAR(Predicted(*table, "accuracy", network) - Predicted(*table, "accuracy", average),
                    *m.accuracy - *(*meter)->of(s.average).accuracy, 1e-9);
      }
    }
  }
  EXPECT_GT((*meter)->of((*planned)[1].average).memory_bytes, (*meter)->of((*planned)[0].average).memory_bytes);
  const std::string text = core::ToJson(*table);
  const auto parsed = core::Parse(text, "table");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(core::ToJson(*parsed), text);

  // The search against every network, predicted by equation 6 as it is written.
  std::vector<TableNetwork> networks;
  for (int shared = 0; shared < 2; ++shared) {
    for (int code = 0; code < 32; ++code) {
      networks.push_back({{code & 1, code >> 1 & 1, code >> 2 & 1, code >> 3 & 1, code >> 4 & 1}, shared});
    }
  }
  const auto accuracy = [&](const TableNetwork& n) {
    const core::MetricSlice& loss = table->metrics.at("accuracy").slices[static_cast<size_t>(n.shared)];
    const core::MetricSlice& flops = table->metrics.at("flops").slices[static_cast<size_t>(n.shared)];
    double mean = 0, own = 0, lost = 0;
    for (size_t i = 0; i < 5; ++i) {
      const auto j = static_cast<size_t>(n.choice[i]);
      mean += (flops.values[i][0] + flops.values[i][1]) / 2;
      own += flops.values[i][j];
      lost += loss.values[i][j];
    }
    return loss.base - mean * lost / own;
  };
  std::vector<double> predicted;
  for (const TableNetwork& n : networks) predicted.push_back(Predicted(*table, "latency", n));
  std::sort(predicted.begin(), predicted.end());
  for (size_t rank : {0, 5, 20, 31, 40, 63}) {
    const double limit = predicted[rank] + 1e-9;
    double best = -std::numeric_limits<double>::infinity();
    for (const TableNetwork& n : networks) {
      if (Predicted(*table, "latency", n) <= limit) best = std::max(best, accuracy(n));
    }
    for (core::SearchMethod method : {core::SearchMethod::kEnumerate, core::SearchMethod::kSolve}) {
      const auto found =
          core::Search(*table, {.limits = {{"latency", core::LimitOp::kAtMost, limit, "ms"}}, .method = method});
      ASSERT_TRUE(found.ok()) << found.status();
      ASSERT_EQ(found->status, core::SearchStatus::kOptimal);
      const core::FoundNetwork& n = found->networks.front();
      EXPECT_NEAR(n.objective, best, 1e-9);
      EXPECT_NEAR(accuracy({n.choice, n.shared_index}), best, 1e-9);
      EXPECT_LE(Predicted(*table, "latency", {n.choice, n.shared_index}), limit);
      EXPECT_EQ(n.shared.at("resolution"), n.shared_index == 0 ? 32 : 64);
    }
  }
}

TEST_F(ElasticMeasuring, NetworksThatDoNotFitTogetherAreTimedInGroups) {
  MeterOptions options = Options();
  options.latency_bytes = 1;
  auto meter = Open(options);
  ASSERT_TRUE(meter.ok()) << meter.status();
  const std::vector<Choice> networks = {{0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 0}, {1, 0, 0, 0, 0, 1}};
  ASSERT_TRUE((*meter)->MeasureLatency(networks).ok());
  EXPECT_EQ(rounds_, 3 * 3);
  for (const Choice& c : networks) EXPECT_EQ((*meter)->of(c).latency_ms.size(), 3U);
}

TEST_F(ElasticMeasuring, InteractionIsAlgorithm1Here) {
  auto meter = Open(Options());
  ASSERT_TRUE(meter.ok()) << meter.status();
  auto table = CountedTable(*space_);
  ASSERT_TRUE(table.ok());
  const auto s = AddEvaluatedAccuracy(*space_, **meter, {.evaluations = 8}, "today", *table);
  ASSERT_TRUE(s.ok()) << s;
  const auto direct = Profile(*space_, **meter, {"accuracy"}, Options().latency, "today");
  ASSERT_TRUE(direct.ok()) << direct.status();
  ASSERT_EQ(table->metrics.at("accuracy").slices.size(), 2U);
  for (size_t k = 0; k < 2; ++k) {
    EXPECT_EQ(table->metrics.at("accuracy").slices[k].values, direct->metrics.at("accuracy").slices[k].values);
  }
}

}  // namespace
}  // namespace mathnas::profile
