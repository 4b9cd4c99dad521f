#include "mathnas/replay/replay.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "gtest/gtest.h"
#include "tests/core/cells.h"

namespace mathnas::replay {
namespace {

using namespace core;

using core::testing::AllChoices;

// Two nodes with two candidates each; FLOPs 1 and 3, 1 and 2.
Benchmark Small() {
  Benchmark benchmark;
  benchmark.table.space = "small";
  benchmark.table.nodes = {{"first", {"a", "b"}, 1}, {"second", {"a", "b"}, 1}};
  benchmark.table.metrics["flops"] = core::testing::MakeMetric("MMAC", Goal::kMin, Form::kCost, 0, {{1, 3}, {1, 2}});
  benchmark.networks = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  benchmark.truth = {50, 58, 72, 70};
  benchmark.costs["flops"] = {2, 3, 4, 5};
  return benchmark;
}

// N^avg = (a, a): means 2 and 1.5, ties go to fewer FLOPs. Looked up: aa, ba, ab and bb, all four.
// b = {{72 - 50, 0}, {58 - 50, 0}} = {{22, 0}, {8, 0}}, base 70.
TEST(Replay, LinearByHand) {
  const auto result = Replay(Small(), {.estimator = ReplayEstimator::kLinear});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->evaluations, 4);
  EXPECT_EQ(result->predicted, (std::vector<double>{40, 48, 62, 70}));
  EXPECT_NEAR(result->all.spearman, 0.8, 1e-12);       // ranks 1 2 3 4 against 1 2 4 3
  EXPECT_NEAR(result->all.kendall, 4.0 / 6.0, 1e-12);  // one pair of six in the wrong order
  EXPECT_NEAR(result->all.rmse, std::sqrt(300 / 4.0), 1e-12);
  EXPECT_NEAR(result->all.mae, 30 / 4.0, 1e-12);
  EXPECT_EQ(result->chosen, 3);
  EXPECT_EQ(result->best, 2);
  EXPECT_EQ(result->regret, 2);
  EXPECT_TRUE(result->missing.empty());
}

// Eq 6: F-bar = 3.5, F = 2 3 4 5.
TEST(Replay, Eq6ByHand) {
  const auto result = Replay(Small(), {.estimator = ReplayEstimator::kEq6});
  ASSERT_TRUE(result.ok());
  const double expected[] = {70 - 3.5 * 30 / 2, 70 - 3.5 * 22 / 3, 70 - 3.5 * 8 / 4, 70};
  for (int k = 0; k < 4; ++k) EXPECT_NEAR(result->predicted[k], expected[k], 1e-12);
}

// Eq 3 over all: b = {{((72 - 50) + (70 - 58)) / 2, 0}, {((58 - 50) + (70 - 72)) / 2, 0}} = {{17, 0}, {3, 0}}.
// Eq 5: mean F with a in first 1 + 1.5, with a in second 1 + 2.
TEST(Replay, FullSamplingByHand) {
  const auto result = Replay(Small(), {.estimator = ReplayEstimator::kFull});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->evaluations, 4);
  const double expected[] = {70 - (17 * 2.5 + 3 * 3.0) / 2, 70 - 17 * 2.5 / 3, 70 - 3 * 3.0 / 4, 70};
  for (int k = 0; k < 4; ++k) EXPECT_NEAR(result->predicted[k], expected[k], 1e-12);
}

TEST(Replay, LimitsChooseAmongWhatHoldsThem) {
  ReplayOptions options{.estimator = ReplayEstimator::kLinear,
                        .limits = {{.metric = "flops", .op = LimitOp::kAtMost, .value = 3}}};
  auto result = Replay(Small(), options);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->chosen, 1);
  EXPECT_EQ(result->best, 1);
  EXPECT_EQ(result->regret, 0);
  EXPECT_NEAR(result->all.spearman, 0.8, 1e-12);  // still over all networks
  options.limits[0].value = 1;
  EXPECT_EQ(Replay(Small(), options).status().code(), absl::StatusCode::kNotFound);
}

void Remove(Benchmark& benchmark, int k) {
  benchmark.networks.erase(benchmark.networks.begin() + k);
  benchmark.truth.erase(benchmark.truth.begin() + k);
  benchmark.costs["flops"].erase(benchmark.costs["flops"].begin() + k);
}

