#include "mathnas/core/interaction.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "cells.h"
#include "gtest/gtest.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/sampling.h"
#include "mathnas/core/search.h"
#include "mathnas/core/statistics.h"

namespace mathnas::core {
namespace {

using testing::AllChoices;
using testing::CellTable;
using testing::MadeUpAccuracy;

Metric Accuracy(std::string unit = "%", Goal goal = Goal::kMax) {
  Metric metric;
  metric.unit = std::move(unit);
  metric.goal = goal;
  return metric;
}

bool Any(const Choice&) { return true; }

std::vector<Evaluation> Evaluate(const Interaction& interaction, Interaction::Networks possible,
                                 Interaction::Networks wanted, absl::FunctionRef<double(const Choice&)> truth) {
  std::vector<Evaluation> evaluations;
  while (evaluations.size() < 1000) {
    const auto next = interaction.Next(evaluations, possible, wanted);
    EXPECT_TRUE(next.ok()) << next.status();
    if (!next.ok() || !*next) break;
    evaluations.push_back({**next, truth(**next)});
  }
  return evaluations;
}

struct Agreement {
  double spearman = 0, worst_live = 0, best_truth = 0;
};
Agreement Judge(const InteractionPredictor& predictor, const BlockTable& table,
                absl::FunctionRef<double(const Choice&)> truth) {
  std::vector<double> predicted, known;
  Agreement agreement;
  double best = -1e300;
  for (const Choice& choice : AllChoices(table)) {
    const auto value = predictor.Predict(choice);
    EXPECT_TRUE(value.ok()) << value.status();
    predicted.push_back(*value);
    known.push_back(truth(choice));
    if (predicted.back() <= best) continue;
    best = predicted.back();
    agreement.best_truth = known.back();
  }
  agreement.spearman = *Spearman(predicted, known);
  return agreement;
}

TEST(Interaction, LearnsAMadeUpCellFrom31Networks) {
  const BlockTable table = CellTable();
  const auto interaction = Interaction::Create(table, Accuracy());
  ASSERT_TRUE(interaction.ok()) << interaction.status();
  EXPECT_TRUE(interaction->UsesCell());
  const auto evaluations = Evaluate(*interaction, Any, Any, MadeUpAccuracy);
  ASSERT_EQ(evaluations.size(), 31U);
  std::set<Choice> different;
  for (const Evaluation& e : evaluations) {
    EXPECT_EQ(e.choice, CanonicalChoice(table, e.choice));
    EXPECT_TRUE(ComputesSomething(table, e.choice));
    different.insert(e.choice);
  }
  EXPECT_EQ(different.size(), 31U);
  const auto predictor = interaction->Fit(evaluations);
  ASSERT_TRUE(predictor.ok()) << predictor.status();
  const Agreement agreement = Judge(*predictor, table, MadeUpAccuracy);
  EXPECT_GT(agreement.spearman, 0.95);
  double best = 0;
  for (const Choice& choice : AllChoices(table)) best = std::max(best, MadeUpAccuracy(choice));
  EXPECT_LT(best - agreement.best_truth, 0.5);
  // The paper's estimator for the same truth.
  BlockTable eq6 = table;
  eq6.metrics["made_up"] = *MetricFromLookUps(table, Accuracy(), [](const Choice& c) { return MadeUpAccuracy(c); });
  const auto estimator = Estimator::Create(eq6);
  std::vector<double> predicted, known;
  for (const Choice& choice : AllChoices(table)) {
    predicted.push_back(estimator->Predict("made_up", choice).value_or(-1e9));
    known.push_back(MadeUpAccuracy(choice));
  }
  EXPECT_GT(agreement.spearman, *Spearman(predicted, known) + 0.05);
}

TEST(Interaction, IsDeterministicAndSeesLiveCellsOnly) {
  const BlockTable table = CellTable();
  const auto interaction = Interaction::Create(table, Accuracy(), {.evaluations = 12});
  ASSERT_TRUE(interaction.ok());
  const auto first = Evaluate(*interaction, Any, Any, MadeUpAccuracy);
  const auto second = Evaluate(*interaction, Any, Any, MadeUpAccuracy);
  ASSERT_EQ(first.size(), 12U);
  ASSERT_EQ(second.size(), 12U);
  for (size_t k = 0; k < first.size(); ++k) EXPECT_EQ(first[k].choice, second[k].choice);
  const auto predictor = *interaction->Fit(first);
  for (const Choice& choice : AllChoices(table)) {
    EXPECT_EQ(*predictor.Predict(choice), *predictor.Predict(CanonicalChoice(table, choice)));
    EXPECT_LE(*predictor.Predict(choice), 100);
  }
}

TEST(Interaction, EvaluatedNetworksAreWhatTheyWereFoundToBe) {
  const BlockTable table = CellTable();
  // Networks that compute the same differ too.
  const auto truth = [](const Choice& c) { return MadeUpAccuracy(c) + 0.1 * c[0] + 0.2 * c[1]; };
  const auto interaction = Interaction::Create(table, Accuracy());
  ASSERT_TRUE(interaction.ok());
  const auto evaluations = Evaluate(*interaction, Any, Any, truth);
  const auto predictor = *interaction->Fit(evaluations);
  std::map<Choice, double> known;
  for (const Evaluation& e : evaluations) known[e.choice] = e.value;
  int exact = 0;
  for (const Choice& choice : AllChoices(table)) {
    const auto it = known.find(CanonicalChoice(table, choice));
    if (it == known.end()) continue;
    EXPECT_EQ(*predictor.Predict(choice), it->second);
    ++exact;
  }
  EXPECT_GT(exact, 31);  // with dead edges
}

TEST(Interaction, SearchesAmongNetworksThatComputeTheSame) {
  const BlockTable table = CellTable();
  const auto interaction = Interaction::Create(table, Accuracy());
  ASSERT_TRUE(interaction.ok());
  // Two convolutions in turn, through either inner vertex.
  const std::set<Choice> same = {{3, 0, 0, 0, 3, 0}, {0, 3, 0, 0, 0, 3}};
  const auto wanted = [&](const Choice& c) { return same.contains(c); };
  std::set<Choice> found;
  for (const Evaluation& e : Evaluate(*interaction, Any, wanted, MadeUpAccuracy)) {
    if (same.contains(e.choice)) found.insert(e.choice);
  }
  EXPECT_EQ(found, same);
}

TEST(Interaction, ProposesWhatMayBeEvaluatedAndSearchesWhatIsWanted) {
  const BlockTable table = CellTable();
  const auto interaction = Interaction::Create(table, Accuracy(), {.evaluations = 20, .chance = 10});
  ASSERT_TRUE(interaction.ok());
  const auto possible = [](const Choice& c) { return c[0] != testing::kConv3; };
  const auto wanted = [](const Choice& c) { return std::count(c.begin(), c.end(), testing::kConv3) == 0; };
  const auto evaluations = Evaluate(*interaction, possible, wanted, MadeUpAccuracy);
  ASSERT_EQ(evaluations.size(), 20U);
  for (size_t k = 0; k < evaluations.size(); ++k) {
    EXPECT_TRUE(possible(evaluations[k].choice));
    EXPECT_TRUE(ComputesSomething(table, evaluations[k].choice));  // chance is known
    if (k >= 14) {
      EXPECT_TRUE(wanted(evaluations[k].choice)) << k;
    }
  }
}

TEST(Interaction, OtherUnitsAndGoals) {
  const BlockTable table = CellTable();
  // A loss: the smaller the better, the same order.
  const auto loss = [](const Choice& c) { return 0.05 * (100 - MadeUpAccuracy(c)); };
  const auto minimised = Interaction::Create(table, Accuracy("nats", Goal::kMin));
  ASSERT_TRUE(minimised.ok());
  const auto predictor = minimised->Fit(Evaluate(*minimised, Any, Any, loss));
  ASSERT_TRUE(predictor.ok()) << predictor.status();
  EXPECT_GT(Judge(*predictor, table, loss).spearman, 0.95);
  // A score without a top, negative for most.
  const auto score = [](const Choice& c) { return 2 * MadeUpAccuracy(c) - 170; };
  const auto scored = Interaction::Create(table, Accuracy("points"));
  ASSERT_TRUE(scored.ok());
  const auto points = scored->Fit(Evaluate(*scored, Any, Any, score));
  ASSERT_TRUE(points.ok()) << points.status();
  EXPECT_GT(Judge(*points, table, score).spearman, 0.9);
}

TEST(Interaction, CutCellsMayBeTheBest) {
  const BlockTable table = CellTable();
  // A latency: nothing is as fast as a cell that computes nothing.
  const auto latency = [](const Choice& c) {
    double sum = 1;
    for (const auto& way : testing::OpenWays(c)) {
      for (int o : way) sum += o == testing::kConv3 ? 3 : 1;
    }
    return sum;
  };
  const auto interaction = Interaction::Create(table, Accuracy("ms", Goal::kMin));
  ASSERT_TRUE(interaction.ok());
  const auto evaluations = Evaluate(*interaction, Any, Any, latency);
  EXPECT_FALSE(ComputesSomething(table, evaluations[0].choice));
  const auto predictor = interaction->Fit(evaluations);
  ASSERT_TRUE(predictor.ok()) << predictor.status();
  EXPECT_EQ(*predictor->Predict(Choice(6, 0)), 1);
  EXPECT_GT(Judge(*predictor, table, latency).spearman, 0.95);
}

TEST(Interaction, CutCellsWithoutAnEvaluationAreTheWorst) {
  const BlockTable table = CellTable();
  const auto interaction = Interaction::Create(table, Accuracy());
  ASSERT_TRUE(interaction.ok());
  const auto predictor = interaction->Fit(Evaluate(*interaction, Any, Any, MadeUpAccuracy));
  ASSERT_TRUE(predictor.ok());
  const double cut = *predictor->Predict(Choice(6, 0));
  for (const Choice& choice : AllChoices(table)) EXPECT_GE(*predictor->Predict(choice), cut);
}

TEST(Interaction, WithoutACellItIsEq6) {
  std::mt19937_64 random(7);
  int tried = 0;
  for (int round = 0; round < 30; ++round) {
    BlockTable table = testing::RandomTable(random);
    table.structure.shared.reset();
    table.metrics.erase("energy");
    table.metrics.erase("latency");
    for (auto& [name, metric] : table.metrics) metric.slices.resize(1);
    const auto truth = [](const Choice& c) {
      double value = 70;
      for (size_t i = 0; i < c.size(); ++i) value += std::sin(static_cast<double>(c[i] + 3 * static_cast<int>(i)));
      return value;
    };
    const auto interaction = Interaction::Create(table, Accuracy(), {.evaluations = 4});
    if (!SwitchNetworks(table).ok()) {  // a node that can only be cut
      EXPECT_FALSE(interaction.ok());
      continue;
    }
    ASSERT_TRUE(interaction.ok()) << interaction.status();
    EXPECT_FALSE(interaction->UsesCell());
    const auto evaluations = Evaluate(*interaction, Any, Any, truth);
    EXPECT_EQ(evaluations.size(), SwitchNetworks(table)->size());
    BlockTable eq6 = table;
    const auto metric = MetricFromLookUps(table, Accuracy(), truth);
    const auto predictor = interaction->Fit(evaluations);
    ASSERT_EQ(predictor.ok(), metric.ok());
    if (!metric.ok()) continue;
    eq6.metrics["made_up"] = *metric;
    const auto estimator = Estimator::Create(eq6);
    ASSERT_TRUE(estimator.ok());
    for (const Choice& choice : AllChoices(table)) {
      const auto expected = estimator->Predict("made_up", choice);
      const auto found = predictor->Predict(choice);
      ASSERT_EQ(expected.ok(), found.ok());
      if (expected.ok()) {
        EXPECT_EQ(*expected, *found);
      }
      ++tried;
    }
  }
  EXPECT_GT(tried, 100);
}

TEST(Interaction, Refusals) {
  const BlockTable table = CellTable();
  EXPECT_FALSE(Interaction::Create(table, Accuracy(), {.evaluations = 3}).ok());
  EXPECT_FALSE(Interaction::Create(table, Accuracy(), {.identity = "nor_conv_3x3"}).ok());
  const auto interaction = Interaction::Create(table, Accuracy());
  const auto refused = [&](std::vector<Evaluation> e) {
    return interaction->Fit(e).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused({{Choice(6, 3), 90}}));
  EXPECT_TRUE(refused({{Choice(6, 3), 90}, {Choice(6, 2), 90}}));
  EXPECT_TRUE(refused({{Choice(6, 3), 90}, {Choice(5, 2), 80}}));
  EXPECT_TRUE(refused({{Choice(6, 3), 90}, {Choice(6, 2), testing::kNull}}));
  EXPECT_FALSE(refused({{Choice(6, 3), 90}, {Choice(6, 2), 80}}));
  EXPECT_FALSE(interaction->Fit(std::vector<Evaluation>{{Choice(6, 3), 90}, {Choice(6, 2), 80}})->Predict({9}).ok());
}

// Searches against all choices, each predicted by itself.
class InteractionSearch : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto interaction = Interaction::Create(table_, Accuracy());
    ASSERT_TRUE(interaction.ok());
    Metric& accuracy = table_.metrics["accuracy"];
    accuracy.evaluations = Evaluate(*interaction, Any, Any, MadeUpAccuracy);
    accuracy.slices[0].base = testing::kNull;
    for (auto& row : accuracy.slices[0].values) row.assign(row.size(), testing::kNull);
    const auto predictor = interaction->Fit(accuracy.evaluations);
    ASSERT_TRUE(predictor.ok());
    const std::string objective = "accuracy";
    const auto options = InteractionEstimator(table_, {&objective, 1});
    ASSERT_TRUE(options.ok()) << options.status();
    options_ = *options;
    const Metric& latency = table_.metrics["latency_edgegpu"];
    for (const Choice& choice : AllChoices(table_)) {
      if (testing::OpenWays(choice).empty() || choice != CanonicalChoice(table_, choice)) continue;
      double cost = latency.slices[0].base;
      for (size_t i = 0; i < choice.size(); ++i) cost -= latency.slices[0].values[i][choice[i]];
      all_.push_back({choice, *predictor->Predict(choice), cost});
    }
    ASSERT_EQ(all_.size(), 9444u);
  }

