#include "mathnas/core/search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <thread>
#include <tuple>

#include "brute_force.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "mathnas/core/networks.h"
#include "tables.h"

namespace mathnas::core {
namespace {

using testing::AllNetworks;
using testing::BruteEstimator;
using testing::BruteNetwork;
using testing::kNull;
using testing::NasBench201;
using testing::RandomTable;

const EstimatorOptions kLinear = {.kind = EstimatorKind::kLinear};

Limit AtMost(const std::string& metric, double value) {
  return {.metric = metric, .op = LimitOp::kAtMost, .value = value};
}
Limit AtLeast(const std::string& metric, double value) {
  return {.metric = metric, .op = LimitOp::kAtLeast, .value = value};
}

SearchResult MustSearch(const BlockTable& table, const SearchRequest& request) {
  const auto result = Search(table, request);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.value_or(SearchResult{});
}

std::string MessageOf(const BlockTable& table, const SearchRequest& request) {
  return std::string(Search(table, request).status().message());
}

// ---- published figures: mathnas.md 2.1 and 6.3

TEST(NasBench201Search, UnconstrainedOptimumOfTheLinearModel) {
  const SearchResult result =
      MustSearch(NasBench201(), {.limits = {AtMost("latency_fpga", 1e9)}, .estimator = kLinear});
  ASSERT_EQ(result.status, SearchStatus::kOptimal);
  EXPECT_EQ(result.networks[0].choice, (Choice{3, 3, 3, 1, 3, 3}));
  EXPECT_EQ(result.networks[0].objective, 40.78);
  EXPECT_NEAR(result.networks[0].predicted.at("latency_fpga"), 3001.7, 0.05);
  EXPECT_NEAR(result.networks[0].predicted.at("latency_edgegpu"), 7301.1, 0.05);
  EXPECT_EQ(result.networks[0].names[3], "skip_connect");
  EXPECT_EQ(result.bound, result.networks[0].objective);
  EXPECT_EQ(result.gap, 0);
}

TEST(NasBench201Search, ReachableRanges) {
  const SearchResult result =
      MustSearch(NasBench201(), {.limits = {AtMost("latency_fpga", 1e9), AtMost("latency_edgegpu", 1e9),
                                            AtMost("energy_fpga", 1e9), AtMost("energy_edgegpu", 1e9)},
                                 .estimator = kLinear});
  const std::pair<double, double> expected[] = {{580, 3421}, {4062, 8249}, {4059, 23944}, {16715, 35722}};
  ASSERT_EQ(result.limits.size(), 4u);
  for (size_t l = 0; l < 4; ++l) {
    ASSERT_TRUE(result.limits[l].reachable);
    EXPECT_NEAR(result.limits[l].reachable->first, expected[l].first, 1);
    EXPECT_NEAR(result.limits[l].reachable->second, expected[l].second, 1);
  }
}

TEST(NasBench201Search, CheapestIsAllSkip) {
  const double least = MustSearch(NasBench201(), {.objective = "latency_fpga"}).networks[0].objective;
  const SearchResult result =
      MustSearch(NasBench201(), {.limits = {AtMost("latency_fpga", least)}, .estimator = kLinear});
  EXPECT_EQ(result.networks[0].choice, Choice(6, 1));
  EXPECT_NEAR(result.networks[0].predicted.at("accuracy"), 24.416, 5e-4);
}

TEST(NasBench201Search, FpgaFront) {
  const SearchResult result = MustSearch(NasBench201(), {.estimator = kLinear, .fronts = {"latency_fpga"}});
  const std::pair<double, double> expected[] = {{580.1, 24.416},  {690.5, 27.738},  {801.0, 31.022},  {911.5, 33.136},
                                                {1021.9, 35.169}, {1132.4, 36.913}, {1506.3, 38.013}, {1880.1, 38.799},
                                                {2254.0, 39.561}, {2627.9, 40.294}, {3001.7, 40.78}};
  ASSERT_EQ(result.front.size(), std::size(expected));
  for (size_t k = 0; k < std::size(expected); ++k) {
    EXPECT_NEAR(result.front[k].predicted.at("latency_fpga"), expected[k].first, 0.051);
    EXPECT_NEAR(result.front[k].objective, expected[k].second, 5.1e-4);
  }
  EXPECT_EQ(MustSearch(NasBench201(), {.estimator = kLinear, .fronts = {"latency_edgegpu"}}).front.size(), 13u);
}

TEST(NasBench201Search, NetworksWithoutFlopsAreLeftOutAndCounted) {
  // none, skip, pool on every edge: 3^6 networks have no block FLOPs.
  const SearchResult exclude = MustSearch(NasBench201(), {.method = SearchMethod::kEnumerate});
  EXPECT_EQ(exclude.undefined, 729);
  EXPECT_EQ(exclude.explored, 15625 - 729);
  const SearchResult include = MustSearch(
      NasBench201(), {.estimator = {.flops_fixed = FlopsFixed::kInclude}, .method = SearchMethod::kEnumerate});
  EXPECT_EQ(include.undefined, 0);
  // Not a used metric: nothing to leave out.
  EXPECT_EQ(MustSearch(NasBench201(), {.objective = "latency_fpga", .method = SearchMethod::kEnumerate}).explored,
            15625);
}

TEST(NasBench201Search, EnumerationTakesMilliseconds) {
  SearchRequest request{.limits = {AtMost("latency_fpga", 2000), AtMost("latency_edgegpu", 7000),
                                   AtMost("energy_fpga", 20000), AtMost("energy_edgegpu", 30000)}};
  const SearchResult result = MustSearch(NasBench201(), request);
  EXPECT_EQ(result.status, SearchStatus::kOptimal);
  RecordProperty("milliseconds", std::to_string(1e3 * result.seconds));
}

// ---- MobileNetV3: mathnas.md 2.2 and 6.2

BlockTable MobileNetV3(Grid losses, Grid latency) {
  BlockTable table;
  table.space = "mobilenetv3";
  for (int i = 0; i < 5; ++i) {
    table.nodes.push_back({.name = fmt::format("stage{}", i + 1), .candidates = {"b0", "b1", "b2", "b3", "b4"}});
    table.nodes.back().reference = 4;
  }
  table.metrics["accuracy"] = testing::MakeMetric("%", Goal::kMax, Form::kSaving, 79.23, std::move(losses));
  table.metrics["latency"] = testing::MakeMetric("ms", Goal::kMin, Form::kCost, 0, std::move(latency));
  return table;
}

double LinearAccuracy(const BlockTable& table, const Choice& choice) {
  return Estimator::Create(table, kLinear)->Predict("accuracy", choice).value_or(kNull);
}

TEST(MobileNetV3Search, PublishedFigures) {
  const BlockTable gpu = MobileNetV3({{.278806, .084902, .046627, -.011187, 0},
                                      {.353993, .256883, .087702, .064842, 0},
                                      {.577962, .36905, .113312, .057578, 0},
                                      {1.251603, .785821, .234339, .167674, 0},
                                      {.522592, .082848, .104899, -.055238, 0}},
                                     {{4.065243, 6.166073, 6.193357, 8.266904, 8.321471},
                                      {7.202847, 10.886121, 10.940688, 14.569395, 14.651245},
                                      {5.456702, 8.266904, 8.376038, 11.077106, 11.186239},
                                      {8.567022, 12.932384, 13.014235, 17.379597, 17.434164},
                                      {8.567022, 12.932384, 12.986952, 17.325029, 17.406879}});
  const SearchResult result = MustSearch(gpu, {.limits = {AtMost("latency", 500)}, .estimator = kLinear});
  EXPECT_EQ(result.networks[0].choice, (Choice{3, 4, 4, 4, 3}));
  EXPECT_EQ(result.networks[0].objective, 79.296425);  // 79.23 + 0.011187 + 0.055238
  EXPECT_NEAR(result.networks[0].predicted.at("latency"), 68.86, 5e-3);
  EXPECT_NEAR(LinearAccuracy(gpu, {0, 0, 0, 0, 0}), 76.245, 5e-4);
  const BlockTable cpu = MobileNetV3({{.298787, .203146, .071171, .018573, 0},
                                      {.337686, .195689, .102221, .0676, 0},
                                      {.413427, .311946, .196087, .076794, 0},
                                      {.793482, .55583, .256841, .138195, 0},
                                      {.974515, .590442, .446362, .118934, 0}},
                                     Grid(5, std::vector<double>(5, 0)));
  EXPECT_NEAR(LinearAccuracy(cpu, {0, 0, 0, 0, 0}), 76.412, 5e-4);
  EXPECT_NEAR(LinearAccuracy(cpu, {0, 0, 3, 2, 3}), 78.141, 5e-4);
  EXPECT_EQ(LinearAccuracy(cpu, {4, 4, 4, 4, 4}), 79.23);
}

// ---- against brute force

struct Evaluated {
  BruteNetwork network;
  double objective;
  std::vector<double> limited;
};

bool BreaksLimit(const std::vector<Limit>& limits, const std::vector<double>& values) {
  for (size_t l = 0; l < limits.size(); ++l) {
    if (limits[l].op == LimitOp::kAtMost ? values[l] > limits[l].value : values[l] < limits[l].value) return true;
  }
  return false;
}

// Networks in which objective and limited metrics are defined, from best to worst (by the documented order).
std::vector<Evaluated> EvaluateAll(const BlockTable& table, const SearchRequest& request) {
  const BruteEstimator brute(table, request.estimator);
  std::vector<Evaluated> all;
  for (const BruteNetwork& network : AllNetworks(table)) {
    Evaluated item{network, static_cast<double>(brute.Value(request.objective, network)), {}};
    bool defined = !std::isnan(item.objective);
    for (const Limit& limit : request.limits) {
      item.limited.push_back(static_cast<double>(brute.Value(limit.metric, network)));
      defined = defined && !std::isnan(item.limited.back());
    }
    if (defined) all.push_back(item);
  }
  const bool maximise = table.metrics.at(request.objective).goal == Goal::kMax;
  const auto key = [&](const Evaluated& e) {
    return std::tuple(maximise ? -e.objective : e.objective, e.limited.empty() ? 0 : e.limited[0], e.network.choice,
                      e.network.shared);
  };
  std::sort(all.begin(), all.end(), [&](const Evaluated& a, const Evaluated& b) { return key(a) < key(b); });
  return all;
}

std::vector<Limit> RandomLimits(std::mt19937_64& random) {
  const auto draw = [&random](int least, int greatest) {
    return static_cast<double>(std::uniform_int_distribution<int>(least, greatest)(random));
  };
  std::vector<Limit> limits;
  if (draw(0, 3) > 0) limits.push_back(AtMost("latency", draw(0, 60)));
  if (draw(0, 1) > 0) limits.push_back(AtMost("energy", draw(20, 110)));
  if (draw(0, 2) == 0) limits.push_back(AtLeast("flops", draw(5, 70)));
  if (draw(0, 3) == 0) limits.push_back(AtMost("flops", draw(10, 80)));
  return limits;
}

void ExpectConflictIsSmallest(const SearchResult& result, const std::vector<Evaluated>& all,
                              const std::vector<Limit>& limits) {
  const auto can_hold = [&](const std::set<int>& subset) {
    return std::any_of(all.begin(), all.end(), [&](const Evaluated& e) {
      return std::all_of(subset.begin(), subset.end(),
                         [&](int l) { return !BreaksLimit({limits[l]}, {e.limited[l]}); });
    });
  };
  const std::set<int> conflict(result.conflict.begin(), result.conflict.end());
  EXPECT_FALSE(can_hold(conflict));
  for (int mask = 0; mask < 1 << limits.size(); ++mask) {
    std::set<int> subset;
    for (size_t l = 0; l < limits.size(); ++l) {
      if (mask >> l & 1) subset.insert(static_cast<int>(l));
    }
    if (subset.size() < conflict.size()) {
      EXPECT_TRUE(can_hold(subset));
    }
  }
}

void ExpectNearestIsNearest(const BlockTable& table, const SearchRequest& request, const SearchResult& result,
                            const std::vector<Evaluated>& all) {
  ASSERT_TRUE(result.nearest);
  double least = INFINITY;
  for (const Evaluated& e : all) {
    double greatest = 0;
    for (size_t l = 0; l < request.limits.size(); ++l) {
      if (!BreaksLimit({request.limits[l]}, {e.limited[l]})) continue;
      double unit = std::abs(request.limits[l].value);
      if (unit == 0) {
        for (const Evaluated& other : all) unit = std::max(unit, std::abs(other.limited[l]));
      }
      greatest = std::max(greatest, std::abs(e.limited[l] - request.limits[l].value) / unit);
    }
    least = std::min(least, greatest);
  }
  EXPECT_DOUBLE_EQ(result.nearest->distance, least);
  // The new budget can be met.
  SearchRequest again = request;
  again.limits = result.nearest->limits;
  EXPECT_EQ(MustSearch(table, again).status, SearchStatus::kOptimal);
}

void ExpectReachable(const SearchResult& result, const std::vector<Evaluated>& all) {
  for (size_t l = 0; l < result.limits.size(); ++l) {
    ASSERT_EQ(result.limits[l].reachable.has_value(), !all.empty());
    if (all.empty()) continue;
    double least = INFINITY, greatest = -INFINITY;
    for (const Evaluated& e : all) {
      least = std::min(least, e.limited[l]);
      greatest = std::max(greatest, e.limited[l]);
    }
    EXPECT_EQ(*result.limits[l].reachable, std::pair(least, greatest));
  }
}

TEST(Search, LinearModelAgreesWithBruteForceIncludingTies) {
  std::mt19937_64 random(11);
  int feasible = 0, infeasible = 0;
  for (int round = 0; round < 1200; ++round) {
    SCOPED_TRACE(round);
    const BlockTable table = RandomTable(random);
    SearchRequest request{.limits = RandomLimits(random), .estimator = kLinear, .top = 1 + round % 7};
    request.method = round % 2 ? SearchMethod::kEnumerate : SearchMethod::kSolve;
    if (round % 5 == 0) request.objective = "energy";
    const SearchResult result = MustSearch(table, request);
    const std::vector<Evaluated> all = EvaluateAll(table, request);
    std::vector<Evaluated> within;
    for (const Evaluated& e : all) {
      if (!BreaksLimit(request.limits, e.limited)) within.push_back(e);
    }
    ExpectReachable(result, all);
    EXPECT_EQ(result.undefined, 0);
    if (!within.empty()) {
      ++feasible;
      ASSERT_EQ(result.status, SearchStatus::kOptimal);
      ASSERT_EQ(result.networks.size(), std::min<size_t>(request.top, within.size()));
      for (size_t k = 0; k < result.networks.size(); ++k) {
        EXPECT_EQ(result.networks[k].choice, within[k].network.choice);
        EXPECT_EQ(result.networks[k].shared_index, within[k].network.shared);
        EXPECT_EQ(result.networks[k].objective, within[k].objective);
      }
      EXPECT_TRUE(result.conflict.empty());
      continue;
    }
    ASSERT_EQ(result.status, SearchStatus::kInfeasible);
    EXPECT_TRUE(result.networks.empty());
    if (all.empty()) continue;
    ++infeasible;
    ExpectConflictIsSmallest(result, all, request.limits);
    ExpectNearestIsNearest(table, request, result, all);
  }
  EXPECT_GT(feasible, 400);
  EXPECT_GT(infeasible, 100);
}

TEST(Search, FractionalModelsAgreeWithBruteForce) {
  std::mt19937_64 random(12);
  for (int round = 0; round < 800; ++round) {
    SCOPED_TRACE(round);
    const BlockTable table = RandomTable(random);
    SearchRequest request{.limits = RandomLimits(random)};
    if (round % 5 == 0) request.limits.push_back(AtLeast("accuracy", 70));
    request.estimator.kind = round % 2 ? EstimatorKind::kEq5 : EstimatorKind::kEq6;
    request.method = round / 2 % 2 ? SearchMethod::kEnumerate : SearchMethod::kSolve;
    request.estimator.flops_fixed = round % 3 ? FlopsFixed::kExclude : FlopsFixed::kInclude;
    const SearchResult result = MustSearch(table, request);
    std::vector<Evaluated> within;
    for (const Evaluated& e : EvaluateAll(table, request)) {
      if (!BreaksLimit(request.limits, e.limited)) within.push_back(e);
    }
    ASSERT_EQ(result.status == SearchStatus::kOptimal, !within.empty());
    if (within.empty()) continue;
    EXPECT_NEAR(result.networks[0].objective, within[0].objective, 1e-10 * (1 + std::abs(within[0].objective)));
    const auto same = std::find_if(within.begin(), within.end(), [&](const Evaluated& e) {
      return e.network.choice == result.networks[0].choice && e.network.shared == result.networks[0].shared_index;
    });
    EXPECT_NE(same, within.end()) << "the network returned breaks a limit";
  }
}

TEST(Search, FrontIsExactlyTheNonDominatedPoints) {
  std::mt19937_64 random(13);
  size_t longest = 0;
  for (int round = 0; round < 900; ++round) {
    SCOPED_TRACE(round);
    const BlockTable table = RandomTable(random);
    SearchRequest request{.limits = {AtMost("energy", 90)}};
    if (round % 3 > 0) request.estimator = kLinear;
    request.fronts = {"latency"};
    if (round % 4 > 1) request.fronts.push_back(round % 8 > 3 ? "energy" : "flops");
    request.method = round % 2 ? SearchMethod::kEnumerate : SearchMethod::kSolve;
    if (round % 9 == 0) {  // divided by the FLOPs: lists cannot, the front is found point by point
      const std::vector<Evaluated> all = EvaluateAll(table, request);
      if (!all.empty()) request.limits.push_back({"accuracy", LimitOp::kAtLeast, all[all.size() / 2].objective - 1e-6});
    }
    const SearchResult result = MustSearch(table, request);
    const BruteEstimator brute(table, request.estimator);
    using Point = std::array<double, 3>;  // all to be small; the objective in another unit that hides rounding
    const auto point = [&](double objective, auto value) {
      Point p = {-std::round(objective * 1e9), value("latency"), 0};
      if (request.fronts.size() > 1) p[2] = value(request.fronts[1]);
      return p;
    };
    std::vector<Point> points;
    for (const Evaluated& e : EvaluateAll(table, request)) {
      const auto value = [&](const std::string& metric) { return static_cast<double>(brute.Value(metric, e.network)); };
      bool defined = true;
      for (const std::string& metric : request.fronts) defined = defined && !std::isnan(value(metric));
      if (defined && !BreaksLimit(request.limits, e.limited)) points.push_back(point(e.objective, value));
    }
    std::set<Point> expected, found;
    for (const Point& p : points) {
      const bool dominated = std::any_of(points.begin(), points.end(), [&](const Point& q) {
        return q[0] <= p[0] && q[1] <= p[1] && q[2] <= p[2] && q != p;
      });
      if (!dominated) expected.insert(p);
    }
    for (const FoundNetwork& n : result.front) {
      found.insert(point(n.objective, [&](const std::string& metric) { return n.predicted.at(metric); }));
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(result.front.size(), expected.size());
    for (size_t k = 1; k < result.front.size(); ++k) {
      EXPECT_GE(result.front[k].objective, result.front[k - 1].objective);
    }
    longest = std::max(longest, expected.size());
  }
  EXPECT_GT(longest, 10);
}

// Sums of few small integers are nearly all equal: the networks named are those that enumeration names.
TEST(Search, FrontOfEqualSumsNamesTheSmallestChoices) {
  std::mt19937_64 random(17);
  int64_t ties = 0;
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    BlockTable table;
    table.space = "ties";
    Metric accuracy, latency;
    accuracy.goal = Goal::kMax, accuracy.form = Form::kSaving;
    latency.goal = Goal::kMin, latency.form = Form::kCost;
    for (Metric* metric : {&accuracy, &latency}) metric->slices.resize(1);
    const size_t nodes = 2 + random() % 4;
    for (size_t i = 0; i < nodes; ++i) {
      table.nodes.push_back({"n" + std::to_string(i), {"a", "b", "c", "d"}, 0});
      for (Metric* metric : {&accuracy, &latency}) {
        std::vector<double>& row = metric->slices[0].values.emplace_back();
        for (int j = 0; j < 4; ++j) row.push_back(static_cast<double>(random() % 4));
      }
    }
    table.metrics = {{"accuracy", accuracy}, {"latency", latency}};
    SearchRequest request{.estimator = kLinear, .fronts = {"latency"}};
    const SearchResult listed = MustSearch(table, request);
    EXPECT_EQ(listed.method, SearchMethod::kSolve);
    request.method = SearchMethod::kEnumerate;
    const SearchResult walked = MustSearch(table, request);
    ASSERT_EQ(listed.front.size(), walked.front.size());
    for (size_t k = 0; k < walked.front.size(); ++k) EXPECT_EQ(listed.front[k].choice, walked.front[k].choice);
    EXPECT_EQ(listed.networks[0].choice, walked.networks[0].choice);
    ties += walked.explored - std::ssize(walked.front);
  }
  EXPECT_GT(ties, 10000);
}

TEST(Search, FixedAndForbiddenAreAboutTheReportedChoice) {
  std::mt19937_64 random(14);
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    const BlockTable table = RandomTable(random);
    const int fixed_node = round % static_cast<int>(table.nodes.size());
    const int forbidden_node = (round + 1) % static_cast<int>(table.nodes.size());
    SearchRequest request{.estimator = kLinear};
    request.fixed = {{table.nodes[fixed_node].name, table.nodes[fixed_node].candidates.back()}};
    request.forbidden = {{table.nodes[forbidden_node].name, "b0"}};
    if (table.structure.shared) request.fixed.push_back({"resolution", "224"});
    request.method = round % 2 ? SearchMethod::kEnumerate : SearchMethod::kSolve;
    const SearchResult result = MustSearch(table, request);
    const Evaluated* best = nullptr;
    const std::vector<Evaluated> all = EvaluateAll(table, request);
    for (const Evaluated& e : all) {
      const Choice& choice = e.network.choice;
      if (choice[fixed_node] + 1 != std::ssize(table.nodes[fixed_node].candidates)) continue;
      if (choice[forbidden_node] == 0) continue;
      if (table.structure.shared && e.network.shared != 1) continue;
      best = &e;
      break;
    }
    ASSERT_EQ(result.status == SearchStatus::kOptimal, best != nullptr);
    if (best == nullptr) {
      EXPECT_TRUE(result.conflict.empty());
      EXPECT_FALSE(result.nearest);
      continue;
    }
    EXPECT_EQ(result.networks[0].choice, best->network.choice);
    EXPECT_EQ(result.networks[0].objective, best->objective);
  }
}

// ---- limits

TEST(Search, LimitThatIsExactlyReachedHolds) {
  BlockTable table = NasBench201();
  const double least = MustSearch(table, {.objective = "latency_fpga"}).networks[0].objective;
  SearchRequest request{.limits = {AtMost("latency_fpga", least)}, .estimator = kLinear};
  EXPECT_EQ(MustSearch(table, request).status, SearchStatus::kOptimal);
  // As anybody would write it: 899 - 5 * 63.78562.
  request.limits[0].value = 580.0719;
  EXPECT_EQ(MustSearch(table, request).status, SearchStatus::kOptimal);
  request.limits[0].value = std::nextafter(least, 0);
  const SearchResult below = MustSearch(table, request);
  EXPECT_EQ(below.status, SearchStatus::kInfeasible);
  ASSERT_TRUE(below.nearest);
  EXPECT_EQ(below.nearest->limits[0].value, least);
}

TEST(Search, RangesAndConflicts) {
  const BlockTable table = NasBench201();
  const SearchResult range = MustSearch(
      table, {.limits = {AtLeast("latency_fpga", 1000), AtMost("latency_fpga", 1100)}, .estimator = kLinear});
  ASSERT_EQ(range.status, SearchStatus::kOptimal);
  EXPECT_GE(*range.limits[0].value, 1000);
  EXPECT_LE(*range.limits[1].value, 1100);
  // Each alone can hold, and the energy limit is not to blame.
  const SearchResult clash = MustSearch(
      table, {.limits = {AtMost("energy_edgegpu", 40000), AtLeast("accuracy", 40), AtMost("latency_fpga", 900)},
              .estimator = kLinear});
  EXPECT_EQ(clash.status, SearchStatus::kInfeasible);
  EXPECT_EQ(clash.conflict, (std::vector<int>{1, 2}));
  const SearchResult alone =
      MustSearch(table, {.limits = {AtLeast("accuracy", 40), AtMost("latency_fpga", 500), AtMost("energy_fpga", 100)}});
  EXPECT_EQ(alone.conflict, (std::vector<int>{1}));
}

TEST(Search, NullMattersOnlyWhereTheMetricIsUsed) {
  BlockTable table = NasBench201();
  for (auto& row : table.metrics["energy_fpga"].slices[0].values) row[3] = kNull;
  const SearchResult unused = MustSearch(table, {.estimator = kLinear});
  EXPECT_EQ(unused.networks[0].objective, 40.78);
  EXPECT_TRUE(std::isnan(unused.networks[0].predicted.at("energy_fpga")));
  SearchRequest request = {.limits = {AtMost("energy_fpga", 1e9)}, .estimator = kLinear};
  const SearchResult used = MustSearch(table, request);
  EXPECT_EQ(std::count(used.networks[0].choice.begin(), used.networks[0].choice.end(), 3), 0);
  request.method = SearchMethod::kEnumerate;
  EXPECT_EQ(MustSearch(table, request).explored, 4096);
}

// ---- refusals

TEST(Search, BadRequestsSayWhatWasExpected) {
  const BlockTable table = NasBench201();
  EXPECT_NE(MessageOf(table, {.objective = "speed"}).find("objective: expected one of accuracy, "), std::string::npos);
  EXPECT_NE(MessageOf(table, {.limits = {AtMost("flops", 1), AtMost("speed", 1)}}).find("limits[1]"),
            std::string::npos);
  EXPECT_NE(MessageOf(table, {.limits = {AtMost("flops", kNull)}}).find("finite"), std::string::npos);
  EXPECT_NE(
      MessageOf(table, {.limits = {{"latency_fpga", LimitOp::kAtMost, 5, "ms"}}}).find("expected latency_fpga in 'us'"),
      std::string::npos);
  EXPECT_NE(MessageOf(table, {.limits = std::vector<Limit>(17, AtMost("flops", 1))}).find("at most 16"),
            std::string::npos);
  for (const int top : {0, kMaxListed + 1}) {
    EXPECT_NE(MessageOf(table, {.top = top}).find("top: expected"), std::string::npos);
  }
  EXPECT_NE(MessageOf(table, {.fronts = {"accuracy"}}).find("front"), std::string::npos);
  EXPECT_NE(MessageOf(table, {.fronts = {"speed"}}).find("front"), std::string::npos);
  EXPECT_NE(MessageOf(table, {.fixed = {{"0->9", "none"}}}).find("0->9"), std::string::npos);
  BlockTable without = table;
  without.metrics.erase("flops");
  EXPECT_NE(MessageOf(without, {}).find("metrics.flops"), std::string::npos);
  EXPECT_TRUE(Search(without, {.estimator = kLinear}).ok());
  without.nodes[0].candidates.pop_back();
  EXPECT_EQ(Search(without, {.estimator = kLinear}).status().code(), absl::StatusCode::kInvalidArgument);
}

// 2^2000 networks.
BlockTable LargeTable() {
  BlockTable table;
  table.space = "large";
  Grid values;
  for (int i = 0; i < 2000; ++i) {
    Node node;
    node.name = std::to_string(i);
    node.candidates = {"a", "b"};
    table.nodes.push_back(node);
    values.push_back({0, static_cast<double>(i % 7)});
  }
  table.metrics["accuracy"] = testing::MakeMetric("%", Goal::kMax, Form::kCost, 1, values);
  return table;
}

TEST(Search, LargeSpacesAreSolvedNotEnumerated) {
  const BlockTable table = LargeTable();
  const SearchResult result = MustSearch(table, {.limits = {AtMost("accuracy", 5000)}, .estimator = kLinear});
  ASSERT_EQ(result.status, SearchStatus::kOptimal);
  EXPECT_EQ(result.networks[0].objective, 5000);
  const auto refused = Search(table, {.estimator = kLinear, .method = SearchMethod::kEnumerate});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(std::string(refused.status().message()).find("at most 1e+07 networks"), std::string::npos)
      << refused.status();
  // What is fixed does not count.
  SearchRequest request{.estimator = kLinear};
  for (int i = 0; i < 1990; ++i) request.fixed.push_back({std::to_string(i), "b"});
  EXPECT_EQ(MustSearch(table, request).explored, 1024);
}

TEST(Search, WhatCannotBeSolvedInIntegersIsRefusedWhereItIsLarge) {
  BlockTable table = LargeTable();
  table.metrics["accuracy"].slices[0].values[3][1] = 1e30;
  const SearchRequest request{.estimator = kLinear};
  EXPECT_NE(MessageOf(table, request).find("'accuracy' differ too much in size"), std::string::npos)
      << MessageOf(table, request);
  EXPECT_EQ(Search(table, request).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(Search, PairsThatAreForbidden) {
  std::mt19937_64 random(15);
  int forbidden = 0;
  for (int round = 0; round < 600; ++round) {
    SCOPED_TRACE(round);
    const BlockTable table = RandomTable(random);
    SearchRequest request{.limits = RandomLimits(random), .estimator = kLinear};
    request.method = round % 2 ? SearchMethod::kEnumerate : SearchMethod::kSolve;
    std::vector<CandidatePair> pairs;
    for (int n = round % 40; n > 0 && table.nodes.size() > 1; --n) {
      CandidatePair pair;
      pair.node = static_cast<int>(random() % table.nodes.size());
      pair.other_node = static_cast<int>((pair.node + 1 + random() % (table.nodes.size() - 1)) % table.nodes.size());
      pair.candidate = static_cast<int>(random() % table.nodes[pair.node].candidates.size());
      pair.other = static_cast<int>(random() % table.nodes[pair.other_node].candidates.size());
      const Node &node = table.nodes[pair.node], &other = table.nodes[pair.other_node];
      request.forbidden_pairs.push_back(
          {{node.name, node.candidates[pair.candidate]}, {other.name, other.candidates[pair.other]}});
      pairs.push_back(pair);
    }
    const Evaluated* best = nullptr;
    const std::vector<Evaluated> all = EvaluateAll(table, request);
    for (const Evaluated& e : all) {
      if (BreaksLimit(request.limits, e.limited)) continue;
      const bool together = std::any_of(pairs.begin(), pairs.end(), [&](const CandidatePair& p) {
        return e.network.choice[p.node] == p.candidate && e.network.choice[p.other_node] == p.other;
      });
      forbidden += together && best == nullptr ? 1 : 0;
      if (together || best != nullptr) continue;
      best = &e;
    }
    const SearchResult result = MustSearch(table, request);
    ASSERT_EQ(result.status == SearchStatus::kOptimal, best != nullptr);
    if (best == nullptr) continue;
    EXPECT_EQ(result.networks[0].choice, best->network.choice);
    EXPECT_EQ(result.networks[0].shared_index, best->network.shared);
  }
  EXPECT_GT(forbidden, 100);
}

TEST(Search, NoTimeIsNoProof) {
  const SearchResult result = MustSearch(NasBench201(), {.limits = {AtMost("latency_fpga", 2000)},
                                                         .estimator = kLinear,
                                                         .method = SearchMethod::kSolve,
                                                         .time_limit = 0});
  EXPECT_TRUE(result.status == SearchStatus::kFeasible || result.status == SearchStatus::kUnknown);
  const SearchResult proven =
      MustSearch(NasBench201(), {.limits = {AtMost("latency_fpga", 2000)}, .estimator = kLinear});
  if (result.status == SearchStatus::kFeasible) {
    EXPECT_GE(result.bound, proven.networks[0].objective);
    EXPECT_LE(result.networks[0].objective, proven.networks[0].objective);
  }
}

TEST(Search, CutsThatLeadNowhereCostNothing) {
  // 40 nodes that can be cut anywhere, but the last one has nothing measured: only cuts remain, and of those all but
  // the first need nodes that may not be absent.
  BlockTable table;
  table.space = "dead ends";
  DepthGroup group;
  Grid values;
  for (int i = 0; i < 40; ++i) {
    Node node;
    node.name = std::to_string(i);
    node.candidates = {"a", "b", "absent"};
    table.nodes.push_back(node);
    values.push_back({1, 2, 0});
    group.nodes.push_back(i);
    group.absent.push_back(i == 0 ? DepthGroup::kCannotBeCut : 2);
  }
  values[39] = {kNull, kNull, kNull};
  table.structure.depth.push_back(group);
  table.metrics["accuracy"] = testing::MakeMetric("%", Goal::kMax, Form::kCost, 0, values);
  SearchRequest request{.estimator = kLinear, .method = SearchMethod::kEnumerate};
  for (int i = 2; i < 39; ++i) request.forbidden.push_back({std::to_string(i), "absent"});
  const SearchResult result = MustSearch(table, request);
  EXPECT_EQ(result.status, SearchStatus::kInfeasible);
  EXPECT_EQ(result.explored, 0);
}

TEST(Search, StopsWhenCancelled) {
  std::atomic<bool> cancel = true;
  EXPECT_EQ(Search(NasBench201(), {.cancel = &cancel}).status().code(), absl::StatusCode::kCancelled);

  BlockTable table = NasBench201();  // 5^9 / 5 networks: seconds of enumeration if it were not stopped
  for (int i = 6; i < 10; ++i) {
    Node node = table.nodes[0];
    node.name = std::to_string(i);
    table.nodes.push_back(node);
    for (auto& [name, metric] : table.metrics) metric.slices[0].values.push_back(metric.slices[0].values[0]);
  }
  cancel = false;
  std::thread stopper([&cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancel = true;
  });
  const auto result =
      Search(table, {.limits = {AtMost("latency_fpga", 1)}, .method = SearchMethod::kEnumerate, .cancel = &cancel});
  stopper.join();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace mathnas::core