// Without ab, the switch of `second` is taken from b_: bb - ba = -2, on top of aa = 50; so b = {{22, 0}, {-2, 0}}.
TEST(Replay, MissingSwitchesAreTakenFromTheNearestContext) {
  Benchmark benchmark = Small();
  Remove(benchmark, 1);
  const auto linear = Replay(benchmark, {.estimator = ReplayEstimator::kLinear});
  ASSERT_TRUE(linear.ok()) << linear.status();
  EXPECT_EQ(linear->missing, (std::vector<Choice>{{0, 1}}));
  EXPECT_EQ(linear->all.networks, 3);
  EXPECT_EQ(linear->evaluations, 3);
  EXPECT_EQ(linear->predicted, (std::vector<double>{50, 72, 70}));
  const auto full = Replay(benchmark, {.estimator = ReplayEstimator::kFull});
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(full->all.networks, 3);
}

TEST(Replay, MissingNetworksThatNothingReplaces) {
  Benchmark benchmark = Small();
  Remove(benchmark, 0);  // N^avg
  const auto linear = Replay(benchmark, {.estimator = ReplayEstimator::kLinear});
  EXPECT_EQ(linear.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(linear.status().message()).find("[0,0]"), std::string::npos) << linear.status();
}

TEST(Replay, InteractionWithoutACellIsEq6) {
  const auto eq6 = Replay(Small(), {.estimator = ReplayEstimator::kEq6});
  const auto interaction = Replay(Small(), {.estimator = ReplayEstimator::kInteraction});
  ASSERT_TRUE(eq6.ok() && interaction.ok());
  EXPECT_EQ(interaction->predicted, eq6->predicted);
  EXPECT_EQ(interaction->evaluated, eq6->evaluated);
}

// A network is looked up itself where the benchmark has it, not another that computes the same.
TEST(Replay, FullSamplingLooksEveryNetworkUp) {
  Benchmark benchmark;
  benchmark.table = core::testing::CellTable();
  benchmark.networks = AllChoices(benchmark.table);
  for (const Choice& c : benchmark.networks) benchmark.truth.push_back(core::testing::MadeUpAccuracy(c));
  const auto result = Replay(benchmark, {.estimator = ReplayEstimator::kFull});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->evaluations, 15625);
}

TEST(Replay, PartialCountsItsLookUpsOnce) {
  Benchmark benchmark;
  benchmark.table = core::testing::CellTable();
  benchmark.networks = AllChoices(benchmark.table);
  for (const Choice& c : benchmark.networks) benchmark.truth.push_back(core::testing::MadeUpAccuracy(c));
  ReplayOptions options{.estimator = ReplayEstimator::kPartial, .evaluations = 700, .seed = 1};
  const auto first = Replay(benchmark, options);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_LE(first->evaluations, 700);
  EXPECT_GE(first->evaluations, 699);  // N~ may have been drawn
  EXPECT_EQ(std::set<int>(first->evaluated.begin(), first->evaluated.end()).size(), first->evaluated.size());
  EXPECT_EQ(Replay(benchmark, options)->predicted, first->predicted);
  options.seed = 2;
  EXPECT_NE(Replay(benchmark, options)->predicted, first->predicted);
  EXPECT_EQ(
      first->undefined, 341 + [&] {  // cut, or without FLOPs
        int free = 0;
        for (const Choice& c : benchmark.networks) {
          const Choice live = CanonicalChoice(benchmark.table, c);
          free += ComputesSomething(benchmark.table, c) && std::count(live.begin(), live.end(), 2) == 0 &&
                  std::count(live.begin(), live.end(), 3) == 0;
        }
        return free;
      }());
}