  struct Network {
    Choice choice;
    double accuracy, latency;
  };
  static bool Before(const Network& a, const Network& b) {
    if (a.accuracy != b.accuracy) return a.accuracy > b.accuracy;
    if (std::abs(a.latency - b.latency) > 1e-6) return a.latency < b.latency;
    return a.choice < b.choice;
  }

  BlockTable table_ = CellTable();
  EstimatorOptions options_;
  std::vector<Network> all_;
};

TEST_F(InteractionSearch, BestOnesWithinLimits) {
  for (const double limit : {4500.0, 5200.0, 5711.0, 6500.0, 1e9}) {
    SCOPED_TRACE(limit);
    std::vector<Network> within;
    for (const Network& n : all_) {
      if (n.latency <= limit) within.push_back(n);
    }
    std::sort(within.begin(), within.end(), Before);
    const auto result = Search(
        table_, {.limits = {{"latency_edgegpu", LimitOp::kAtMost, limit, ""}}, .estimator = options_, .top = 20});
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->status, SearchStatus::kOptimal);
    ASSERT_EQ(result->networks.size(), 20u);
    for (size_t k = 0; k < 20; ++k) {
      const FoundNetwork& found = result->networks[k];
      EXPECT_EQ(found.choice, within[k].choice) << k;
      EXPECT_EQ(found.objective, within[k].accuracy);
      EXPECT_EQ(found.predicted.at("accuracy"), within[k].accuracy);
      EXPECT_NEAR(found.predicted.at("latency_edgegpu"), within[k].latency, 1e-6);
    }
    EXPECT_EQ(result->explored, 9444);
    EXPECT_EQ(result->bound, result->networks[0].objective);
    EXPECT_EQ(Name(result->estimator), "interaction");
  }
}

