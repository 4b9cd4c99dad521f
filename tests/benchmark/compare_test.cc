// Regressions that are there are found, and those that are not are not: on synthetic samples.
#include "mathnas/benchmark/compare.h"

#include "gtest/gtest.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"

namespace mathnas::benchmark {
namespace {

// Times of a machine that is disturbed now and then: within 2 %, but for a few up to twice as long.
std::vector<double> Times(kernels::Random& random, double typical, int count = 41) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const double disturbed = random.Uniform() < 0.03 ? 1 + random.Uniform() : 1;
    times.push_back(typical * disturbed * (1 + 0.02 * random.Uniform()));
  }
  return times;
}

BenchmarkRun MakeRun(const std::vector<std::pair<std::string, Summary>>& records) {
  BenchmarkRun run = {.created = "2026-11-24T07:00:00Z",
                      .machine = {"Processor", "avx2", "oneDNN 2.6.3", 2},
                      .peaks = {100, {{32768, 500}, {1e8, 20}}}};
  for (const auto& [name, summary] : records) {
    run.records.push_back({.name = name, .pass = "forward", .type = "f32", .cache = "warm", .microseconds = summary});
  }
  return run;
}

TEST(Judge, FindsWhatIsSlowerAndNothingElse) {
  kernels::Random random(11);
  int false_alarms = 0, found = 0, faster = 0;
  constexpr int kDraws = 1000;
  for (int i = 0; i < kDraws; ++i) {
    const Summary before = *Summarize(Times(random, 100)), same = *Summarize(Times(random, 100));
    const Summary slower = *Summarize(Times(random, 112)), quicker = *Summarize(Times(random, 88));
    false_alarms += Judge(before, same, 0.05) != Verdict::kSame;
    found += Judge(before, slower, 0.05) == Verdict::kSlower;
    faster += Judge(before, quicker, 0.05) == Verdict::kFaster;
  }
  EXPECT_EQ(false_alarms, 0);
  EXPECT_EQ(found, kDraws);
  EXPECT_EQ(faster, kDraws);
}

TEST(Judge, NeedsBothTheNoiseAndTheQuartiles) {
  const Summary before = {.minimum = 99, .lower_quartile = 100, .median = 101, .upper_quartile = 103};
  EXPECT_EQ(Judge(before, {.lower_quartile = 104, .median = 105, .upper_quartile = 106}, 0.05), Verdict::kSame);
  EXPECT_EQ(Judge(before, {.lower_quartile = 104, .median = 105, .upper_quartile = 106}, 0.03), Verdict::kSlower);
  EXPECT_EQ(Judge(before, {.lower_quartile = 102, .median = 120, .upper_quartile = 150}, 0.05), Verdict::kSame);
  EXPECT_EQ(Judge({.lower_quartile = 104, .median = 110, .upper_quartile = 111},
                  {.lower_quartile = 99, .median = 100, .upper_quartile = 103}, 0.05),
            Verdict::kFaster);
}

TEST(Compare, SaysWhatChanged) {
  const Summary t = {99, 100, 100, 101, 100, 100, 9}, slow = {199, 200, 200, 201, 200, 200, 9},
                fast = {49, 50, 50, 51, 50, 50, 9};
  const BenchmarkRun before = MakeRun({{"a", t}, {"b", t}, {"c", t}, {"gone", t}});
  const BenchmarkRun after = MakeRun({{"a", t}, {"b", slow}, {"c", fast}, {"new", t}});
  const auto c = Compare(before, after, 0.05);
  ASSERT_TRUE(c.ok()) << kernels::Message(c.status());
  EXPECT_TRUE(c->has_slower());
  EXPECT_NEAR(c->geometric_mean, 1, 1e-12);
  EXPECT_TRUE(c->warnings.empty());
  EXPECT_EQ(c->only_before, (std::vector<std::string>{"gone, forward f32 warm"}));
  EXPECT_EQ(c->only_after, (std::vector<std::string>{"new, forward f32 warm"}));

  const auto json = nlohmann::json::parse(ToJson(*c));
  EXPECT_EQ(json["slower"], 1);
  EXPECT_EQ(json["faster"], 1);
  EXPECT_EQ(json["same"], 1);
  EXPECT_EQ(json["changes"][1]["name"], "b");
  EXPECT_EQ(json["changes"][1]["verdict"], "slower");
  EXPECT_EQ(json["changes"][1]["ratio"], 2);
  EXPECT_EQ(json["changes"][1]["before_us"], 100);
  EXPECT_EQ(json["changes"][2]["verdict"], "faster");
  EXPECT_EQ(json["only_before"][0], "gone, forward f32 warm");

  const std::string text = ToText(*c);
  EXPECT_NE(text.find("slower   2.00 x  100.0 -> 200.0 us  b, forward f32 warm"), std::string::npos) << text;
  EXPECT_NE(text.find("1 slower, 1 faster, 1 the same"), std::string::npos) << text;

  EXPECT_FALSE(Compare(before, before, 0.05)->has_slower());
}

TEST(Compare, WarnsOfAnotherMachineAndRefusesNothingInCommon) {
  const Summary t = {99, 100, 100, 101, 100, 100, 9};
  const BenchmarkRun before = MakeRun({{"a", t}});
  BenchmarkRun after = before;
  after.machine = {"Other processor", "avx512", "oneDNN 3.9.1", 4};
  after.peaks.gflops = 60;
  const auto c = Compare(before, after, 0.05);
  ASSERT_TRUE(c.ok());
  ASSERT_EQ(c->warnings.size(), 5u);
  EXPECT_EQ(c->warnings[0], "another processor: Processor before, Other processor now");
  EXPECT_NE(c->warnings[4].find("0.60 times the multiply-adds per second"), std::string::npos) << c->warnings[4];

  after = MakeRun({{"b", t}});
  EXPECT_EQ(kernels::Message(Compare(before, after, 0.05).status()),
            "nothing to compare: none of the 1 records before is among the 1 now (name, pass, type, cache)");
  EXPECT_FALSE(Compare(before, before, -1).ok());
}

}  // namespace
}  // namespace mathnas::benchmark
