#include "supernet/training/sampling.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/nasbench201/space.h"

namespace mathnas::supernet {
namespace {

// A space of nothing but nodes.
class Nodes : public SearchSpace {
 public:
  explicit Nodes(const std::vector<int>& candidates) {
    for (int n : candidates) nodes_.push_back({"node", std::vector<std::string>(static_cast<size_t>(n), "block"), 0});
  }
  std::string_view name() const override { return "nodes"; }
  const std::vector<SpaceNode>& nodes() const override { return nodes_; }
  kernels::Shape input_shape(const Choice&) const override { return {}; }
  int64_t classes() const override { return 0; }
  std::string MacroJson() const override { return ""; }
  absl::StatusOr<Choice> ParseSubnet(std::string_view) const override { return Choice{}; }
  std::string SubnetJson(const Choice&) const override { return ""; }
  NetworkGraph Network(const Choice&, const GraphRequest&) const override { return {kernels::Graph(), {}}; }
  NetworkGraph Supernet(const GraphRequest&) const override { return {kernels::Graph(), {}}; }
  std::string SharedName(std::string_view own, const Choice&) const override { return std::string(own); }
  int NodeOfBlock(std::string_view) const override { return -1; }
  std::string_view flops_convention() const override { return ""; }
  int64_t Flops(const kernels::Counts&) const override { return 0; }