TEST_F(InteractionSearch, Front) {
  const auto result = Search(table_, {.estimator = options_, .fronts = {"latency_edgegpu"}});
  ASSERT_TRUE(result.ok()) << result.status();
  std::set<Choice> found;
  for (const FoundNetwork& n : result->front) {
    found.insert(n.choice);
    for (const Network& other : all_) {
      const double latency = n.predicted.at("latency_edgegpu");
      EXPECT_FALSE(other.accuracy > n.objective && other.latency < latency - 1e-6);
    }
  }
  EXPECT_GT(found.size(), 3u);
  // Whoever is strictly better than all that are as fast is in it.
  for (const Network& n : all_) {
    bool beaten = false;
    for (const Network& other : all_) {
      beaten = beaten || (&other != &n && other.accuracy >= n.accuracy && other.latency <= n.latency + 1e-6);
    }
    if (!beaten) {
      EXPECT_TRUE(found.contains(n.choice));
    }
  }
}

TEST_F(InteractionSearch, LimitsOnWhatIsLearnedAndWhatCannotBe) {
  double most = 0;
  for (const Network& n : all_) most = std::max(most, n.accuracy);
  const double floor = most - 3;
  const Network* cheapest = nullptr;
  for (const Network& n : all_) {
    if (n.accuracy >= floor && (cheapest == nullptr || n.latency < cheapest->latency)) cheapest = &n;
  }
  const auto result = Search(
      table_,
      {.objective = "latency_edgegpu", .limits = {{"accuracy", LimitOp::kAtLeast, floor, "%"}}, .estimator = options_});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_FALSE(result->networks.empty());
  EXPECT_NEAR(result->networks[0].objective, cheapest->latency, 1e-6);
  const auto none = Search(table_, {.limits = {{"accuracy", LimitOp::kAtLeast, most + 1, "%"}}, .estimator = options_});
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->status, SearchStatus::kInfeasible);
  EXPECT_EQ(none->conflict, std::vector<int>{0});
  ASSERT_TRUE(none->nearest);
  EXPECT_EQ(none->nearest->limits[0].value, most);
  EXPECT_EQ(none->limits[0].reachable->second, most);
  EXPECT_EQ(Search(table_, {.estimator = options_, .method = SearchMethod::kSolve}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(InteractionSearch, WhatItNeeds) {
  const std::string latency = "latency_edgegpu", accuracy = "accuracy";
  const auto refused = InteractionEstimator(table_, {&latency, 1});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(refused.status().message()).find("mathnas profile --estimator interaction"), std::string::npos);
  table_.metrics["accuracy"].evaluations.resize(1);
  EXPECT_FALSE(InteractionEstimator(table_, {&accuracy, 1}).ok());
  table_.structure.cell.reset();
  const auto eq6 = InteractionEstimator(table_, {&accuracy, 1}, FlopsFixed::kInclude);
  ASSERT_TRUE(eq6.ok()) << eq6.status();
  EXPECT_EQ(Name(*eq6), "eq6");
  EXPECT_EQ(eq6->flops_fixed, FlopsFixed::kInclude);
}

}  // namespace
}  // namespace mathnas::core
