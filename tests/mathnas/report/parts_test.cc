// What a report is made of: drawings of cells, agreement, budgets, proofs, numbers and ticks.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "mathnas/report/agreement.h"
#include "mathnas/report/cell_drawing.h"
#include "mathnas/report/numbers.h"
#include "mathnas/report/svg.h"
#include "tests/mathnas/report/document.h"
#include "tests/mathnas/report/sample_report.h"

namespace mathnas::report {
namespace {

TEST(CellTest, ReadsArchitectures) {
  auto cell = CellFromArchitecture("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|");
  ASSERT_EQ(cell.size(), 6u);
  std::vector<std::array<int, 2>> edges;
  for (const CellEdge& e : cell) edges.push_back({e.from, e.to});
  EXPECT_EQ(edges, (std::vector<std::array<int, 2>>{{0, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}}));
  EXPECT_EQ(cell[3].op, "avg_pool_3x3");
  for (const char* bad :
       {"", "|", "||", "|a~0", "|a~1|", "|a~0|+|b~0|", "|a~0|+|b~0|c~0|", "a~0", "|~0|", "|a~0~0|", "{\"d\": [4]}"}) {
    EXPECT_TRUE(CellFromArchitecture(bad).empty()) << bad;
  }
}

TEST(CellTest, KnowsWhichEdgesMatter) {
  auto live = [](const char* architecture) { return LiveEdges(CellFromArchitecture(architecture)); };
  using Flags = std::vector<bool>;
  EXPECT_EQ(live("|a~0|+|a~0|a~1|+|a~0|a~1|a~2|"), Flags(6, true));
  EXPECT_EQ(live("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"), Flags(6, false));
  EXPECT_EQ(live("|none~0|+|a~0|a~1|+|a~0|a~1|a~2|"),
            (Flags{false, true, false, true, false, true}));  // node 1 gets nothing
  EXPECT_EQ(live("|a~0|+|a~0|a~1|+|a~0|none~1|none~2|"),
            (Flags{false, false, false, true, false, false}));  // node 2 leads nowhere
  EXPECT_EQ(live("|a~0|+|none~0|a~1|+|none~0|none~1|a~2|"), (Flags{true, false, true, false, false, true}));
}

TEST(CellTest, DrawsEveryEdgeWithItsOperator) {
  auto cell = CellFromArchitecture("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|");
  Document document = Parsed(DrawCell(cell));
  EXPECT_EQ(document.error, "");
  EXPECT_EQ(document.Find("circle", "node").size(), 4u);
  EXPECT_EQ(document.Find("path", "edge dead").size(), 2u);
  EXPECT_EQ(document.Find("path", "edge conv").size(), 2u);
  std::multiset<std::string> labels;
  for (const Element& e : document.elements) {
    if (e.tag == "text" && e.attributes.at("class").rfind("edge-label", 0) == 0) labels.insert(e.text);
  }
  EXPECT_EQ(labels, (std::multiset<std::string>{"conv 3x3", "none", "skip", "avg pool 3x3", "none", "conv 1x1"}));
  EXPECT_EQ(DrawCell({}), "");
}

TEST(AgreementTest, OfAPerfectOffset) {
  Audit audit{.metric = "latency", .networks = {{"", 1, 2}, {"", 2, 3}, {"", 3, 4}, {"", kNan, 5}}};
  Agreement a = ComputeAgreement(audit);
  EXPECT_EQ(a.networks, 3);
  EXPECT_EQ(a.left_out, 1);
  EXPECT_DOUBLE_EQ(a.spearman.value, 1);
  EXPECT_DOUBLE_EQ(a.kendall.value, 1);
  EXPECT_DOUBLE_EQ(a.mae.value, 1);
  EXPECT_DOUBLE_EQ(a.bias.value, -1);
  EXPECT_DOUBLE_EQ(a.mape.value, (1 / 2.0 + 1 / 3.0 + 1 / 4.0) / 3);
  EXPECT_FALSE(IsKnown(a.spearman_low));
}

TEST(AgreementTest, IntervalOfSpearman) {
  // Ranks 1 to 5 with one neighbouring pair exchanged: rho = 1 - 6 * 2 / (5 * 24) = 0.9; z = 1.4722, se = 0.83815.
  Audit audit{.metric = "x", .networks = {{"", 1, 1}, {"", 2, 2}, {"", 3, 4}, {"", 4, 3}, {"", 5, 5}}};
  Agreement a = ComputeAgreement(audit);
  EXPECT_NEAR(a.spearman.value, 0.9, 1e-12);
  EXPECT_NEAR(a.spearman_low.value, std::tanh(1.472219 - 1.959964 * 0.838153), 1e-5);
  EXPECT_NEAR(a.spearman_high.value, std::tanh(1.472219 + 1.959964 * 0.838153), 1e-5);
}

TEST(AgreementTest, SaysWhyThereIsNone) {
  EXPECT_EQ(ComputeAgreement({}).spearman.reason, "no network has both numbers");
  Audit constant{.metric = "x", .networks = {{"", 1, 1}, {"", 1, 2}}};
  EXPECT_FALSE(IsKnown(ComputeAgreement(constant).spearman));
  EXPECT_NE(ComputeAgreement(constant).spearman.reason, "");
}

TEST(BudgetTest, IsJudgedByMedianAndQuartiles) {
  auto check = [](core::LimitOp op, double limit, Reading median, Reading low, Reading high) {
    ChosenNetwork network;
    network.metrics = {{.metric = "latency",
                        .unit = "ms",
                        .predicted = {3},
                        .measured = median,
                        .measured_low = low,
                        .measured_high = high}};
    return CheckBudget({{"latency", op, limit, ""}, ""}, network);
  };
  constexpr auto kAtMost = core::LimitOp::kAtMost;
  EXPECT_EQ(check(kAtMost, 4, {3.5}, {3.4}, {3.6}).verdict, Verdict::kMet);
  EXPECT_EQ(check(kAtMost, 4, {4}, {}, {}).verdict, Verdict::kMet);
  EXPECT_EQ(check(kAtMost, 4, {3.9}, {3.4}, {4.1}).verdict, Verdict::kMetInMedian);
  EXPECT_EQ(check(kAtMost, 4, {4.0001}, {3.4}, {4.1}).verdict, Verdict::kMissed);
  EXPECT_EQ(check(kAtMost, 4, {}, {3.4}, {4.1}).verdict, Verdict::kUnknown);
  EXPECT_EQ(check(core::LimitOp::kAtLeast, 4, {4.5}, {3.9}, {5}).verdict, Verdict::kMetInMedian);
  EXPECT_EQ(check(core::LimitOp::kAtLeast, 4, {3.5}, {3.4}, {5}).verdict, Verdict::kMissed);
  BudgetCheck met = check(kAtMost, 4, {3}, {2.9}, {3.1});
  EXPECT_DOUBLE_EQ(met.margin.value, 0.25);
  EXPECT_EQ(met.text, "measured median 3 ms, quartiles 2.900 to 3.100, 25.0 % below the limit");
  EXPECT_EQ(check(kAtMost, 4, {5}, {}, {}).text, "measured 5 ms, spread not recorded, 25.0 % above the limit");
  EXPECT_EQ(CheckBudget({{"energy", kAtMost, 4, ""}, ""}, {}).verdict, Verdict::kUnknown);
}

TEST(ProofTest, IsThatOfTheSearch) {
  core::SearchResult result;
  result.status = core::SearchStatus::kOptimal;
  result.networks.resize(1);
  result.networks[0].objective = 71.5;
  result.bound = 71.5;
  result.explored = 12;
  result.seconds = 0.5;
  Proof proof = ProofOf(result, SampleReport().table, "accuracy");
  EXPECT_EQ(proof.objective.value, 71.5);
  EXPECT_EQ(proof.objective_unit, "%");
  EXPECT_EQ(proof.estimator, "eq6");
  EXPECT_EQ(proof.explored, 12);
  result.networks.clear();
  result.status = core::SearchStatus::kInfeasible;
  EXPECT_FALSE(IsKnown(ProofOf(result, {}, "accuracy").bound));
}

TEST(NumbersTest, AreShort) {
  EXPECT_EQ(Short(15625), "15,625");
  EXPECT_EQ(Short(-1234567), "-1,234,567");
  EXPECT_EQ(Short(999), "999");
  EXPECT_EQ(Short(91.54321), "91.54");
  EXPECT_EQ(Short(4.0271), "4.027");
  EXPECT_EQ(Short(12345.6), "12,346");
  EXPECT_EQ(Short(0.00123456), "0.001235");
  EXPECT_EQ(Short(1.5e-7), "1.500e-07");
  EXPECT_EQ(Short(kNan), "-");
  EXPECT_EQ(Short(-0.0), "0");
  EXPECT_EQ(Short(91.54321, 3), "91.5");
  EXPECT_EQ(AsGiven(4.2), "4.2");
  EXPECT_EQ(AsGiven(1500), "1,500");
  EXPECT_EQ(AsGiven(1.0 / 3), "0.3333");
  EXPECT_EQ(Fixed(-0.0004, 2), "0.00");
  EXPECT_EQ(Fixed(12345.678, 1), "12,345.7");
  EXPECT_EQ(Difference(-0.41981, 86.01), "-0.42");
  EXPECT_EQ(Difference(0.0917, 4.1188), "+0.092");
  EXPECT_EQ(Difference(0.000123456, 86.01), "+0.00012");
  EXPECT_EQ(Difference(0, 86.01), "0");
  EXPECT_EQ(Difference(-1.1e-14, 26.7), "0");
  EXPECT_EQ(Difference(-1200, 181642), "-1,200");
  EXPECT_EQ(Signed(0.5), "+0.5000");
  EXPECT_EQ(Signed(-2), "-2");
  EXPECT_EQ(Percent(0.0512), "5.12 %");
  EXPECT_EQ(Percent(0.25), "25.0 %");
  EXPECT_EQ(Duration(0.0043), "4.30 ms");
  EXPECT_EQ(Duration(12.34), "12.3 s");
  EXPECT_EQ(Duration(119.99), "2 min 00 s");
  EXPECT_EQ(Duration(845), "14 min 05 s");
  EXPECT_EQ(Duration(11520), "3 h 12 min");
  EXPECT_EQ(Duration(kInfinity), "-");
}

TEST(TicksTest, AreRoundAndWithinTheRange) {
  for (Range range : {Range{0, 1}, Range{-3.2, 8.7}, Range{88.1, 91.9}, Range{1e-9, 2e-9}, Range{4e8, 9e8},
                      Range{0, 1e-3}, Range{-1e99, 1e99}, Padded({5, 5}, 0.1), Padded({0, 0}, 0.1)}) {
    Ticks ticks = RoundTicks(range, 6);
    EXPECT_GE(ticks.positions.size(), 3u) << range.low;
    EXPECT_LE(ticks.positions.size(), 14u) << range.low;
    std::set<std::string> labels(ticks.labels.begin(), ticks.labels.end());
    EXPECT_EQ(labels.size(), ticks.labels.size()) << range.low;
    for (double p : ticks.positions)
      EXPECT_TRUE(p >= range.low - 1e-6 * (range.high - range.low) &&
                  p <= range.high + 1e-6 * (range.high - range.low));
  }
}

}  // namespace
}  // namespace mathnas::report
