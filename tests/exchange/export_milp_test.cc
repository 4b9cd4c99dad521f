#include "mathnas/exchange/export_milp.h"

#include <cmath>
#include <optional>
#include <random>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "mathnas/core/block_table_json.h"
#include "tests/core/brute_force.h"
#include "tests/core/tables.h"
#include "tests/exchange/milp_reader.h"

namespace mathnas::exchange {

using namespace core;
namespace {

using core::testing::NasBench201;
using core::testing::RandomTable;
using testing::ReadLp;
using testing::ReadMilp;
using testing::ReadMps;

constexpr double kTolerance = 1e-9;  // rows have coefficients near 1 and a few dozen terms

using Values = std::map<std::string, double>;

double Sum(const Values& terms, const Values& values) {
  double sum = 0;
  for (const auto& [name, coefficient] : terms) sum += coefficient * values.at(name);
  return sum;
}

bool Holds(const ReadMilp::Row& row, const Values& values) {
  const double sum = Sum(row.terms, values);
  if (row.sense == "<=") return sum <= row.right + kTolerance;
  if (row.sense == ">=") return sum >= row.right - kTolerance;
  return std::abs(sum - row.right) <= kTolerance;
}

bool Feasible(const ReadMilp& milp, const Values& values) {
  for (const auto& [name, bounds] : milp.bounds) {
    const double value = values.at(name);
    if (value < bounds.lower - kTolerance || value > bounds.upper + kTolerance) return false;
  }
  for (const auto& [name, row] : milp.rows) {
    if (!Holds(row, values)) return false;
  }
  return true;
}

// The continuous columns that belong to binaries: z from the normalisation, y_ij = x_ij z. nullopt where F(N) is 0.
std::optional<Values> Completed(const ReadMilp& milp, Values values) {
  values["one"] = 1;
  if (!milp.bounds.contains("z")) return values;
  const ReadMilp::Row& normalisation = milp.rows.at("normalisation");
  double flops = 0;
  for (const auto& [name, coefficient] : normalisation.terms) {
    flops += coefficient * (name == "z" ? 1 : values.at("x" + name.substr(1)));
  }
  if (flops == 0) return std::nullopt;
  values["z"] = normalisation.right / flops;
  for (const auto& [name, bounds] : milp.bounds) {
    if (name[0] == 'y') values[name] = values.at("x" + name.substr(1)) * values["z"];
  }
  return values;
}

struct Optimum {
  int64_t feasible = 0;
  double objective = INFINITY;  // minimised
  Values values;
};

// All 2^n vectors of binaries; those that break a row over binaries alone are left out before z and y are formed.
Optimum BruteForce(const ReadMilp& milp) {
  std::vector<std::string> binaries(milp.integers.begin(), milp.integers.end());
  std::vector<const ReadMilp::Row*> choices;
  for (const auto& [name, row] : milp.rows) {
    if (name.starts_with("node_")) choices.push_back(&row);
  }
  Optimum best;
  Values values;
  for (uint64_t bits = 0; bits < uint64_t{1} << binaries.size(); ++bits) {
    for (size_t b = 0; b < binaries.size(); ++b) values[binaries[b]] = static_cast<double>(bits >> b & 1);
    bool holds = true;
    for (const ReadMilp::Row* row : choices) holds = holds && Holds(*row, values);
    if (!holds) continue;
    const auto all = Completed(milp, values);
    if (!all || !Feasible(milp, *all)) continue;
    ++best.feasible;
    const double objective = Sum(milp.objective, *all);
    if (objective < best.objective) best = {best.feasible, objective, *all};
  }
  return best;
}

bool Same(const ReadMilp& a, const ReadMilp& b) {
  const auto rows_equal = [](const auto& left, const auto& right) {
    return left.first == right.first && left.second.sense == right.second.sense &&
           left.second.right == right.second.right && left.second.terms == right.second.terms;
  };
  const auto bounds_equal = [](const auto& left, const auto& right) {
    return left.first == right.first && left.second.lower == right.second.lower &&
           left.second.upper == right.second.upper;
  };
  return a.objective == b.objective && a.integers == b.integers &&
         std::equal(a.rows.begin(), a.rows.end(), b.rows.begin(), b.rows.end(), rows_equal) &&
         std::equal(a.bounds.begin(), a.bounds.end(), b.bounds.begin(), b.bounds.end(), bounds_equal);
}

// y is bound to x z: moving any y alone breaks a row.
void ExpectYIsDetermined(const ReadMilp& milp, const Values& values) {
  for (const auto& [name, bounds] : milp.bounds) {
    if (name[0] != 'y') continue;
    for (const double step : {1e-3, -1e-3}) {
      Values moved = values;
      moved[name] += step;
      EXPECT_FALSE(Feasible(milp, moved)) << name;
    }
  }
}

struct Random {
  BlockTable table;
  SearchRequest request;
};

// Limits go through the values of networks, as a rule of some network exactly.
Random RandomProblem(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto draw = [&random](int least, int greatest) {
    return std::uniform_int_distribution<int>(least, greatest)(random);
  };
  Random problem;
  do {
    problem.table = RandomTable(random);
    size_t candidates = 0;
    for (const Node& node : problem.table.nodes) candidates += node.candidates.size();
    if (candidates <= 13) break;
  } while (true);
  const BlockTable& table = problem.table;
  SearchRequest& request = problem.request;
  request.estimator = {.kind = static_cast<EstimatorKind>(draw(0, 2)),
                       .flops_fixed = static_cast<FlopsFixed>(draw(0, 1))};
  if (table.structure.shared) request.fixed.push_back({"resolution", draw(0, 1) ? "192" : "224"});
  request.objective = draw(0, 3) ? "accuracy" : "energy";
  const auto networks = core::testing::AllNetworks(table);
  const auto estimator = Estimator::Create(table, request.estimator);
  for (const char* metric : {"latency", "energy", "accuracy", "flops"}) {
    if (draw(0, 2) != 0) continue;
    const auto& network = networks[draw(0, static_cast<int>(networks.size()) - 1)];
    const auto value = estimator->Predict(metric, network.choice, network.shared);
    if (!value.ok()) continue;
    const bool most = (std::string(metric) == "accuracy") == (draw(0, 3) == 0);
    // The quotient of a divided metric is rounded; its limits stay off the values.
    const double off = std::string(metric) == "accuracy" ? (most ? 1e-5 : -1e-5) : 0;
    request.limits.push_back(
        {.metric = metric, .op = most ? LimitOp::kAtMost : LimitOp::kAtLeast, .value = *value + off});
  }
  const int node = draw(0, static_cast<int>(table.nodes.size()) - 1);
  const int candidate = draw(0, static_cast<int>(table.nodes[node].candidates.size()) - 1);
  if (draw(0, 2) == 0) {
    (draw(0, 1) ? request.fixed : request.forbidden)
        .push_back({table.nodes[node].name, table.nodes[node].candidates[candidate]});
  }
  if (table.nodes.size() > 1 && draw(0, 1)) {
    const int earlier = draw(0, static_cast<int>(table.nodes.size()) - 2);
    const int later = draw(earlier + 1, static_cast<int>(table.nodes.size()) - 1);
    const Node &first = table.nodes[earlier], &second = table.nodes[later];
    const auto any = [&](const Node& n) { return n.candidates[draw(0, static_cast<int>(n.candidates.size()) - 1)]; };
    request.forbidden_pairs = {{{first.name, any(first)}, {second.name, any(second)}}};
  }
  return problem;
}

TEST(ExportMilp, RandomTablesHaveTheOptimumOfSearch) {
  int infeasible = 0, divided = 0, without_candidates = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    const auto [table, request] = RandomProblem(seed);
    const auto found = Search(table, request);
    ASSERT_TRUE(found.ok()) << found.status();
    const auto lp = ExportMilp(table, request, MilpFormat::kLp), mps = ExportMilp(table, request, MilpFormat::kMps);
    if (absl::IsFailedPrecondition(lp.status())) {
      ++without_candidates;
      EXPECT_EQ(found->status, SearchStatus::kInfeasible);
      continue;
    }
    ASSERT_TRUE(lp.ok() && mps.ok()) << lp.status() << mps.status();
    const ReadMilp milp = ReadLp(*lp);
    ASSERT_TRUE(Same(milp, ReadMps(*mps)));
    const Optimum best = BruteForce(milp);
    ASSERT_EQ(best.feasible > 0, found->status == SearchStatus::kOptimal) << ToJson(table) << *lp;
    if (best.feasible == 0) {
      ++infeasible;
      continue;
    }
    const double sign = table.metrics.at(request.objective).goal == Goal::kMax ? -1 : 1;
    EXPECT_NEAR(sign * best.objective, found->networks[0].objective, 1e-8);
    SearchRequest all = request;
    all.top = kMaxListed;
    EXPECT_EQ(best.feasible, std::ssize(Search(table, all)->networks));
    if (milp.bounds.contains("z")) {
      ++divided;
      ExpectYIsDetermined(milp, best.values);
    }
  }
  EXPECT_GT(infeasible, 20);
  EXPECT_GT(divided, 50);
  EXPECT_LT(without_candidates, 80);
}

// Networks of large spaces: which of them are feasible, and what they are worth. Estimator and limits are not those of
// the exported text but of Predict, which has tests of its own.
void ExpectNetworksOf(const BlockTable& table, const SearchRequest& request, int shared, int samples) {
  const auto lp = ExportMilp(table, request, MilpFormat::kLp), mps = ExportMilp(table, request, MilpFormat::kMps);
  ASSERT_TRUE(lp.ok() && mps.ok()) << lp.status();
  const ReadMilp milp = ReadLp(*lp);
  EXPECT_TRUE(Same(milp, ReadMps(*mps)));
  const auto estimator = Estimator::Create(table, request.estimator);
  std::mt19937_64 random(1);
  int feasible = 0, infeasible = 0;
  for (int n = 0; n < samples; ++n) {
    Choice choice;
    for (const Node& node : table.nodes) choice.push_back(static_cast<int>(random() % node.candidates.size()));
    for (const DepthGroup& group : table.structure.depth) {  // cut rarely by chance, so cut half of them
      const size_t p = random() % (2 * group.nodes.size());
      if (p < group.nodes.size() && group.absent[p] >= 0) choice[group.nodes[p]] = group.absent[p];
    }
    choice = CanonicalChoice(table, choice);
    const auto value = estimator->Predict(request.objective, choice, shared);
    bool expected = value.ok();  // not where F(N) is 0
    for (const Limit& limit : request.limits) {
      const auto limited = estimator->Predict(limit.metric, choice, shared);
      expected = expected && limited.ok() && Holds(limit, *limited);
    }
    Values values;
    for (const std::string& name : milp.integers) values[name] = 0;
    const std::vector<bool> contributes = ContributingNodes(table, choice);
    for (size_t i = 0; i < choice.size(); ++i) {
      if (contributes[i]) values.at(fmt::format("x_{}_{}", i, choice[i])) = 1;
    }
    const auto all = Completed(milp, values);
    ASSERT_EQ(all && Feasible(milp, *all), expected) << fmt::format("{}", fmt::join(choice, ","));
    ++(expected ? feasible : infeasible);
    if (!expected) continue;
    EXPECT_NEAR(-Sum(milp.objective, *all), *value, 1e-8);
    Values without = *all;  // a node less is no network
    without.at(fmt::format("x_0_{}", choice[0])) = 0;
    EXPECT_FALSE(Feasible(milp, without));
  }
  EXPECT_GT(feasible, samples / 50);
  EXPECT_GT(infeasible, samples / 50);
}

Limit AtMost(const std::string& metric, double value) {
  return {.metric = metric, .op = LimitOp::kAtMost, .value = value};
}

BlockTable Published(const std::string& name) {
  auto table = Load(fmt::format("{}/{}.json", MATHNAS_PUBLISHED_TABLES, name));
  EXPECT_TRUE(table.ok()) << table.status();
  return table.value_or(BlockTable{});
}

TEST(ExportMilp, PublishedTables) {
  const EstimatorOptions kLinear = {.kind = EstimatorKind::kLinear};
  const EstimatorOptions kWithFixed = {.kind = EstimatorKind::kEq6, .flops_fixed = FlopsFixed::kInclude};
  const BlockTable nasbench201 = Published("nasbench201"), gpu = Published("mobilenetv3-gpu");
  ExpectNetworksOf(
      nasbench201,
      {.limits = {AtMost("latency_fpga", 2000), {.metric = "accuracy", .op = LimitOp::kAtLeast, .value = 20}}}, 0,
      5000);
  ExpectNetworksOf(gpu, {.limits = {AtMost("latency_tx2gpu", 50)}}, 0, 2000);
  ExpectNetworksOf(gpu, {.limits = {AtMost("latency_tx2gpu", 50)}, .estimator = {.kind = EstimatorKind::kEq5}}, 0,
                   2000);
  ExpectNetworksOf(Published("supervit"),
                   {.limits = {AtMost("flops", 1000)}, .fixed = {{"resolution", "256"}}, .estimator = kWithFixed}, 2,
                   500);
  ExpectNetworksOf(Published("supertransformer-xeon"), {.limits = {AtMost("latency", 330)}, .estimator = kLinear}, 0,
                   1000);
}

// A network without FLOPs has no accuracy and is no solution.
TEST(ExportMilp, NetworksWithoutFlops) {
  const BlockTable table = Published("nasbench201");
  const auto lp = ExportMilp(table, {}, MilpFormat::kLp);
  ASSERT_TRUE(lp.ok()) << lp.status();
  const ReadMilp milp = ReadLp(*lp);
  Values values;
  for (const std::string& name : milp.integers) values[name] = name.ends_with("_1") ? 1 : 0;  // all skip
  EXPECT_FALSE(Completed(milp, values));
  values["x_0_1"] = 0;
  values["x_0_2"] = 1;  // one 1x1 convolution: the least F above 0
  const auto all = Completed(milp, values);
  ASSERT_TRUE(all);
  EXPECT_TRUE(Feasible(milp, *all));
  EXPECT_DOUBLE_EQ(all->at("z"), milp.bounds.at("z").upper);
}

TEST(ExportMilp, CoefficientsAreScaled) {
  for (const EstimatorKind kind : {EstimatorKind::kLinear, EstimatorKind::kEq6}) {
    const SearchRequest request = {.limits = {{.metric = "energy_edgegpu", .op = LimitOp::kAtMost, .value = 20000},
                                              {.metric = "latency_fpga", .op = LimitOp::kAtMost, .value = 900}},
                                   .estimator = {.kind = kind}};
    const auto lp = ExportMilp(NasBench201(), request, MilpFormat::kLp);
    ASSERT_TRUE(lp.ok()) << lp.status();
    const ReadMilp milp = ReadLp(*lp);
    for (const auto& [name, row] : milp.rows) {
      double greatest = 0;
      for (const auto& [column, coefficient] : row.terms) greatest = std::max(greatest, std::abs(coefficient));
      EXPECT_GE(greatest, 1) << name;
      EXPECT_LT(greatest, 2) << name;
    }
    if (kind == EstimatorKind::kLinear) continue;
    EXPECT_GT(milp.bounds.at("z").upper, 0.5);
    EXPECT_LE(milp.bounds.at("z").upper, 1);
    EXPECT_EQ(milp.rows.at("normalisation").sense, "=");
    // Implied by the other rows, as the sum of y over a node is z; solvers may profit from them.
    const double zmax = milp.bounds.at("z").upper;
    const ReadMilp::Row &most = milp.rows.at("most_2_3"), &least = milp.rows.at("least_2_3");
    EXPECT_EQ(most.terms, (Values{{"y_2_3", 1}, {"z", -1}}));
    EXPECT_EQ(std::pair(most.sense, most.right), std::pair(std::string("<="), 0.0));
    EXPECT_EQ(least.terms, (Values{{"y_2_3", 1}, {"z", -1}, {"x_2_3", -zmax}}));
    EXPECT_EQ(std::pair(least.sense, least.right), std::pair(std::string(">="), -zmax));
  }
}

// Comments keep to their line whatever a name holds.
TEST(ExportMilp, NamesAreComments) {
  BlockTable table = NasBench201();
  table.nodes[0].name = "evil\nEnd\n";
  table.nodes[0].candidates[1] = "\xE5\xB1\x82\r\nENDATA";
  const SearchRequest request = {.estimator = {.kind = EstimatorKind::kLinear}};
  const auto lp = ExportMilp(table, request, MilpFormat::kLp), mps = ExportMilp(table, request, MilpFormat::kMps);
  ASSERT_TRUE(lp.ok() && mps.ok());
  EXPECT_TRUE(Same(ReadLp(*lp), ReadMps(*mps)));
  EXPECT_EQ(ReadLp(*lp).integers.size(), 30u);
  EXPECT_NE(lp->find("\\ x_0_3: evil?End? = nor_conv_3x3\n"), std::string::npos);
}

TEST(ExportMilp, Errors) {
  BlockTable table = NasBench201();
  const auto message = [](const BlockTable& of, const SearchRequest& request) {
    return std::string(ExportMilp(of, request, MilpFormat::kLp).status().message());
  };
  EXPECT_NE(message(table, {.objective = "speed"}).find("metric: expected one of accuracy, "), std::string::npos);
  EXPECT_EQ(message(table, {.limits = {{.metric = "latency_fpga", .value = 1, .unit = "ms"}}}),
            "limits[0]: expected a finite number of us, found 1 ms");
  SearchRequest nothing;
  for (const std::string& candidate : table.nodes[1].candidates) nothing.forbidden.push_back({"0->2", candidate});
  EXPECT_EQ(message(table, nothing), "0->2: expected a candidate that is allowed and measured, found none");
  table.metrics["flops"].slices[0].values[2][2] = -1;
  EXPECT_EQ(message(table, {}).substr(0, 75),
            "flops: expected networks with FLOPs of 0 or more, some above 0, found -1 to");
  table.structure.cell = CellStructure{.edges = {{0, 0, 1, 0}}, .input = 0, .output = 1};
  EXPECT_EQ(message(table, {}), "structure: expected no cell (its dead edges have no linear form), found one");

  BlockTable shared = NasBench201();
  shared.structure.shared = SharedChoice{.name = "resolution", .values = {192, 224}};
  for (auto& [name, metric] : shared.metrics) metric.slices.push_back(metric.slices[0]);
  EXPECT_EQ(message(shared, {}), "resolution: expected one value for the whole network, fixed in the request, found 2");
  EXPECT_EQ(message(shared, {.fixed = {{"resolution", "224"}}}), "");
  EXPECT_EQ(ParseMilpFormat("xlsx").status().message(), "format: expected lp or mps, found 'xlsx'");
}

}  // namespace
}  // namespace mathnas::exchange
