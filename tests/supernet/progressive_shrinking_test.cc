#include "supernet/training/progressive_shrinking.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "golden.h"
#include "gtest/gtest.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"

namespace mathnas::supernet {
namespace {

using mobilenetv3::Architecture;
using nlohmann::json;

template <size_t n>
std::string Digits(const std::array<int, n>& entries) {
  std::string text;
  for (const int entry : entries) text += std::to_string(entry);
  return text;
}

ShrinkingStage Stage(std::string_view name) { return *FindShrinkingStage(name); }

// Seeds of `ofa_sampling` are int("%d%.3d%.3d" % (step, j, 0)): every one is a step and a j.
TEST(RandomSubnet, IsTheReferences) {
  const json golden = LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json")["ofa_sampling"];
  int cases = 0;
  for (const auto& [seed, net] : golden.items()) {
    const uint64_t number = std::stoull(seed);
    const auto step = static_cast<int64_t>(number / 1'000'000), j = static_cast<int64_t>(number / 1000 % 1000);
    // Any split of the step into epoch and batch.
    for (const int64_t batches : {int64_t{1}, int64_t{7}, int64_t{100000}}) {
      const ShrinkingStep where = {step / batches, step % batches, batches};
      const Architecture drawn = RandomSubnet(Stage("expand2"), where, j);
      EXPECT_EQ(json(drawn.ks), net["ks"]) << seed;
      EXPECT_EQ(json(drawn.e), net["e"]) << seed;
      EXPECT_EQ(json(drawn.d), net["d"]) << seed;
      EXPECT_EQ(drawn.resolution, 224);
    }
    ++cases;
  }
  EXPECT_GE(cases, 6);
}

// From python3: random.seed(int("%d%.3d%.3d" % (epoch * batches + batch, j, 0))), then random.choice.
TEST(RandomSubnet, DrawsFromTheListsOfTheStage) {
  const struct {
    const char* stage;
    ShrinkingStep step;
    int64_t j;
    const char *ks, *e, *d;
  } drawn[] = {{"full", {2, 3, 10}, 0, "77777777777777777777", "66666666666666666666", "44444"},
               {"kernel", {7, 11, 19531}, 0, "73557757557737357553", "66666666666666666666", "44444"},
               {"depth1", {24, 19530, 19531}, 1, "73375577577537375333", "66666666666666666666", "33434"},
               {"depth2", {3, 0, 4883}, 1, "33557757575753555737", "66666666666666666666", "32242"},
               {"expand1", {0, 999, 1000}, 3, "53777373535335357533", "44646444666464444646", "34234"},
               {"expand2", {124, 19530, 19531}, 1000, "75553333357337333377", "63466443343436436446", "24433"}};
  for (const auto& d : drawn) {
    const Architecture net = RandomSubnet(Stage(d.stage), d.step, d.j);
    EXPECT_EQ(Digits(net.ks), d.ks) << d.stage;
    EXPECT_EQ(Digits(net.e), d.e) << d.stage;
    EXPECT_EQ(Digits(net.d), d.d) << d.stage;
    EXPECT_TRUE(mobilenetv3::Check(net).ok());
  }
}

// The table of spec/search-spaces.md 3.8.
TEST(ProgressiveShrinking, StagesAreThoseOfTheReference) {
  const auto stages = ProgressiveShrinking();
  std::string table;
  for (const ShrinkingStage& s : stages) {
    const auto list = [](const std::vector<int>& values) {
      std::string text;
      for (const int value : values) text += (text.empty() ? "" : ",") + std::to_string(value);
      return text;
    };
    if (s.name == "full") continue;
    table += s.name + " | " + std::to_string(s.epochs) + " | " + json(s.rate).dump() + " | " +
             std::to_string(s.warmup_epochs) + " | " + list(s.ks) + " | " + list(s.e) + " | " + list(s.d) + " | " +
             std::to_string(s.subnets) + " | " + (s.channel_sorting ? std::to_string(*s.channel_sorting) : "-") + "\n";
  }
  EXPECT_EQ(table,
            "kernel | 120 | 0.03 | 5 | 3,5,7 | 6 | 4 | 1 | -\n"
            "depth1 | 25 | 0.0025 | 0 | 3,5,7 | 6 | 3,4 | 2 | -\n"
            "depth2 | 120 | 0.0075 | 5 | 3,5,7 | 6 | 2,3,4 | 2 | -\n"
            "expand1 | 25 | 0.0025 | 0 | 3,5,7 | 4,6 | 2,3,4 | 4 | 0\n"
            "expand2 | 120 | 0.0075 | 5 | 3,5,7 | 3,4,6 | 2,3,4 | 4 | 1\n");
  EXPECT_EQ(stages[0].name, "full");
  EXPECT_EQ(kernels::Message(FindShrinkingStage("expand3").status()),
            "stage: expected one of full, kernel, depth1, depth2, expand1, expand2, found \"expand3\"");
}

TEST(StepSubnets, OfBothRules) {
  const ShrinkingStep step = {3, 17, 100};
  for (const ShrinkingStage& stage : ProgressiveShrinking()) {
    const auto random = StepSubnets(stage, SubnetRule::kRandom, step);
    const auto sandwich = StepSubnets(stage, SubnetRule::kSandwich, step);
    ASSERT_EQ(std::ssize(random), stage.subnets) << stage.name;
    ASSERT_EQ(std::ssize(sandwich), stage.subnets) << stage.name;
    EXPECT_EQ(sandwich[0], Architecture{}) << stage.name;
    for (int j = 0; j < stage.subnets; ++j) {
      EXPECT_EQ(random[j], RandomSubnet(stage, step, j)) << stage.name;
      if (j >= 2) {
        EXPECT_EQ(sandwich[j], RandomSubnet(stage, step, j - 2)) << stage.name;
      }
    }
  }
  const Architecture smallest = StepSubnets(Stage("expand2"), SubnetRule::kSandwich, step)[1];
  EXPECT_EQ(smallest, *mobilenetv3::ParseArchitecture(R"({"ks":3,"e":3,"d":2})"));
  EXPECT_EQ(Canonical(StepSubnets(Stage("depth1"), SubnetRule::kSandwich, step)[1]),
            *mobilenetv3::ParseArchitecture(R"({"ks":3,"e":6,"d":3})"));
}

// The nets of the training goldens `ofa_sandwich` and `ofa_kd` are those of a step.
TEST(StepSubnets, AreTheNetsOfTheTrainingGoldens) {
  const json sequences = LoadGolden("MATHNAS_TRAINING_GOLDEN", "training-golden.json")["sequences"];
  const json& nets = sequences["ofa_sandwich"]["nets"];
  ShrinkingStage stage = Stage("expand2");
  stage.subnets = 3;
  const auto sandwich = StepSubnets(stage, SubnetRule::kSandwich, {0, 0, 1});
  const char* const names[] = {"max", "min", "mixed"};
  for (int j = 0; j < 3; ++j) {
    EXPECT_EQ(Canonical(sandwich[j]), *mobilenetv3::ParseArchitecture(nets[names[j]].dump())) << names[j];
  }
}

TEST(SubnetRule, Names) {
  for (const SubnetRule rule : {SubnetRule::kRandom, SubnetRule::kSandwich})
    EXPECT_EQ(*ParseSubnetRule(Name(rule)), rule);
  EXPECT_EQ(kernels::Message(ParseSubnetRule("fair").status()),
            "subnets of a step: expected random or sandwich, found \"fair\"");
}

// From python3: random.seed(int("%d%.3d" % (batch, epoch))); random.choices(candidates, weights=None)[0].
TEST(StepResolution, IsWhatPythonDraws) {
  const struct {
    bool continuous;
    int64_t epoch, batch;
    int resolution;
  } drawn[] = {{false, 0, 0, 224},     {false, 0, 1, 224},       {false, 1, 0, 128},      {false, 1, 1, 224},
               {false, 7, 250, 128},   {false, 124, 19530, 128}, {false, 999, 5, 160},    {false, 1000, 5, 128},
               {false, 12345, 5, 192}, {true, 0, 0, 212},        {true, 0, 1, 204},       {true, 1, 0, 140},
               {true, 1, 1, 204},      {true, 7, 250, 132},      {true, 124, 19530, 132}, {true, 999, 5, 160},
               {true, 1000, 5, 128},   {true, 12345, 5, 200}};
  for (const auto& d : drawn) {
    EXPECT_EQ(StepResolution(ElasticResolutions(d.continuous), {d.epoch, d.batch, 20000}), d.resolution)
        << d.continuous << " epoch " << d.epoch << " batch " << d.batch;
  }
  EXPECT_EQ(ElasticResolutions(false), (std::vector<int>{128, 160, 192, 224}));
  std::vector<int> multiples;
  for (int r = 1; r <= 224; ++r) {
    if (r >= 128 && r % 4 == 0) multiples.push_back(r);
  }
  EXPECT_EQ(ElasticResolutions(true), multiples);
}

}  // namespace
}  // namespace mathnas::supernet
