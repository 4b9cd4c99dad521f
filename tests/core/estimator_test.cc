#include "mathnas/core/estimator.h"

#include <cmath>

#include "brute_force.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "mathnas/core/mean_flops.h"
#include "mathnas/core/networks.h"
#include "tables.h"

namespace mathnas::core {
namespace {

using testing::AllNetworks;
using testing::BruteEstimator;
using testing::BruteNetwork;
using testing::kNull;
using testing::MakeMetric;
using testing::NasBench201;
using testing::RandomTable;

// Two nodes, two candidates; every number below is worked out by hand.
//   flops   f = [1 3] [2 6], fixed 10: F = 1+2 .. 3+6, mean 6
//   losses  b = [4 0] [1 0], base 80
BlockTable HandTable() {
  BlockTable table;
  table.space = "hand";
  table.nodes.resize(2);
  table.nodes[0].name = "a";
  table.nodes[0].candidates = {"small", "large"};
  table.nodes[0].reference = 1;
  table.nodes[1] = table.nodes[0];
  table.nodes[1].name = "b";
  table.metrics["accuracy"] = MakeMetric("%", Goal::kMax, Form::kSaving, 80, {{4, 0}, {1, 0}});
  table.metrics["latency"] = MakeMetric("ms", Goal::kMin, Form::kCost, 5, {{1, 2}, {10, 20}});
  table.metrics["flops"] = MakeMetric("MMAC", Goal::kMin, Form::kCost, 10, {{1, 3}, {2, 6}});
  return table;
}

double MustPredict(const BlockTable& table, EstimatorOptions options, const std::string& metric, const Choice& choice) {
  const auto estimator = Estimator::Create(table, options);
  EXPECT_TRUE(estimator.ok()) << estimator.status();
  if (!estimator.ok()) return NAN;
  const auto value = estimator->Predict(metric, choice);
  EXPECT_TRUE(value.ok()) << value.status();
  return value.value_or(NAN);
}

TEST(Estimator, HandComputed) {
  const BlockTable table = HandTable();
  using Kind = EstimatorKind;
  EXPECT_EQ(MustPredict(table, {.kind = Kind::kLinear}, "accuracy", {0, 0}), 75);
  EXPECT_EQ(MustPredict(table, {.kind = Kind::kLinear}, "latency", {1, 0}), 17);
  EXPECT_EQ(MustPredict(table, {.kind = Kind::kEq6}, "latency", {1, 0}), 17);
  EXPECT_EQ(MustPredict(table, {.kind = Kind::kEq6}, "flops", {1, 0}), 15);
  // 80 - 6 * 5 / 3; with the fixed part 80 - 16 * 5 / 13.
  EXPECT_DOUBLE_EQ(MustPredict(table, {.kind = Kind::kEq6}, "accuracy", {0, 0}), 70);
  EXPECT_DOUBLE_EQ(MustPredict(table, {.kind = Kind::kEq6, .flops_fixed = FlopsFixed::kInclude}, "accuracy", {0, 0}),
                   80 - 80.0 / 13);
  // Means of the networks that contain a block: a.small 1 + 4 = 5, b.small 2 + 2 = 4: 80 - (4*5 + 1*4) / 3.
  EXPECT_DOUBLE_EQ(MustPredict(table, {.kind = Kind::kEq5}, "accuracy", {0, 0}), 72);
  EXPECT_DOUBLE_EQ(MustPredict(table, {.kind = Kind::kEq5, .flops_fixed = FlopsFixed::kInclude}, "accuracy", {0, 0}),
                   80 - (4 * 15 + 1 * 14) / 13.0);
  EXPECT_DOUBLE_EQ(MustPredict(table, {.kind = Kind::kEq5}, "accuracy", {1, 1}), 80);
}

TEST(Estimator, FormCostOfAMaximisedMetricIsTheNegativeLoss) {
  BlockTable table = HandTable();
  table.metrics["accuracy"] = MakeMetric("%", Goal::kMax, Form::kCost, 80, {{-4, 0}, {-1, 0}});
  for (const EstimatorKind kind : {EstimatorKind::kLinear, EstimatorKind::kEq5, EstimatorKind::kEq6}) {
    EXPECT_EQ(MustPredict(table, {.kind = kind}, "accuracy", {0, 1}),
              MustPredict(HandTable(), {.kind = kind}, "accuracy", {0, 1}));
  }
}

TEST(Estimator, NetworkWithoutFlopsIsUndefinedNotInfinite) {
  const BlockTable table = NasBench201();
  const Choice all_skip(6, 1);
  const auto exclude = Estimator::Create(table, {});
  ASSERT_TRUE(exclude.ok());
  const auto value = exclude->Predict("accuracy", all_skip);
  EXPECT_EQ(value.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(value.status().message()).find("include"), std::string::npos) << value.status();
  const auto predicted = exclude->PredictAll(all_skip);
  ASSERT_TRUE(predicted.ok());
  EXPECT_TRUE(std::isnan(predicted->at("accuracy")));
  EXPECT_NEAR(predicted->at("latency_fpga"), 580.0719, 1e-9);

  // Fixed 1.95, mean 6 * (8.847 + 0.983) / 5 + 1.95, loss 16.36389.
  const double mean = 6 * 9.83 / 5 + 1.95;
  EXPECT_NEAR(MustPredict(table, {.flops_fixed = FlopsFixed::kInclude}, "accuracy", all_skip),
              40.78 - mean * 16.36389 / 1.95, 1e-9);
}

TEST(Estimator, Refusals) {
  BlockTable table = HandTable();
  table.metrics["energy"] = MakeMetric("mJ", Goal::kMin, Form::kCost, kNull, {{kNull, kNull}, {kNull, kNull}});
  table.metrics["latency"].slices[0].values[1][0] = kNull;
  const auto estimator = Estimator::Create(table, {});
  ASSERT_TRUE(estimator.ok());
  const auto message = [&](const std::string& metric, const Choice& choice) {
    return std::string(estimator->Predict(metric, choice).status().message());
  };
  EXPECT_NE(message("latency", {0, 0}).find("metrics.latency.values[1][0]"), std::string::npos);
  EXPECT_TRUE(estimator->Predict("latency", {0, 1}).ok());
  EXPECT_NE(message("energy", {0, 1}).find("metrics.energy.base"), std::string::npos);
  EXPECT_NE(message("speed", {0, 1}).find("accuracy, energy, flops, latency"), std::string::npos);
  EXPECT_NE(message("latency", {0, 2}).find("choice[1]"), std::string::npos);
  EXPECT_NE(message("latency", {0}).find("2 entries"), std::string::npos);
  EXPECT_FALSE(estimator->Predict("latency", {0, 1}, 1).ok());

  table.metrics.erase("flops");
  const auto without = Estimator::Create(table, {});
  ASSERT_TRUE(without.ok());
  EXPECT_TRUE(without->Predict("latency", {0, 1}).ok());
  const auto refused = without->Predict("accuracy", {0, 1});
  EXPECT_NE(std::string(refused.status().message()).find("linear"), std::string::npos) << refused.status();
}

TEST(Estimator, NamesAreReadBack) {
  for (const EstimatorKind kind : {EstimatorKind::kLinear, EstimatorKind::kEq5, EstimatorKind::kEq6}) {
    EXPECT_EQ(ParseEstimatorKind(Name(kind)).value(), kind);
  }
  EXPECT_EQ(ParseFlopsFixed("include").value(), FlopsFixed::kInclude);
  EXPECT_FALSE(ParseFlopsFixed("both").ok());
  EXPECT_NE(std::string(ParseEstimatorKind("eq7").status().message()).find("linear, eq5, eq6"), std::string::npos);
}

TEST(Estimator, AgreesWithBruteForceOnRandomTables) {
  std::mt19937_64 random(20231);
  for (int round = 0; round < 150; ++round) {
    SCOPED_TRACE(round);
    const BlockTable table = RandomTable(random);
    for (const EstimatorKind kind : {EstimatorKind::kLinear, EstimatorKind::kEq5, EstimatorKind::kEq6}) {
      for (const FlopsFixed fixed : {FlopsFixed::kExclude, FlopsFixed::kInclude}) {
        const EstimatorOptions options = {.kind = kind, .flops_fixed = fixed};
        const auto estimator = Estimator::Create(table, options);
        ASSERT_TRUE(estimator.ok()) << estimator.status();
        const BruteEstimator brute(table, options);
        for (const BruteNetwork& network : AllNetworks(table)) {
          const auto predicted = estimator->PredictAll(network.choice, network.shared);
          ASSERT_TRUE(predicted.ok());
          for (const auto& [name, value] : *predicted) {
            const double expected = static_cast<double>(brute.Value(name, network));
            ASSERT_EQ(std::isnan(value), std::isnan(expected)) << name;
            if (!std::isnan(value)) {
              ASSERT_NEAR(value, expected, 1e-10 * (1 + std::abs(expected))) << name;
            }
          }
        }
      }
    }
  }
}

TEST(Networks, VisitedOnceInOrderAndCounted) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    const BlockTable table = RandomTable(random);
    const auto estimator = Estimator::Create(table, {.kind = EstimatorKind::kLinear});
    ASSERT_TRUE(estimator.ok());
    const std::vector<BruteNetwork> expected = AllNetworks(table);
    std::vector<BruteNetwork> visited;
    const std::vector<std::string> metrics = {"flops"};
    const auto report = ForEachNetwork(*estimator, metrics, AllowAll(table), [&](const NetworkView& network) {
      visited.push_back({network.choice, network.shared});
      EXPECT_EQ(network.values[0], estimator->Predict("flops", network.choice, network.shared).value());
      return true;
    });
    ASSERT_TRUE(report.ok());
    ASSERT_EQ(visited.size(), expected.size());
    for (size_t k = 0; k < visited.size(); ++k) {
      EXPECT_EQ(visited[k].choice, expected[k].choice);
      EXPECT_EQ(visited[k].shared, expected[k].shared);
    }
    EXPECT_EQ(report->visited, std::ssize(expected));
    EXPECT_EQ(CountNetworks(table), static_cast<double>(expected.size()));
  }
}

