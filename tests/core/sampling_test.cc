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
  int exact = 0;
  for (int round = 0; round < 40; ++round) {
    BlockTable table = testing::RandomTable(random);
    table.structure.shared.reset();
    for (auto it = table.metrics.begin(); it != table.metrics.end();) {
      it->second.slices.resize(1);
      it = it->first == "latency" || it->first == "flops" ? std::next(it) : table.metrics.erase(it);
    }
    const auto estimator = Estimator::Create(table);
    ASSERT_TRUE(estimator.ok()) << estimator.status();
    std::vector<Evaluation> all;
    std::set<Choice> networks;  // each once: all depths, all candidates of those that are there
    for (const Choice& choice : testing::AllChoices(table)) networks.insert(CanonicalChoice(table, choice));
    for (const Choice& choice : networks) all.push_back({choice, *estimator->Predict("latency", choice)});
    Metric latency;
    latency.goal = Goal::kMin;
    std::set<int> seen;  // nodes whose reference some network has
    for (const Choice& choice : networks) {
      const std::vector<bool> contributes = ContributingNodes(table, choice);
      for (int i = 0; i < std::ssize(choice); ++i) {
        if (contributes[i] && choice[i] == table.nodes[i].reference) seen.insert(i);
      }
    }
    const auto metric = MetricFromEvaluations(table, latency, all, testing::kNull);
    if (seen.size() < table.nodes.size()) {
      EXPECT_EQ(metric.status().code(), absl::StatusCode::kInvalidArgument);
      continue;
    }
    ++exact;
    ASSERT_TRUE(metric.ok()) << metric.status();
    table.metrics["again"] = *metric;
    const auto again = Estimator::Create(table);
    ASSERT_TRUE(again.ok());
    for (const Evaluation& e : all) EXPECT_NEAR(*again->Predict("again", e.choice), e.value, 1e-9);
  }
  EXPECT_GT(exact, 30);
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

// Three nodes; the last two may be absent (candidate 2), so that depth is 1, 2 or 3.
BlockTable Deep() {
  BlockTable table;
  table.space = "deep";
  table.nodes = {{"first", {"a", "b"}, 1}, {"second", {"a", "b", "absent"}, 1}, {"third", {"a", "b", "absent"}, 1}};
  table.structure.depth = {{.nodes = {0, 1, 2}, .absent = {DepthGroup::kCannotBeCut, 2, 2}}};
  return table;
}

// 60 with b everywhere; a costs 1, 2, 4 in the three nodes; the cut before the third 10, before the second 25.
TEST(MetricFromEvaluations, CutsCostWhatIsBehindThem) {
  std::vector<Evaluation> all;
  for (int i = 0; i < 2; ++i) {
    all.push_back({{i, 2, 2}, 60.0 - (i == 0 ? 1 : 0) - 25});
    for (int j = 0; j < 2; ++j) {
      all.push_back({{i, j, 2}, 60.0 - (i == 0 ? 1 : 0) - (j == 0 ? 2 : 0) - 10});
      for (int k = 0; k < 2; ++k) {
        all.push_back({{i, j, k}, 60.0 - (i == 0 ? 1 : 0) - (j == 0 ? 2 : 0) - (k == 0 ? 4 : 0)});
      }
    }
  }
  const auto metric = MetricFromEvaluations(Deep(), Accuracy(), all, 60);
  ASSERT_TRUE(metric.ok()) << metric.status();
  const Grid expected = {{1, 0}, {2, 0, 25}, {4, 0, 10}};
  for (size_t i = 0; i < expected.size(); ++i) {
    for (size_t j = 0; j < expected[i].size(); ++j) {
      EXPECT_NEAR(metric->slices[0].values[i][j], expected[i][j], 1e-12) << i << ' ' << j;
    }
  }
}

// What is minimised, spelled out.
double Loss(const BlockTable& table, const MetricSlice& slice, const std::vector<Evaluation>& evaluations,
            double ridge) {
  double loss = 0;
  for (const Evaluation& e : evaluations) {
    double rest = e.value - slice.base;
    bool cut = false;  // of Deep()
    for (size_t i = 0; i < e.choice.size() && !cut; ++i) {
      rest -= slice.values[i][e.choice[i]];
      cut = e.choice[i] == 2;
    }
    loss += rest * rest;
  }
  for (const auto& row : slice.values) {
    for (double v : row) loss += ridge * v * v;
  }
  EXPECT_EQ(slice.values.size(), table.nodes.size());
  return loss;
}

// The loss is strictly convex: where no step to either side along any unknown makes it smaller is the one minimum.
TEST(MetricByLeastSquares, NoStepMakesTheLossSmaller) {
  const BlockTable table = Deep();
  std::mt19937_64 random(11);
  for (const double ridge : {0.01, 1.0, 30.0}) {
    std::vector<Evaluation> some;
    for (int k = 0; k < 9; ++k) {
      Choice choice = {static_cast<int>(random() % 2), static_cast<int>(random() % 3), static_cast<int>(random() % 3)};
      some.push_back({CanonicalChoice(table, choice), 70 + static_cast<double>(random() % 1000) / 100});
    }
    const auto metric = MetricByLeastSquares(table, Accuracy(), some, ridge);
    ASSERT_TRUE(metric.ok()) << metric.status();
    EXPECT_EQ(metric->form, Form::kCost);
    MetricSlice slice = metric->slices[0];
    const double least = Loss(table, slice, some, ridge);
    const auto check = [&](double& unknown) {
      for (const double step : {-1e-3, 1e-3}) {
        unknown += step;
        EXPECT_GT(Loss(table, slice, some, ridge), least);
        unknown -= step;
      }
    };
    check(slice.base);
    for (auto& row : slice.values) {
      for (double& v : row) check(v);
    }
  }
}

// One node, n networks with a at 10 and n with b at 20: base 15, each keeps n / (n + ridge) of its 5.
TEST(MetricByLeastSquares, ShrinksByHand) {
  BlockTable table;
  table.space = "one";
  table.nodes = {{"only", {"a", "b", "unseen"}, 1}};
  const std::vector<Evaluation> some = {{{0}, 10}, {{0}, 10}, {{0}, 10}, {{1}, 20}, {{1}, 20}, {{1}, 20}};
  const auto metric = MetricByLeastSquares(table, Accuracy(), some, 2);
  ASSERT_TRUE(metric.ok()) << metric.status();
  EXPECT_NEAR(metric->slices[0].base, 15, 1e-12);
  EXPECT_NEAR(metric->slices[0].values[0][0], -3, 1e-12);
  EXPECT_NEAR(metric->slices[0].values[0][1], 3, 1e-12);
  EXPECT_EQ(metric->slices[0].values[0][2], 0);
  EXPECT_EQ(metric->slices[0].samples[0], (std::vector<int64_t>{3, 3, 0}));
  for (const double ridge : {0.0, -1.0, testing::kNull}) {
    EXPECT_EQ(MetricByLeastSquares(table, Accuracy(), some, ridge).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(MetricByLeastSquares(table, Accuracy(), {}).ok());
  EXPECT_FALSE(MetricByLeastSquares(table, Accuracy(), std::vector<Evaluation>{{{3}, 1}}).ok());
  EXPECT_FALSE(MetricByLeastSquares(table, Accuracy(), std::vector<Evaluation>{{{1}, testing::kNull}}).ok());
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
  EXPECT_EQ(AdditiveCost(Deep(), {{1, 1, 1}}, {1}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mathnas::core
