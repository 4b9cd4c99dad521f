#include "mathnas/core/average_network.h"

#include <cmath>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/measured_table.h"
#include "tables.h"

namespace mathnas::core {
namespace {

using testing::kNull;
using testing::MakeMetric;

BlockTable TableWithFlops(const Grid& flops) {
  BlockTable table;
  table.space = "test";
  for (size_t i = 0; i < flops.size(); ++i) {
    Node node;
    node.name = fmt::format("node{}", i);
    for (size_t j = 0; j < flops[i].size(); ++j) node.candidates.push_back(fmt::format("b{}", j));
    node.reference = static_cast<int>(flops[i].size()) - 1;
    table.nodes.push_back(node);
  }
  table.metrics["flops"] = MakeMetric("MMAC", Goal::kMin, Form::kCost, 0, flops);
  return table;
}

TEST(AverageNetwork, NasBench201IsAll1x1) {
  // Mean operation 2 units of C^2 HW, 1x1 = 1, 3x3 = 9, others 0 (mathnas.md 2.1).
  EXPECT_EQ(AverageNetwork(testing::NasBench201()).value(), Choice(6, 2));
}

TEST(AverageNetwork, PublishedProxyAndItsTie) {
  // The sizes of mathnas.md 1.10; node 1 has mean 88, and 81 and 95 tie: the cheaper one.
  const BlockTable table = TableWithFlops({{21, 27, 36, 48, 60},
                                           {48, 60, 81, 95, 156},
                                           {39, 60, 76, 108, 154},
                                           {30, 53, 64, 88, 144},
                                           {27, 36, 50, 66, 106}});
  EXPECT_EQ(AverageNetwork(table).value(), (Choice{2, 2, 2, 2, 2}));
}

TEST(AverageNetwork, Ties) {
  EXPECT_EQ(AverageNetwork(TableWithFlops({{95, 81, 156, 60, 48}})).value(), (Choice{1}));  // fewer FLOPs
  EXPECT_EQ(AverageNetwork(TableWithFlops({{5, 5, 5}})).value(), (Choice{0}));              // smaller index
  // Mean 0.2: |0.1 - 0.2| and |0.3 - 0.2| differ in doubles, but not in the decimals of the table.
  EXPECT_EQ(AverageNetwork(TableWithFlops({{0.3, 0.1}})).value(), (Choice{1}));
  EXPECT_EQ(AverageNetwork(TableWithFlops({{0.1, 0.3}})).value(), (Choice{0}));
}

TEST(AverageNetwork, LeavesOutCutsAndNulls) {
  BlockTable table = TableWithFlops({{1, 2, 30}, {0, 4, 6, 8}, {0, 10, 11}});
  table.structure.depth.push_back({.nodes = {1, 2}, .absent = {DepthGroup::kCannotBeCut, 0}});
  table.metrics["flops"].slices[0].values[0][2] = kNull;
  EXPECT_EQ(AverageNetwork(table).value(), (Choice{0, 1, 1}));  // means 1.5, 4.5, 10.5
}

TEST(AverageNetwork, Refusals) {
  BlockTable table = TableWithFlops({{1, 2}});
  EXPECT_EQ(AverageNetwork(table, 1).status().code(), absl::StatusCode::kInvalidArgument);
  table.metrics["flops"].slices[0].values[0] = {kNull, kNull};
  EXPECT_EQ(AverageNetwork(table).status().code(), absl::StatusCode::kFailedPrecondition);
  table.metrics["latency"] = table.metrics["flops"];
  table.metrics.erase("flops");
  EXPECT_EQ(AverageNetwork(table).status().code(), absl::StatusCode::kInvalidArgument);
}

// A world in which value(N) = base + sum t is true: both anchors must then predict every network exactly.
TEST(MeasuredTable, ExactWhereTheMetricIsAdditive) {
  const Grid truth = {{1, 5, 9}, {2, 3}, {7, 4, 6, 20}};
  const double base = 100;
  const BlockTable skeleton = TableWithFlops({{1, 2, 3}, {1, 2}, {1, 2, 3, 4}});
  const auto value = [&](const Choice& choice) {
    double sum = base;
    for (size_t i = 0; i < choice.size(); ++i) sum += truth[i][choice[i]];
    return sum;
  };
  SwitchMeasurements measured;
  measured.average = {1, 0, 2};
  measured.average_value = value(measured.average);
  measured.base_value = value({2, 1, 3});
  for (size_t i = 0; i < truth.size(); ++i) {
    measured.switched.emplace_back();
    for (size_t j = 0; j < truth[i].size(); ++j) {
      Choice choice = measured.average;
      choice[i] = static_cast<int>(j);
      measured.switched[i].push_back(value(choice));
    }
    measured.switched[i][measured.average[i]] = kNull;  // need not be filled in
  }
  BlockTable table = skeleton;
  for (const auto& [name, goal] : {std::pair("accuracy", Goal::kMax), std::pair("latency", Goal::kMin)}) {
    Metric metric;
    metric.unit = "u";
    metric.goal = goal;
    const auto built = MetricFromSwitches(skeleton, metric, {measured});
    ASSERT_TRUE(built.ok()) << built.status();
    table.metrics[name] = *built;
  }
  EXPECT_EQ(table.metrics["accuracy"].form, Form::kSaving);
  EXPECT_EQ(table.metrics["accuracy"].slices[0].base, 132);                                  // N~
  EXPECT_EQ(table.metrics["accuracy"].slices[0].values[0], (std::vector<double>{8, 4, 0}));  // b = 0 at the reference
  EXPECT_EQ(table.metrics["latency"].form, Form::kCost);
  EXPECT_EQ(table.metrics["latency"].slices[0].base, 113);  // N^avg
  EXPECT_EQ(table.metrics["latency"].slices[0].values[0], (std::vector<double>{-4, 0, 4}));
  const auto estimator = Estimator::Create(table, {.kind = EstimatorKind::kLinear});
  ASSERT_TRUE(estimator.ok()) << estimator.status();
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 2; ++b) {
      for (int c = 0; c < 4; ++c) {
        EXPECT_EQ(estimator->Predict("accuracy", {a, b, c}).value(), value({a, b, c}));
        EXPECT_EQ(estimator->Predict("latency", {a, b, c}).value(), value({a, b, c}));
      }
    }
  }
}

