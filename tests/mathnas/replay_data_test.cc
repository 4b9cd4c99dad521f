// The estimators against ground truth (NAS-Bench-201, once-for-all, HAT), which is not part of the repository.
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
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
    return Judge(benchmark_,
                 {.estimator = estimator,
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
  for (const Expected& expected : {Expected{"cifar10_test_e200", 0.93, 5}, Expected{"cifar10_valid_e200", 0.94, 5},
                                   Expected{"imagenet16_valid_e200", 0.93, 4}}) {
    SCOPED_TRACE(expected.column);
    Read("accuracy.csv.gz", expected.column);
    int within = 0;
    for (const double flops : {20.0, 40.0, 60.0, 90.0, 120.0, 160.0, 1e9}) {
      const replay::ReplayResult result = Replay(replay::ReplayEstimator::kInteraction, flops);
      EXPECT_EQ(result.evaluations, 31);
      EXPECT_EQ(result.all.networks, 15625);
      EXPECT_GT(result.all.spearman, expected.spearman) << flops;
      EXPECT_LE(benchmark_.costs["flops"][result.chosen], flops);
      EXPECT_LT(result.regret, 1.5) << flops;
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
