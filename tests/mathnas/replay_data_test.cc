// The estimators against ground truth (NAS-Bench-201, once-for-all, HAT), which is not part of the repository.
#include <unistd.h>
#include <zlib.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "mathnas/core/estimator.h"
#include "mathnas/exchange/csv.h"
#include "mathnas/replay/benchmark_files.h"
#include "mathnas/replay/replay.h"
#include "supernet/inflating_file.h"

namespace mathnas {
namespace {

std::string DataFolder() {
  const char* data = std::getenv("MATHNAS_DATA");
  return data == nullptr ? "" : data;
}

replay::LoadedBenchmark Load(const replay::BenchmarkFiles& files, const std::vector<core::Limit>& limits = {}) {
  auto loaded = replay::LoadBenchmark(files, limits);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.value_or(replay::LoadedBenchmark());
}

replay::ReplayResult Judge(const replay::Benchmark& benchmark, const replay::ReplayOptions& options) {
  auto result = replay::Replay(benchmark, options);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.value_or(replay::ReplayResult());
}

class GroundTruth : public ::testing::Test {
 protected:
  void SetUp() override {
    if (DataFolder().empty()) GTEST_SKIP() << "needs MATHNAS_DATA, a folder with nasbench201/accuracy.csv.gz";
  }

  void Read(const std::string& file, const std::string& column) {
    const std::string folder = DataFolder() + "/nasbench201/";
    benchmark_ = Load({.space = "nasbench201",
                       .architectures = folder + "architectures.csv.gz",
                       .truth = folder + file,
                       .column = column},
                      {{.metric = "flops"}})
                     .benchmark;
  }

  replay::ReplayResult Replay(replay::ReplayEstimator estimator, double flops = 1e9) {
    return Judge(benchmark_, {.estimator = estimator,
                              .limits = {{.metric = "flops", .op = core::LimitOp::kAtMost, .value = flops}}});
  }