TEST(Networks, DecodersOfTheTransformerSpace) {
  // Six decoder layers of 36 candidates, 1 to 6 of them present: sum of 36^d for d = 1..6 (mathnas.md 6.6).
  BlockTable table;
  table.space = "decoder";
  DepthGroup group;
  for (int i = 0; i < 6; ++i) {
    Node node;
    node.name = fmt::format("decoder{}", i);
    for (int j = 0; j < (i == 0 ? 36 : 37); ++j) node.candidates.push_back(std::to_string(j));
    table.nodes.push_back(node);
    group.nodes.push_back(i);
    group.absent.push_back(i == 0 ? DepthGroup::kCannotBeCut : 36);
  }
  table.structure.depth.push_back(group);
  double expected = 0;
  for (int d = 1; d <= 6; ++d) expected += std::pow(36.0, d);
  EXPECT_EQ(CountNetworks(table), expected);
  EXPECT_EQ(CanonicalChoice(table, {3, 4, 36, 7, 8, 9}), (Choice{3, 4, 36, 36, 36, 36}));
  EXPECT_EQ(ContributingNodes(table, {3, 4, 36, 7, 8, 9}), (std::vector<bool>{true, true, true, false, false, false}));
}

TEST(MeanFlops, HugeDepthGroupStaysFinite) {
  BlockTable table;
  table.space = "deep";
  DepthGroup group;
  Grid flops;
  for (int i = 0; i < 400; ++i) {
    Node node;
    node.name = std::to_string(i);
    for (int j = 0; j < 11; ++j) node.candidates.push_back(std::to_string(j));
    table.nodes.push_back(node);
    group.nodes.push_back(i);
    group.absent.push_back(10);
    flops.push_back({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0});
  }
  table.structure.depth.push_back(group);
  const auto means = ComputeMeanFlops(table, flops);
  ASSERT_TRUE(means.ok());
  // Lengths are geometric from the end: of n networks that reach the last node, n/10 stopped before it, and so on.
  EXPECT_NEAR(means->space, 400 - 1.0 / 9, 1e-9);
}

}  // namespace
}  // namespace mathnas::core
