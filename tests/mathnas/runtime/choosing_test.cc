// Which network is chosen within limits.
#include "mathnas/runtime/choosing.h"

#include <cmath>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/random.h"
#include "mathnas/core/block_table.h"
#include "tests/mathnas/runtime/runtime_test.h"

namespace mathnas::runtime {
namespace {

using core::Limit;

// Two metrics of four nodes with three candidates, nothing in it additive by accident.
core::BlockTable SmallTable() {
  core::BlockTable table;
  table.space = "any";
  core::Metric accuracy = MetricOf("%", core::Goal::kMax, 80);
  core::Metric latency = MetricOf("ms", core::Goal::kMin, 3);
  core::Metric size = MetricOf("1", core::Goal::kMin, 0);
  kernels::Random random(11);
  for (int i = 0; i < 4; ++i) {
    table.nodes.push_back({"n" + std::to_string(i), {"a", "b", "c"}, 2});
    auto row = [&](core::Metric& metric, std::vector<double> values) { metric.slices[0].values.push_back(values); };
    row(accuracy, {1 + random.Uniform(), random.Uniform(), 0});
    row(latency, {1 + random.Uniform(), 3 + random.Uniform(), 5 + random.Uniform()});
    row(size, {10 + i * 1.0, 20 + i * 2.0, 40 + i * 3.0});
  }
  table.metrics = {{"accuracy", accuracy}, {"latency", latency}, {"size", size}};
  return table;
}

// The rule of the reference's demo, written down once more from spec/mathnas.md 3.7.
TEST(Choose, LightSearchIsThatOfTheReference) {
  const core::BlockTable table = SmallTable();
  ChoosingOptions options = {.strategy = Strategy::kLight, .law = PowerLaw{.size_metric = "size"}};
  options.request.estimator.kind = core::EstimatorKind::kLinear;
  kernels::Random random(3);
  int light = 0, heavy = 0;
  for (int repetition = 0; repetition < 300; ++repetition) {
    profile::TableNetwork present = {{0, 0, 0, 0}, 0};
    for (int& c : present.choice) c = static_cast<int>(random.Below(3));
    const double limit = 9 + 20 * random.Uniform();  // 8.69 is the least
    const double now = Value(table, "latency", present.choice);
    core::Choice best;
    double best_score = -1e9;
    for (size_t i = 0; i < 4; ++i) {
      core::Choice moved = present.choice;
      moved[i] += limit < now ? -1 : 1;
      if (moved[i] < 0 || moved[i] > 2 || Value(table, "latency", moved) > limit) continue;
      const double loss = 80 - Value(table, "accuracy", moved);
      const double score = 80 - loss / (0.19 * std::pow(Value(table, "size", moved), 0.3));
      if (score > best_score) best_score = score, best = moved;
    }
    const auto chosen = Choose(table, options, {{.metric = "latency", .value = limit}}, &present);
    ASSERT_TRUE(chosen.ok()) << chosen.status();
    EXPECT_EQ(chosen->light, !best.empty());
    EXPECT_LE(Value(table, "latency", chosen->network.choice), limit);
    if (best.empty()) {
      ++heavy;
      continue;
    }
    ++light;
    EXPECT_EQ(chosen->network.choice, best);
    EXPECT_NEAR(chosen->objective, best_score, 1e-9);
  }
  EXPECT_GT(light, 50);
  EXPECT_GT(heavy, 10);
}

TEST(Choose, SaysWhyNothingFits) {
  const core::BlockTable table = SmallTable();
  ChoosingOptions options;
  options.request.estimator.kind = core::EstimatorKind::kLinear;
  const std::vector<Limit> limits = {{.metric = "latency", .value = 2}};
  ExpectError(Choose(table, options, limits, nullptr).status(), absl::StatusCode::kFailedPrecondition,
              {"no network keeps latency<=2 (alone ", "nearest budget that can be met: latency<="});
  options.nearest = true;
  const auto nearest = Choose(table, options, limits, nullptr);
  ASSERT_TRUE(nearest.ok());
  EXPECT_FALSE(nearest->within_limits);
  EXPECT_EQ(nearest->network.choice, core::Choice({0, 0, 0, 0})) << "the fastest";
  ExpectError(Choose(table, options, {{.metric = "speed", .value = 2}}, nullptr).status(),
              absl::StatusCode::kInvalidArgument, {"speed"});
}

TEST(Scaled, EveryNetworkTakesAsMuchLonger) {
  const core::BlockTable table = SmallTable();
  const auto scaled = Scaled(table, "latency", 1.5);
  ASSERT_TRUE(scaled.ok());
  for (const core::Choice& c : {core::Choice{0, 1, 2, 0}, core::Choice{2, 2, 1, 1}}) {
    EXPECT_NEAR(Value(*scaled, "latency", c), 1.5 * Value(table, "latency", c), 1e-12);
    EXPECT_EQ(Value(*scaled, "accuracy", c), Value(table, "accuracy", c));
  }
  EXPECT_EQ(Scaled(table, "speed", 2).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace mathnas::runtime