  replay::Benchmark benchmark_;
};

// Figures of mathnas/core/INTERACTION.md with some room: a compiler may round a tie between networks the other way.
TEST_F(GroundTruth, InteractionFrom31Networks) {
  // Least Spearman over the budgets; how many of the seven budgets are met within half a point.
  struct Expected {
    std::string column;
    double spearman;
    int within;
  };
  for (const Expected& expected : {Expected{"cifar10_test_e200", 0.93, 6}, Expected{"cifar10_valid_e200", 0.94, 6},
                                   Expected{"imagenet16_valid_e200", 0.93, 6}}) {
    SCOPED_TRACE(expected.column);
    Read("accuracy.csv.gz", expected.column);
    int within = 0;
    for (const double flops : {20.0, 40.0, 60.0, 90.0, 120.0, 160.0, 1e9}) {
      const replay::ReplayResult result = Replay(replay::ReplayEstimator::kInteraction, flops);
      EXPECT_EQ(result.evaluations, 31);
      EXPECT_EQ(result.all.networks, 15625);
      EXPECT_GT(result.all.spearman, expected.spearman) << flops;
      EXPECT_LE(benchmark_.costs["flops"][result.chosen], flops);
      EXPECT_LT(result.regret, 1) << flops;
      within += result.regret <= 0.5;
    }
    EXPECT_GE(within, expected.within);
    EXPECT_LT(Replay(replay::ReplayEstimator::kEq6).all.spearman, 0.8);  // what there is to gain
  }
}

TEST_F(GroundTruth, NinaPro) {
  Read("nasbench360_ninapro.csv.gz", "ninapro_accuracy_e200");
  EXPECT_GT(Replay(replay::ReplayEstimator::kInteraction).all.spearman, 0.55);
  EXPECT_LT(Replay(replay::ReplayEstimator::kEq6).all.spearman, 0.4);
}

// Figures of mathnas/replay/README.md with some room.
class OnceForAll : public ::testing::Test {
 protected:
  void SetUp() override {
    if (DataFolder().empty()) GTEST_SKIP() << "needs MATHNAS_DATA, a folder with ofa/help_ofa_mbv3_latency.csv.gz";
  }
  static replay::BenchmarkFiles Files(const std::string& name, const std::string& column, core::Goal goal) {
    const std::string path = DataFolder() + "/ofa/" + name;
    return {.space = "mobilenetv3", .architectures = path, .truth = path, .column = column, .costs = {}, .goal = goal};
  }
  static constexpr const char* kAccuracy = "ofa_mbv3_w1.0_r224_accuracy.csv";
};

TEST_F(OnceForAll, FlopsAreThoseOfTheTable) {
  const replay::LoadedBenchmark loaded = Load(Files(kAccuracy, "macs", core::Goal::kMin));
  ASSERT_EQ(loaded.benchmark.networks.size(), 1462U);
  const auto estimator = core::Estimator::Create(loaded.benchmark.table);
  ASSERT_TRUE(estimator.ok()) << estimator.status();
  for (size_t k = 0; k < loaded.benchmark.networks.size(); ++k) {
    EXPECT_EQ(std::llround(*estimator->Predict("flops", loaded.benchmark.networks[k]) * 1e6),
              std::llround(loaded.benchmark.truth[k]))
        << loaded.names[k];
  }
}

TEST_F(OnceForAll, AccuracyFrom200Networks) {
  const replay::Benchmark benchmark = Load(Files(kAccuracy, "top1_percent", core::Goal::kMax)).benchmark;
  const auto fitted = Judge(benchmark, {.estimator = replay::ReplayEstimator::kLeastSquares, .evaluations = 200});
  EXPECT_EQ(fitted.all.networks, 1462);
  EXPECT_EQ(fitted.evaluations, 200);
  ASSERT_TRUE(fitted.held_out.has_value());
  EXPECT_EQ(fitted.held_out->networks, 1262);
  EXPECT_GT(fitted.held_out->spearman, 0.97);
  EXPECT_LT(fitted.held_out->rmse, 0.3);
  EXPECT_LT(fitted.regret, 0.5);
  // Equation 3 ranks nearly as well, but charges every block with what large networks have in common.
  const auto partial = Judge(benchmark, {.estimator = replay::ReplayEstimator::kPartial, .evaluations = 800});
  EXPECT_GT(partial.held_out->spearman, 0.9);
  EXPECT_GT(partial.held_out->rmse, 5);
  // Nothing of Algorithm 1 is in the table.
  EXPECT_EQ(replay::Replay(benchmark, {.estimator = replay::ReplayEstimator::kEq6}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(OnceForAll, LatencyFrom400Networks) {
  const std::pair<std::string, double> columns[] = {
      {"titan_xp_64_ms", 0.96}, {"titan_rtx_64_ms", 0.97}, {"2080ti_64_ms", 0.94}, {"2080ti_1_ms", 0.5}};
  for (const auto& [column, spearman] : columns) {
    const replay::Benchmark benchmark = Load(Files("help_ofa_mbv3_latency.csv.gz", column, core::Goal::kMin)).benchmark;
    const auto fitted = Judge(benchmark, {.estimator = replay::ReplayEstimator::kLeastSquares, .evaluations = 400});
    ASSERT_TRUE(fitted.held_out.has_value());
    EXPECT_EQ(fitted.held_out->networks, 4600);
    EXPECT_GT(fitted.held_out->spearman, spearman) << column;
  }
}

TEST(Hat, LatencyFrom100Networks) {
  if (DataFolder().empty()) GTEST_SKIP() << "needs MATHNAS_DATA, a folder with hat/wmt14ende_cpu_xeon.csv.gz";
  for (const std::string name : {"wmt14ende_cpu_raspberrypi", "wmt14ende_cpu_xeon", "wmt14ende_gpu_titanxp",
                                 "iwslt14deen_gpu_titanxp", "wmt19ende_gpu_titanxp"}) {
    const std::string path = DataFolder() + "/hat/" + name + ".csv.gz";
    const replay::Benchmark benchmark = Load({.space = "supertransformer",
                                              .architectures = path,
                                              .truth = path,
                                              .column = "latency_mean_encoder+latency_mean_decoder",
                                              .costs = {},
                                              .goal = core::Goal::kMin,
                                              .unit = "ms"})
                                            .benchmark;
    const auto fitted = Judge(benchmark, {.estimator = replay::ReplayEstimator::kLeastSquares, .evaluations = 100});
    ASSERT_TRUE(fitted.held_out.has_value());
    EXPECT_EQ(fitted.held_out->networks, 1900);
    EXPECT_GT(fitted.held_out->spearman, 0.9) << name;
    // The mean of each decoder depth, which is what can be known here, found again from the predictions.
    std::map<int, std::pair<double, double>> truth, predicted;
    for (size_t k = 0; k < benchmark.networks.size(); ++k) {
      const int depth = benchmark.networks[k][2];
      truth[depth].first += benchmark.truth[k];
      predicted[depth].first += fitted.predicted[k];
      truth[depth].second += 1;
    }
    ASSERT_EQ(truth.size(), 6U);
    for (const auto& [depth, sum] : truth) EXPECT_NEAR(predicted[depth].first / sum.first, 1, 0.15) << name << depth;
  }
}

TEST(ReadText, PlainAndGzip) {
  const auto folder = std::filesystem::temp_directory_path() / ("mathnas_text_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::string text;
  for (int i = 0; i < 40000; ++i) text += std::to_string(i * 7919 % 10007) + ",\n";
  for (const char* mode : {"wb", "wbT"}) {  // T: as it is, without gzip
    const std::string path = (folder / mode).string();
    gzFile file = gzopen(path.c_str(), mode);
    ASSERT_EQ(gzwrite(file, text.data(), static_cast<unsigned>(text.size())), static_cast<int>(text.size()));
    gzclose(file);
    EXPECT_EQ(supernet::ReadText(path, static_cast<int64_t>(text.size())).value(), text);
    EXPECT_EQ(supernet::ReadText(path, 100000).status().code(), absl::StatusCode::kInvalidArgument);
  }
  std::filesystem::resize_file(folder / "wb", std::filesystem::file_size(folder / "wb") / 2);
  EXPECT_EQ(supernet::ReadText((folder / "wb").string(), 1 << 30).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(supernet::ReadText((folder / "none").string(), 100).ok());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace mathnas