 private:
  std::vector<SpaceNode> nodes_;
};

// Pearson's statistic of counts that should be equal.
double ChiSquare(const std::vector<int64_t>& counts) {
  double total = 0, sum = 0;
  for (int64_t c : counts) total += static_cast<double>(c);
  const double expected = total / static_cast<double>(counts.size());
  for (int64_t c : counts) sum += (static_cast<double>(c) - expected) * (static_cast<double>(c) - expected) / expected;
  return sum;
}

// Quantiles at 1 - 1e-4. The seeds are fixed, so the tests pass always or never.
constexpr double kQuantile4 = 23.5, kQuantile24 = 58.6;

// Frequencies of single candidates, and of pairs for all pairs of nodes.
void ExpectUniformAndIndependent(const std::vector<Choice>& choices) {
  const size_t nodes = choices[0].size();
  for (size_t a = 0; a < nodes; ++a) {
    std::vector<int64_t> single(5);
    for (const Choice& c : choices) ++single[static_cast<size_t>(c[a])];
    EXPECT_LT(ChiSquare(single), kQuantile4) << "node " << a;
    for (size_t b = 0; b < a; ++b) {
      std::vector<int64_t> pairs(25);
      for (const Choice& c : choices) ++pairs[static_cast<size_t>(c[a] * 5 + c[b])];
      EXPECT_LT(ChiSquare(pairs), kQuantile24) << "nodes " << a << " and " << b;
    }
  }
}

TEST(Sampling, FullIsTheWholeSupernet) {
  const Nodes space({5, 3});
  for (int64_t step : {0, 1, 1000}) {
    const auto paths = SamplePaths(space, Sampling::kFull, 1, step);
    ASSERT_EQ(paths.size(), 1U);
    EXPECT_FALSE(paths[0].has_value());
  }
}

TEST(Sampling, UniformDrawsEveryCandidateAlikeAndIndependently) {
  const auto space = *NasBench201({});
  std::vector<Choice> choices;
  for (int64_t step = 0; step < 20000; ++step) {
    const auto paths = SamplePaths(*space, Sampling::kUniform, 7, step);
    ASSERT_EQ(paths.size(), 1U);
    ASSERT_TRUE(paths[0].has_value());
    ASSERT_TRUE(space->Check(*paths[0]).ok());
    choices.push_back(*paths[0]);
  }
  ExpectUniformAndIndependent(choices);
}

TEST(Sampling, RandomChoiceIsUniformToo) {
  const auto space = *NasBench201({});
  std::vector<Choice> choices;
  for (int64_t i = 0; i < 20000; ++i) choices.push_back(RandomChoice(*space, 7, i));
  ExpectUniformAndIndependent(choices);
  EXPECT_EQ(RandomChoice(*space, 7, 123), choices[123]);
  EXPECT_NE(RandomChoice(*space, 7, int64_t{1} << 32), choices[0]);
}

TEST(Sampling, FairStepRunsEveryCandidateOfEveryNodeOnce) {
  const auto space = *NasBench201({});
  for (int64_t step = 0; step < 1000; ++step) {
    const auto paths = SamplePaths(*space, Sampling::kFair, 3, step);
    ASSERT_EQ(paths.size(), 5U);
    for (size_t node = 0; node < 6; ++node) {
      std::set<int> candidates;
      for (const auto& path : paths) candidates.insert((*path)[node]);
      ASSERT_EQ(candidates, (std::set<int>{0, 1, 2, 3, 4})) << "step " << step << " node " << node;
    }
  }
}

// Which candidates meet in a path is random all the same.
TEST(Sampling, FairPermutationsAreIndependent) {
  const auto space = *NasBench201({});
  std::vector<Choice> first;
  for (int64_t step = 0; step < 20000; ++step) first.push_back(*SamplePaths(*space, Sampling::kFair, 3, step)[0]);
  ExpectUniformAndIndependent(first);
}

TEST(Sampling, FairNodesWithFewerCandidatesGoRoundAgain) {
  const Nodes space({5, 2, 1, 3});
  std::vector<std::map<int, int64_t>> total(4);
  int same_again = 0;  // steps in which the second round of the node with two candidates has the order of the first
  for (int64_t step = 0; step < 1000; ++step) {
    const auto paths = SamplePaths(space, Sampling::kFair, 3, step);
    ASSERT_EQ(paths.size(), 5U);
    same_again += (*paths[0])[1] == (*paths[2])[1];
    for (size_t node = 0; node < 4; ++node) {
      std::map<int, int64_t> counts;
      for (const auto& path : paths) ++counts[(*path)[node]], ++total[node][(*path)[node]];
      const auto candidates = static_cast<int64_t>(space.nodes()[node].candidates.size());
      ASSERT_EQ(std::ssize(counts), candidates);
      for (const auto& [candidate, count] : counts) {
        ASSERT_GE(count, 5 / candidates) << "node " << node;
        ASSERT_LE(count, (5 + candidates - 1) / candidates) << "node " << node;
      }
    }
  }
  // Who gets one more is drawn: 2500 of 5000 each, give or take 5 times sqrt(1000) / 2.
  EXPECT_NEAR(static_cast<double>(total[1][0]), 2500, 80);
  EXPECT_NEAR(same_again, 500, 80) << "each round is drawn anew";
}

TEST(Sampling, IsAFunctionOfSeedAndStepAlone) {
  const auto space = *NasBench201({});
  for (Sampling sampling : {Sampling::kUniform, Sampling::kFair}) {
    const auto paths = [&](uint64_t seed, int64_t step) { return SamplePaths(*space, sampling, seed, step); };
    std::vector<std::vector<std::optional<Choice>>> forwards;
    for (int64_t step = 0; step < 50; ++step) forwards.push_back(paths(1, step));
    for (int64_t step = 49; step >= 0; --step) EXPECT_EQ(paths(1, step), forwards[static_cast<size_t>(step)]);
    std::set<std::vector<std::optional<Choice>>> different(forwards.begin(), forwards.end());
    EXPECT_GT(different.size(), 45U);
    int same = 0;
    for (int64_t step = 0; step < 50; ++step) same += paths(2, step) == forwards[static_cast<size_t>(step)];
    EXPECT_LT(same, 3);
    EXPECT_NE(paths(1, int64_t{1} << 32), forwards[0]) << "steps beyond 32 bits";
  }
}

TEST(Sampling, Names) {
  for (Sampling s : {Sampling::kFull, Sampling::kUniform, Sampling::kFair, Sampling::kSandwich})
    EXPECT_EQ(*ParseSampling(Name(s)), s);
  EXPECT_EQ(Name(Sampling::kFair), "fair");
  const auto unknown = ParseSampling("burger");
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kInvalidArgument);
  for (const char* word : {"sandwich", "full", "uniform", "fair"}) {
    EXPECT_NE(kernels::Message(unknown.status()).find(word), std::string::npos) << word;
  }
}

}  // namespace
}  // namespace mathnas::supernet