TEST(MeasuredTable, CutsIncludeWhatTheyRemove) {
  BlockTable table = TableWithFlops({{1, 2}, {1, 0}, {1, 0}});
  table.structure.depth.push_back({.nodes = {1, 2}, .absent = {1, 1}});
  // N^avg = {0, 0, 0} takes 10 + 20 + 30; cut before node 1: 10, before node 2: 30.
  SwitchMeasurements measured{.average = {0, 0, 0}, .average_value = 60, .base_value = kNull, .switched = {}};
  measured.switched = {{60, 65}, {60, 10}, {60, 30}};
  Metric metric;
  metric.unit = "ms";
  const auto built = MetricFromSwitches(table, metric, {measured});
  ASSERT_TRUE(built.ok()) << built.status();
  table.metrics["latency"] = *built;
  const auto estimator = Estimator::Create(table, {});
  ASSERT_TRUE(estimator.ok());
  EXPECT_EQ(estimator->Predict("latency", {1, 1, 1}).value(), 15);
  EXPECT_EQ(estimator->Predict("latency", {1, 0, 1}).value(), 35);
  EXPECT_EQ(estimator->Predict("latency", {0, 0, 0}).value(), 60);
}

TEST(MeasuredTable, Refusals) {
  const BlockTable table = TableWithFlops({{1, 2}, {1, 2}});
  const SwitchMeasurements good{.average = {0, 0}, .average_value = 5, .base_value = 9, .switched = {{5, 6}, {5, 8}}};
  Metric accuracy;
  accuracy.goal = Goal::kMax;
  ASSERT_TRUE(MetricFromSwitches(table, accuracy, {good}).ok());
  const auto message = [&](const SwitchMeasurements& bad) {
    return std::string(MetricFromSwitches(table, accuracy, {bad}).status().message());
  };
  SwitchMeasurements bad = good;
  bad.average = {0};
  EXPECT_NE(message(bad).find("slices[0].average"), std::string::npos);
  bad = good;
  bad.switched.pop_back();
  EXPECT_NE(message(bad).find("slices[0].switched"), std::string::npos);
  bad = good;
  bad.switched[1].pop_back();
  EXPECT_NE(message(bad).find("slices[0].switched[1]"), std::string::npos);
  bad = good;
  bad.switched[1][1] = kNull;  // the reference
  EXPECT_NE(message(bad).find("slices[0].switched[1][1]"), std::string::npos);
  bad = good;
  bad.base_value = kNull;
  EXPECT_NE(message(bad).find("base_value"), std::string::npos);
  bad = good;
  bad.average_value = kNull;
  EXPECT_NE(message(bad).find("average_value"), std::string::npos);
  EXPECT_FALSE(MetricFromSwitches(table, accuracy, {good, good}).ok());
}

}  // namespace
}  // namespace mathnas::core