TEST(Replay, InteractionLooksUp31) {
  Benchmark benchmark;
  benchmark.table = core::testing::CellTable();
  benchmark.networks = AllChoices(benchmark.table);
  for (const Choice& c : benchmark.networks) {
    benchmark.truth.push_back(core::testing::MadeUpAccuracy(c));
    benchmark.costs["big"].push_back(static_cast<double>(std::count(c.begin(), c.end(), 3)));
  }
  const auto result = Replay(benchmark, {.estimator = ReplayEstimator::kInteraction,
                                         .limits = {{.metric = "big", .op = LimitOp::kAtMost, .value = 1}}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->evaluations, 31);
  EXPECT_EQ(result->undefined, 0);
  EXPECT_GT(result->all.spearman, 0.9);
  EXPECT_LE(benchmark.costs["big"][result->chosen], 1);
  EXPECT_LT(result->regret, 0.5);
}

// Six networks of two nodes, three of them looked up.
TEST(Replay, HeldOutIsWhatWasNotLookedUp) {
  Benchmark benchmark;
  benchmark.table.space = "small";
  benchmark.table.nodes = {{"first", {"a", "b", "c"}, 2}, {"second", {"a", "b"}, 1}};
  std::mt19937_64 random(3);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 2; ++j) {
      benchmark.networks.push_back({i, j});
      benchmark.truth.push_back(10.0 * i + 7 * j + static_cast<double>(random() % 5));
    }
  }
  for (const uint64_t seed : {0, 1, 2, 3}) {
    const auto result =
        Replay(benchmark, {.estimator = ReplayEstimator::kLeastSquares, .evaluations = 3, .seed = seed});
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->evaluations, 3);
    ASSERT_TRUE(result->held_out.has_value());
    EXPECT_EQ(result->all.networks, 6);
    EXPECT_EQ(result->held_out->networks, 3);
    double squares = 0, absolute = 0, concordant = 0, pairs = 0;
    for (int a = 0; a < 6; ++a) {
      const auto held_out = [&](int k) {
        return std::count(result->evaluated.begin(), result->evaluated.end(), k) == 0;
      };
      if (!held_out(a)) continue;
      const double error = result->predicted[a] - benchmark.truth[a];
      squares += error * error / 3;
      absolute += std::abs(error) / 3;
      for (int b = 0; b < a; ++b) {
        if (!held_out(b)) continue;
        const double p = result->predicted[a] - result->predicted[b], t = benchmark.truth[a] - benchmark.truth[b];
        ASSERT_NE(p * t, 0) << "ties, choose another seed";
        concordant += p * t > 0 ? 1 : -1;
        ++pairs;
      }
    }
    EXPECT_NEAR(result->held_out->rmse, std::sqrt(squares), 1e-12);
    EXPECT_NEAR(result->held_out->mae, absolute, 1e-12);
    EXPECT_NEAR(result->held_out->kendall, concordant / pairs, 1e-12);
  }
  // All looked up: nothing is held out.
  const auto all = Replay(benchmark, {.estimator = ReplayEstimator::kLeastSquares, .evaluations = 100});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_FALSE(all->held_out.has_value());
}

// N~ = bb is not there: b = {{17, 0}, {3, 0}} of the three that are, and the base makes eq5 right on average.
TEST(Replay, FullSamplingWithoutTheBaseNetwork) {
  Benchmark benchmark = Small();
  Remove(benchmark, 3);
  const auto full = Replay(benchmark, {.estimator = ReplayEstimator::kFull});
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(full->missing, (std::vector<Choice>{{1, 1}}));
  const double b_first = 72 - (50 + 58) / 2.0, b_second = 58 - (50 + 72) / 2.0;
  const double loss[] = {(b_first * 2.5 + b_second * 3) / 2, b_first * 2.5 / 3, b_second * 3 / 4};
  double error = 0;
  for (int k = 0; k < 3; ++k) error += (benchmark.truth[k] + loss[k]) / 3;
  for (int k = 0; k < 3; ++k) EXPECT_NEAR(full->predicted[k], error - loss[k], 1e-12);
}

// Networks that the nodes cannot tell apart are looked up and judged one by one.
TEST(Replay, TheSameChoiceTwiceIsTwoNetworks) {
  Benchmark benchmark;
  benchmark.table.space = "small";
  benchmark.table.nodes = {{"only", {"a", "b"}, 1}};
  benchmark.networks = {{0}, {0}, {1}, {1}};
  benchmark.truth = {1, 3, 10, 14};
  const auto full = Replay(benchmark, {.estimator = ReplayEstimator::kLeastSquares, .evaluations = 4});
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(full->evaluations, 4);
  // Base 7, the means 2 and 12 keep 2 / (2 + 1) of their distance from it.
  EXPECT_NEAR(full->predicted[0], 7 - 5 * 2.0 / 3, 1e-12);
  EXPECT_NEAR(full->predicted[3], 7 + 5 * 2.0 / 3, 1e-12);
  EXPECT_EQ(full->predicted[0], full->predicted[1]);
}

TEST(Replay, Refusals) {
  const auto refused = [](const Benchmark& b, const ReplayOptions& o = {}) {
    return Replay(b, o).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({}));
  Benchmark benchmark = Small();
  benchmark.truth[2] = core::testing::kNull;
  EXPECT_TRUE(refused(benchmark));
  benchmark = Small();
  benchmark.truth.pop_back();
  EXPECT_TRUE(refused(benchmark));
  benchmark = Small();
  benchmark.networks[0] = {0, 2};
  EXPECT_TRUE(refused(benchmark));
  EXPECT_TRUE(refused(Small(), {.limits = {{.metric = "latency"}}}));
  benchmark = Small();
  benchmark.truth = {1, 1, 1, 1};
  EXPECT_TRUE(refused(benchmark));
  EXPECT_FALSE(ParseReplayEstimator("eq7").ok());
  for (const char* name : {"linear", "eq5", "eq6", "full", "partial", "least-squares", "interaction"}) {
    EXPECT_EQ(Name(*ParseReplayEstimator(name)), name);
  }
}

}  // namespace
}  // namespace mathnas::replay
