// The estimators against the ground truth of NAS-Bench-201, which is not part of the repository.
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "gtest/gtest.h"
#include "mathnas/core/sampling.h"
#include "mathnas/replay/csv.h"
#include "mathnas/replay/replay.h"
#include "supernet/inflating_file.h"
#include "supernet/nasbench201/architecture.h"
#include "supernet/nasbench201/space.h"

namespace mathnas {
namespace {

replay::CsvTable Load(const std::string& path) {
  auto text = supernet::ReadText(path, int64_t{1} << 28);
  EXPECT_TRUE(text.ok()) << text.status();
  return replay::CsvTable::Parse(text.value_or("missing"), path).value();
}

std::vector<double> Column(const replay::CsvTable& table, std::string_view name) {
  const size_t column = table.Column(name).value();
  std::vector<double> values;
  for (size_t row = 0; row < table.row_count(); ++row) values.push_back(table.Number(row, column).value());
  return values;
}

class GroundTruth : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* data = std::getenv("MATHNAS_DATA");
    if (data == nullptr) GTEST_SKIP() << "needs MATHNAS_DATA, a folder with nasbench201/accuracy.csv.gz";
    folder_ = std::string(data) + "/nasbench201/";
    const replay::CsvTable architectures = Load(folder_ + "architectures.csv.gz");
    const size_t column = architectures.Column("arch_str").value();
    for (size_t row = 0; row < architectures.row_count(); ++row) {
      core::Choice& choice = benchmark_.networks.emplace_back();
      const auto architecture = supernet::ParseArchitecture(architectures.Field(row, column));
      for (blocks::CellOp op : *architecture) choice.push_back(static_cast<int>(op));
    }
    const auto space = supernet::NasBench201({}).value();
    benchmark_.table.space = "nasbench201";
    for (const auto& n : space->nodes()) benchmark_.table.nodes.push_back({n.name, n.candidates, n.reference});
    const auto described = space->cell();
    auto& cell = benchmark_.table.structure.cell.emplace();
    cell.input = described->input;
    cell.output = described->output;
    for (const auto& e : described->edges) cell.edges.push_back({e.node, e.from, e.to, e.none});
    benchmark_.costs["flops"] = Column(architectures, "flops_m_cifar10");
    benchmark_.table.metrics["flops"] =
        core::AdditiveCost(benchmark_.table, benchmark_.networks, benchmark_.costs["flops"]).value();
  }

  replay::ReplayResult Replay(replay::ReplayEstimator estimator, double flops = 1e9) {
    auto result = replay::Replay(
        benchmark_,
        {.estimator = estimator, .limits = {{.metric = "flops", .op = core::LimitOp::kAtMost, .value = flops}}});
    EXPECT_TRUE(result.ok()) << result.status();
    return *std::move(result);
  }

  std::string folder_;
  replay::Benchmark benchmark_;
};

// Figures of mathnas/core/INTERACTION.md with some room: a compiler may round a tie between networks the other way.
TEST_F(GroundTruth, InteractionFrom31Networks) {
  const replay::CsvTable accuracy = Load(folder_ + "accuracy.csv.gz");
  // Least Spearman over the budgets; how many of the seven budgets are met within half a point.
  struct Expected {
    std::string column;
    double spearman;
    int within;
  };
  for (const Expected& expected : {Expected{"cifar10_test_e200", 0.93, 5}, Expected{"cifar10_valid_e200", 0.94, 5},
                                   Expected{"imagenet16_valid_e200", 0.93, 4}}) {
    SCOPED_TRACE(expected.column);
    benchmark_.truth = Column(accuracy, expected.column);
    int within = 0;
    for (const double flops : {20.0, 40.0, 60.0, 90.0, 120.0, 160.0, 1e9}) {
      const replay::ReplayResult result = Replay(replay::ReplayEstimator::kInteraction, flops);
      EXPECT_EQ(result.evaluations, 31);
      EXPECT_EQ(result.networks, 15625);
      EXPECT_GT(result.spearman, expected.spearman) << flops;
      EXPECT_LE(benchmark_.costs["flops"][result.chosen], flops);
      EXPECT_LT(result.regret, 1.5) << flops;
      within += result.regret <= 0.5;
    }
    EXPECT_GE(within, expected.within);
    EXPECT_LT(Replay(replay::ReplayEstimator::kEq6).spearman, 0.8);  // what there is to gain
  }
}

TEST_F(GroundTruth, NinaPro) {
  benchmark_.truth = Column(Load(folder_ + "nasbench360_ninapro.csv.gz"), "ninapro_accuracy_e200");
  EXPECT_GT(Replay(replay::ReplayEstimator::kInteraction).spearman, 0.55);
  EXPECT_LT(Replay(replay::ReplayEstimator::kEq6).spearman, 0.4);
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
