#include "mathnas/core/sweep.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "brute_force.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "mathnas/core/networks.h"
#include "mathnas/core/sweep_json.h"
#include "nlohmann/json.hpp"
#include "tables.h"

namespace mathnas::core {
namespace {

using testing::NasBench201;
using testing::RandomTable;

constexpr EstimatorKind kKinds[] = {EstimatorKind::kLinear, EstimatorKind::kEq5, EstimatorKind::kEq6};

int Draw(std::mt19937_64& random, int least, int greatest) {
  return std::uniform_int_distribution<int>(least, greatest)(random);
}

SweepResult MustSweep(const BlockTable& table, const SweepRequest& request) {
  const auto result = Sweep(table, request);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.value_or(SweepResult{});
}

// The same, network by network through ForEachNetwork and Estimator::Predict, and one sort.
struct Oracle {
  struct Network {
    double objective, first_limited;
    Choice choice;
    int shared;
  };
  int64_t networks = 0, undefined = 0;
  std::vector<Network> within;  // best first
  std::map<std::string, std::pair<double, double>> ranges;

  Oracle(const BlockTable& table, const SweepRequest& request) {
    const auto estimator = Estimator::Create(table, request.estimator);
    NetworkFilter filter = AllowAll(table);
    EXPECT_TRUE(ApplyFixed(table, request.fixed, filter).ok());
    EXPECT_TRUE(ApplyForbidden(table, request.forbidden, filter).ok());
    std::vector<std::string> metrics = {request.objective};
    for (const Limit& limit : request.limits) metrics.push_back(limit.metric);
    const auto report = ForEachNetwork(*estimator, metrics, filter, [&](const NetworkView& network) {
      bool holds = true;
      for (size_t m = 0; m < metrics.size(); ++m) {
        const double value = estimator->Predict(metrics[m], network.choice, network.shared).value();
        auto& [least, greatest] = ranges.try_emplace(metrics[m], value, value).first->second;
        least = std::min(least, value);
        greatest = std::max(greatest, value);
        if (m > 0) holds = holds && Holds(request.limits[m - 1], value);
      }
      if (holds)
        within.push_back(
            {network.values[0], metrics.size() > 1 ? network.values[1] : 0, network.choice, network.shared});
      return true;
    });
    EXPECT_TRUE(report.ok()) << report.status();
    networks = report->visited;
    undefined = report->undefined;
    const double sign = table.metrics.find(request.objective)->second.goal == Goal::kMax ? -1 : 1;
    std::sort(within.begin(), within.end(), [sign](const Network& a, const Network& b) {
      return std::tuple(sign * a.objective, a.first_limited, a.choice, a.shared) <
             std::tuple(sign * b.objective, b.first_limited, b.choice, b.shared);
    });
  }
};

void ExpectAsOracle(const BlockTable& table, const SweepRequest& request) {
  const SweepResult found = MustSweep(table, request);
  const Oracle oracle(table, request);
  EXPECT_EQ(found.networks, oracle.networks);
  EXPECT_EQ(found.undefined, oracle.undefined);
  EXPECT_EQ(found.within, std::ssize(oracle.within));
  EXPECT_EQ(found.ranges, oracle.ranges);
  ASSERT_EQ(found.best.size(), std::min<size_t>(oracle.within.size(), static_cast<size_t>(request.top)));
  for (size_t k = 0; k < found.best.size(); ++k) {
    EXPECT_EQ(found.best[k].choice, oracle.within[k].choice) << k;
    EXPECT_EQ(found.best[k].shared_index, oracle.within[k].shared) << k;
    EXPECT_EQ(found.best[k].objective, oracle.within[k].objective) << k;
    EXPECT_EQ(found.best[k].predicted.at(request.objective), oracle.within[k].objective) << k;
  }
  if (!request.skip) {
    EXPECT_EQ(found.computed, found.networks + found.undefined);
  }
}

// Numbers whose sums depend on the order in which they are added.
void MakeInexact(BlockTable& table, std::mt19937_64& random) {
  std::uniform_real_distribution<double> factor(0.1, 3);
  for (auto& [name, metric] : table.metrics) {
    for (MetricSlice& slice : metric.slices) {
      for (auto& row : slice.values) {
        for (double& value : row) value *= factor(random);
      }
    }
  }
}

// Tenths, which are added as integers.
void MakeTenths(BlockTable& table) {
  for (auto& [name, metric] : table.metrics) {
    for (MetricSlice& slice : metric.slices) {
      slice.base /= 10;
      for (auto& row : slice.values) {
        for (double& value : row) value /= 10;
      }
    }
  }
}

SweepRequest RandomRequest(const BlockTable& table, std::mt19937_64& random) {
  SweepRequest request;
  const char* metrics[] = {"accuracy", "latency", "energy", "flops"};
  request.objective = metrics[Draw(random, 0, 5) % 4];
  request.estimator = {.kind = kKinds[Draw(random, 0, 2)],
                       .flops_fixed = Draw(random, 0, 1) ? FlopsFixed::kInclude : FlopsFixed::kExclude};
  request.top = Draw(random, 0, 3) == 0 ? Draw(random, 0, 300) : Draw(random, 0, 3);
  request.threads = Draw(random, 1, 3);
  request.skip = Draw(random, 0, 2) != 0;
  constexpr std::string_view kInstructionSets[] = {"portable", "avx2", "avx512"};
  request.isa = kInstructionSets[Draw(random, 0, 2)];
  for (int l = Draw(random, 0, 3); l > 0; --l) {
    request.limits.push_back({.metric = metrics[Draw(random, 0, 3)],
                              .op = Draw(random, 0, 2) ? LimitOp::kAtMost : LimitOp::kAtLeast,
                              .value = Draw(random, 0, 70) / (Draw(random, 0, 1) ? 1.0 : 10.0)});
  }
  for (int f = Draw(random, 0, 5) - 3; f > 0; --f) {
    const Node& node = table.nodes[static_cast<size_t>(Draw(random, 0, static_cast<int>(table.nodes.size()) - 1))];
    const std::string& candidate =
        node.candidates[static_cast<size_t>(Draw(random, 0, static_cast<int>(node.candidates.size()) - 1))];
    (Draw(random, 0, 1) ? request.fixed : request.forbidden).push_back({node.name, candidate});
  }
  if (table.structure.shared && Draw(random, 0, 3) == 0) request.fixed.push_back({"resolution", "224"});
  return request;
}

// Every feature of tables: depth groups, a shared choice, values that are not measured, negative values, ties.
TEST(Sweep, RandomTables) {
  for (int seed = 0; seed < 4000; ++seed) {
    std::mt19937_64 random(seed);
    BlockTable table = RandomTable(random);
    if (seed % 3 == 1) MakeInexact(table, random);
    if (seed % 5 == 0) {  // F(N) of both signs
      for (MetricSlice& slice : table.metrics["flops"].slices) slice.values = testing::RandomGrid(table, random, -4, 5);
    }
    if (seed % 3 == 2) MakeTenths(table);
    SCOPED_TRACE(fmt::format("seed {}", seed));
    ExpectAsOracle(table, RandomRequest(table, random));
    if (HasFailure()) return;
  }
}

// Larger ones, so that walks, bounds and blocks all take part.
TEST(Sweep, LargerTables) {
  for (int seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    BlockTable table;
    table.space = "larger";
    double size = 1;
    while (size < 20'000) {
      Node node;
      node.name = fmt::format("node{}", table.nodes.size());
      const int count = Draw(random, 1, seed % 3 == 0 ? 30 : 6);
      for (int j = 0; j < count; ++j) node.candidates.push_back(fmt::format("b{}", j));
      table.nodes.push_back(node);
      size *= count;
    }
    if (seed % 4 == 1) {
      DepthGroup group;
      for (int i = Draw(random, 0, 2); i < std::ssize(table.nodes); i += Draw(random, 1, 2)) {
        group.nodes.push_back(i);
        group.absent.push_back(Draw(random, 0, static_cast<int>(table.nodes[i].candidates.size()) - 1));
      }
      if (!group.nodes.empty()) table.structure.depth.push_back(group);
    }
    for (const char* name : {"latency", "energy"}) {
      table.metrics[name] = testing::RandomMetric(table, random, Goal::kMin, Form::kCost, -9, 30);
    }
    table.metrics["flops"] = testing::RandomMetric(table, random, Goal::kMin, Form::kCost, seed % 5 == 0 ? -4 : 1, 9);
    table.metrics["accuracy"] = testing::RandomMetric(table, random, Goal::kMax, Form::kSaving, -3, 9);
    if (seed % 2 == 1) MakeInexact(table, random);
    if (seed % 4 == 0) MakeTenths(table);
    SCOPED_TRACE(fmt::format("seed {}", seed));
    for (int k = 0; k < 3; ++k) ExpectAsOracle(table, RandomRequest(table, random));
    if (HasFailure()) return;
  }
}

TEST(Sweep, CellsOfNasBench201) {
  BlockTable table = NasBench201();
  CellStructure cell;
  for (const auto& [from, to] : {std::pair{0, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}}) {
    cell.edges.push_back({.node = static_cast<int>(cell.edges.size()), .from = from, .to = to, .none = 0});
  }
  cell.output = 3;
  table.structure.cell = cell;
  for (const EstimatorKind kind : kKinds) {
    for (const bool skip : {false, true}) {
      SweepRequest request = {.limits = {{.metric = "latency_fpga", .op = LimitOp::kAtMost, .value = 2000},
                                         {.metric = "flops", .op = LimitOp::kAtLeast, .value = 5}},
                              .forbidden = {{"0->2", "nor_conv_3x3"}},
                              .estimator = {.kind = kind},
                              .top = 500,
                              .threads = 2,
                              .skip = skip};
      ExpectAsOracle(table, request);
      request.limits.clear();
      request.forbidden.clear();
      ExpectAsOracle(table, request);
    }
  }
  EXPECT_EQ(MustSweep(table, {.estimator = {.kind = EstimatorKind::kLinear}}).networks, 9444);  // README
}

// The same networks as Search finds, and its ranges.
TEST(Sweep, AgreesWithSearch) {
  for (int seed = 0; seed < 500; ++seed) {
    std::mt19937_64 random(seed);
    const BlockTable table = RandomTable(random);
    SweepRequest request = RandomRequest(table, random);
    request.top = std::max(request.top, 1);
    const SweepResult swept = MustSweep(table, request);
    const auto searched = Search(table, {.objective = request.objective,
                                         .limits = request.limits,
                                         .fixed = request.fixed,
                                         .forbidden = request.forbidden,
                                         .estimator = request.estimator,
                                         .top = request.top});
    ASSERT_TRUE(searched.ok()) << searched.status();
    ASSERT_EQ(swept.best.size(), searched->networks.size()) << seed;
    for (size_t k = 0; k < swept.best.size(); ++k) {
      ASSERT_EQ(swept.best[k].choice, searched->networks[k].choice) << seed;
      ASSERT_EQ(swept.best[k].shared, searched->networks[k].shared) << seed;
      ASSERT_EQ(swept.best[k].names, searched->networks[k].names) << seed;
    }
    for (const LimitReport& limit : searched->limits) {
      ASSERT_EQ(limit.reachable.has_value(), swept.networks > 0) << seed;
      if (limit.reachable) {
        ASSERT_EQ(*limit.reachable, swept.ranges.at(limit.limit.metric)) << seed;
      }
    }
  }
}

// 10^9 networks whose number within a limit is known: digits with a small sum.
TEST(Sweep, CountsWhatCanBeCountedByHand) {
  BlockTable table;
  table.space = "digits";
  Grid digits;
  for (int i = 0; i < 9; ++i) {
    Node node;
    node.name = fmt::format("node{}", i);
    for (int j = 0; j < 10; ++j) node.candidates.push_back(fmt::format("b{}", j));
    table.nodes.push_back(node);
    digits.push_back({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  }
  table.metrics["latency"] = testing::MakeMetric("ms", Goal::kMin, Form::kCost, 0, digits);
  table.metrics["accuracy"] = testing::MakeMetric("%", Goal::kMax, Form::kCost, 0, digits);
  const SweepResult result = MustSweep(table, {.limits = {{.metric = "latency", .op = LimitOp::kAtMost, .value = 9}},
                                               .estimator = {.kind = EstimatorKind::kLinear},
                                               .top = 2,
                                               .threads = 2});
  EXPECT_EQ(result.networks, 1'000'000'000);
  EXPECT_EQ(result.within, 48620);  // C(18, 9)
  ASSERT_EQ(result.best.size(), 2u);
  EXPECT_EQ(result.best[0].choice, (Choice{0, 0, 0, 0, 0, 0, 0, 0, 9}));
  EXPECT_EQ(result.best[1].choice, (Choice{0, 0, 0, 0, 0, 0, 0, 1, 8}));
  EXPECT_EQ(result.ranges.at("latency"), (std::pair<double, double>(0, 81)));
}

TEST(Sweep, StopsAndTellsHowFarItIs) {
  BlockTable table;
  table.space = "large";
  for (int i = 0; i < 15; ++i) {
    table.nodes.push_back({.name = fmt::format("n{}", i), .candidates = std::vector<std::string>()});
    for (int j = 0; j < 9; ++j) table.nodes.back().candidates.push_back(fmt::format("b{}", j));
  }
  std::mt19937_64 random(1);
  table.metrics["latency"] = testing::RandomMetric(table, random, Goal::kMin, Form::kCost, 1, 9);
  std::atomic<bool> cancel = false;
  int calls = 0;
  SweepRequest request = {.objective = "latency", .threads = 2, .skip = false, .cancel = &cancel};
  request.progress = [&](double fraction) {
    EXPECT_GE(fraction, 0);
    EXPECT_LT(fraction, 1);
    if (++calls == 2) cancel = true;
  };
  EXPECT_TRUE(absl::IsCancelled(Sweep(table, request).status()));
  EXPECT_EQ(calls, 2);
}

TEST(Sweep, RefusesWithTheReason) {
  const BlockTable table = NasBench201();
  const auto message = [&](const SweepRequest& request) {
    return std::string(Sweep(table, request).status().message());
  };
  EXPECT_TRUE(message({.objective = "speed"}).starts_with("objective: expected one of accuracy, "));
  EXPECT_TRUE(message({.limits = {{.metric = "x"}}}).starts_with("limits[0]: expected one of "));
  EXPECT_EQ(message({.limits = {{.metric = "flops", .value = NAN}}}), "limits[0]: expected a finite number, found nan");
  EXPECT_EQ(message({.limits = {{.metric = "flops", .value = 3, .unit = "s"}}}),
            "limits[0]: expected flops in 'MFLOPs', found 's'");
  EXPECT_EQ(message({.top = -1}), "top: expected a number from 0 to 100000, found -1");
  EXPECT_EQ(message({.threads = 0}), "threads: expected at least 1, found 0");
  EXPECT_TRUE(message({.fixed = {{"9->9", "none"}}}).starts_with("node: expected one of "));
}

TEST(Sweep, Json) {
  const SweepResult result = MustSweep(NasBench201(), {.limits = {{.metric = "flops", .value = 30}}, .top = 2});
  const auto json = nlohmann::json::parse(ToJson(result));
  EXPECT_EQ(json["networks"], 15625 - 729);
  EXPECT_EQ(json["undefined"], 729);
  EXPECT_EQ(json["within"], result.within);
  EXPECT_EQ(json["best"].size(), 2u);
  EXPECT_EQ(json["best"][0]["choice"], result.best[0].choice);
  EXPECT_EQ(json["best"][0]["objective"], result.best[0].objective);
  EXPECT_EQ(json["ranges"]["flops"][1], result.ranges.at("flops").second);
  EXPECT_EQ(json["estimator"], "eq6");
}

}  // namespace
}  // namespace mathnas::core
