#include "mathnas/core/sampling.h"

#include <cmath>
#include <random>
#include <set>

#include "cells.h"
#include "gtest/gtest.h"
#include "mathnas/core/average_network.h"
#include "mathnas/core/estimator.h"

namespace mathnas::core {
namespace {

Metric Accuracy() {
  Metric metric;
  metric.unit = "%";
  metric.goal = Goal::kMax;
  return metric;
}

BlockTable Chain() {
  BlockTable table;
  table.space = "chain";
  table.nodes = {{"first", {"a", "b"}, 1}, {"second", {"a", "b", "c"}, 2}};
  table.metrics["flops"] = testing::MakeMetric("MMAC", Goal::kMin, Form::kCost, 0, {{1, 2}, {1, 2, 3}});
  return table;
}

TEST(MetricFromEvaluations, IsEquation3ByHand) {
  // Rows a, b of `first`; columns a, b, c of `second`.
  const double values[2][3] = {{10, 20, 33}, {40, 52, 60}};
  std::vector<Evaluation> all;
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) all.push_back({{i, j}, values[i][j]});
  }
  const auto metric = MetricFromEvaluations(Chain(), Accuracy(), all, values[1][2]);
  ASSERT_TRUE(metric.ok()) << metric.status();
  EXPECT_EQ(metric->form, Form::kSaving);
  const MetricSlice& slice = metric->slices[0];
  EXPECT_EQ(slice.base, 60);
  EXPECT_NEAR(slice.values[0][0], ((40 - 10) + (52 - 20) + (60 - 33)) / 3.0, 1e-12);  // mean over contexts
  EXPECT_EQ(slice.values[0][1], 0);
  EXPECT_NEAR(slice.values[1][0], ((33 - 10) + (60 - 40)) / 2.0, 1e-12);
  EXPECT_NEAR(slice.values[1][1], ((33 - 20) + (60 - 52)) / 2.0, 1e-12);
  EXPECT_EQ(slice.values[1][2], 0);
  EXPECT_EQ(slice.samples[0], (std::vector<int64_t>{3, 3}));
  EXPECT_EQ(slice.samples[1], (std::vector<int64_t>{2, 2, 2}));
}

TEST(MetricFromEvaluations, PartsLeaveBlocksOut) {
  const std::vector<Evaluation> some = {{{1, 2}, 60}, {{0, 2}, 33}, {{1, 0}, 40}};
  const auto metric = MetricFromEvaluations(Chain(), Accuracy(), some, 61);
  ASSERT_TRUE(metric.ok()) << metric.status();
  EXPECT_TRUE(std::isnan(metric->slices[0].values[1][1]));
  EXPECT_EQ(metric->slices[0].values[0][0], 50 - 33);
  EXPECT_EQ(metric->slices[0].base, 61);
}

TEST(MetricFromEvaluations, AdditiveMetricsAreExactFromAllNetworks) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 20; ++round) {
    BlockTable table = testing::RandomTable(random);
    table.structure = {};
    for (auto it = table.metrics.begin(); it != table.metrics.end();) {
      it->second.slices.resize(1);
      it = it->first == "latency" || it->first == "flops" ? std::next(it) : table.metrics.erase(it);
    }
    const auto estimator = Estimator::Create(table);
    ASSERT_TRUE(estimator.ok()) << estimator.status();
    std::vector<Evaluation> all;
    for (const Choice& choice : testing::AllChoices(table)) {
      all.push_back({choice, *estimator->Predict("latency", choice)});
    }
    Metric latency;
    latency.goal = Goal::kMin;
    const auto metric = MetricFromEvaluations(table, latency, all, testing::kNull);
    ASSERT_TRUE(metric.ok()) << metric.status();
    table.metrics["again"] = *metric;
    const auto again = Estimator::Create(table);
    ASSERT_TRUE(again.ok());
    for (const Evaluation& e : all) EXPECT_NEAR(*again->Predict("again", e.choice), e.value, 1e-9);
  }
}

TEST(MetricFromEvaluations, Refusals) {
  const BlockTable table = Chain();
  const auto refused = [&](std::vector<Evaluation> e, double base) {
    return MetricFromEvaluations(table, Accuracy(), e, base).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({}, 1));
  EXPECT_TRUE(refused({{{1, 3}, 1}}, 1));
  EXPECT_TRUE(refused({{{1, 2}, testing::kNull}}, 1));
  EXPECT_TRUE(refused({{{0, 2}, 1}}, 1));               // nothing with the reference of `first`
  EXPECT_TRUE(refused({{{1, 2}, 1}}, testing::kNull));  // accuracy needs N~
  EXPECT_FALSE(refused({{{1, 2}, 1}}, 1));
}

TEST(SwitchNetworks, AreThoseOfAlgorithm1) {
  const BlockTable table = testing::CellTable();
  const auto networks = SwitchNetworks(table);
  ASSERT_TRUE(networks.ok());
  // N^avg is all 1x1: 6 nodes x 4 switches, N^avg and N~ (mathnas.md 1.6).
  EXPECT_EQ(networks->size(), 26U);
  EXPECT_EQ(networks->front(), Choice(6, 2));
  EXPECT_EQ(networks->back(), Choice(6, 3));
  EXPECT_EQ(std::set<Choice>(networks->begin(), networks->end()).size(), networks->size());
}

TEST(MetricFromLookUps, PredictsEverySwitch) {
  BlockTable table = testing::CellTable();
  std::set<Choice> asked;
  const auto metric = MetricFromLookUps(table, Accuracy(), [&](const Choice& choice) {
    asked.insert(choice);
    return testing::MadeUpAccuracy(choice);
  });
  ASSERT_TRUE(metric.ok()) << metric.status();
  const auto networks = SwitchNetworks(table);
  EXPECT_EQ(asked, std::set<Choice>(networks->begin(), networks->end()));
  const Choice average = *AverageNetwork(table);
  for (int j = 0; j < 5; ++j) {
    Choice switched = average, reference = average;
    switched[3] = j;  // 0 -> 3: no other edge depends on it
    reference[3] = 3;
    EXPECT_NEAR(metric->slices[0].values[3][j], testing::MadeUpAccuracy(reference) - testing::MadeUpAccuracy(switched),
                1e-12);
  }
  EXPECT_EQ(metric->slices[0].base, testing::MadeUpAccuracy(Choice(6, 3)));
}

TEST(AdditiveCost, FindsTheTerms) {
  BlockTable table;
  table.space = "small";
  table.nodes = {{"first", {"a", "b"}, 1}, {"second", {"a", "b"}, 1}};
  const auto metric = AdditiveCost(table, {{0, 0}, {1, 0}, {1, 1}}, {5, 8, 6});
  ASSERT_TRUE(metric.ok()) << metric.status();
  // first: b is 3 more than a; second: b is 2 less than a; the least of each count 0.
  EXPECT_NEAR(metric->slices[0].base, 3, 1e-9);
  EXPECT_NEAR(metric->slices[0].values[0][1], 3, 1e-9);
  EXPECT_NEAR(metric->slices[0].values[1][0], 2, 1e-9);
  EXPECT_EQ(metric->slices[0].values[0][0], 0);
  EXPECT_EQ(metric->slices[0].values[1][1], 0);
  EXPECT_EQ(AdditiveCost(table, {{0, 0}, {0, 1}, {1, 0}, {1, 1}}, {1, 2, 3, 5}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(AdditiveCost(table, {{0, 0}, {0, 1}}, {1, 2}).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace mathnas::core
