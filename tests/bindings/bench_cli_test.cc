// mathnas bench operator, block, network, shapes, compare: what they print and write, and what they refuse. No time is
// tested: regressions are made by editing the file that is compared with.
#include "gtest/gtest.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

constexpr const char* kSmall =
    R"({"arch": "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|"})";

TEST(BenchCommand, OperatorsAreMeasuredCheckedWrittenAndCompared) {
  if (!HasCpu()) GTEST_SKIP() << "no CPU kernels";
  const TemporaryFolder folder;
  std::ofstream(folder / "shapes.txt")
      << "# a comment\nconv2d h6 w6 c8 o16 k3 p1   # 2 x\n\nrelu n2 c64\nconv2d h6 w6 c8 o16 k3 p1\n";
  const Finished run = RunProgram({"bench",
                                   "operator",
                                   "linear n4 i8 o8 bias",
                                   "--shapes",
                                   folder / "shapes.txt",
                                   "--pass",
                                   "inference,backward",
                                   "--only",
                                   "conv2d",
                                   "--cache",
                                   "warm,cold",
                                   "--seconds",
                                   "0.01",
                                   "--correctness",
                                   "--out",
                                   folder / "new.json",
                                   "--csv",
                                   folder / "new.csv",
                                   "--plot",
                                   folder / "roof.svg",
                                   "--threads",
                                   "2",
                                   "--verbose",
                                   "--json"});
  ASSERT_EQ(run.exit_status, 0) << run.err;
  const json document = run.json();
  EXPECT_EQ(document["format"], "mathnas-bench/1");
  EXPECT_EQ(document["machine"]["threads"], 2);
  EXPECT_GT(document["peaks"]["gflops"], 0);
  ASSERT_EQ(document["records"].size(), 4u);  // one shape, two passes, two states of the caches
  for (const json& r : document["records"]) {
    EXPECT_EQ(r["name"], "conv2d h6 w6 c8 o16 k3 p1");
    EXPECT_EQ(r["correctness"]["correct"], true) << r;
    EXPECT_GT(r["median_us"], 0);
    const double once = 36.0 * 16 * 72;
    EXPECT_EQ(r["multiply_adds"], r["pass"] == "backward" ? 2 * once : once);
    EXPECT_FALSE(r["implementation"].get<std::string>().empty());
  }
  EXPECT_GT(document["caches"]["kernels"]["misses"], 0);
  EXPECT_GT(document["caches"]["kernels"]["capacity"], 0);
  EXPECT_EQ(json::parse(ReadFile(folder / "new.json"))["records"], document["records"]);
  EXPECT_TRUE(ReadFile(folder / "new.csv").starts_with("name,pass,type,cache,"));
  EXPECT_TRUE(ReadFile(folder / "roof.svg").starts_with("<svg "));

  // A run that is the same, one that got much slower, one of another machine.
  const auto compare = [&](const char* name, const json& old) {
    std::ofstream(folder / name) << old.dump();
    return RunProgram({"bench", "compare", folder / name, folder / "new.json", "--json"});
  };
  const json now = json::parse(ReadFile(folder / "new.json"));
  EXPECT_EQ(compare("same.json", now).exit_status, 0);
  json faster = now;
  for (json& r : faster["records"]) {
    for (const char* field : {"median_us", "lower_quartile_us", "upper_quartile_us", "minimum_us"}) {
      r[field] = r[field].get<double>() / 1000;
    }
  }
  faster["machine"]["processor"] = "Another";
  const Finished slower = compare("faster.json", faster);
  EXPECT_EQ(slower.exit_status, 1);
  EXPECT_EQ(slower.json()["slower"], 4);
  EXPECT_EQ(slower.json()["changes"][0]["verdict"], "slower");
  EXPECT_NE(slower.json()["warnings"][0].get<std::string>().find("another processor: Another before"),
            std::string::npos);

  const Finished again = RunProgram({"bench", "operator", "conv2d p=1 k=3 o=16 c=8 w=6 h=6 n=1", "--seconds", "0.01",
                                     "--compare", folder / "faster.json"});
  EXPECT_EQ(again.exit_status, 1) << again.err;
  EXPECT_NE(again.out.find("1 slower, 0 faster, 0 the same"), std::string::npos) << again.out;
  EXPECT_NE(again.out.find("only before: conv2d h6 w6 c8 o16 k3 p1, backward f32 warm"), std::string::npos)
      << again.out;
}

TEST(BenchCommand, NetworksAndBlocks) {
  if (!HasCpu()) GTEST_SKIP() << "no CPU kernels";
  const std::vector<std::string> network = {"nasbench201", "--channels", "4",    "--cells", "1", "--size",
                                            "8",           "--subnet",   kSmall, "--batch", "2"};
  const auto with = [&](std::vector<std::string> begin, std::vector<std::string> end) {
    begin.insert(begin.end(), network.begin(), network.end());
    begin.insert(begin.end(), end.begin(), end.end());
    return RunProgram(begin);
  };
  const Finished whole = with({"bench", "network"}, {"--pass", "inference,step", "--seconds", "0.01", "--json"});
  ASSERT_EQ(whole.exit_status, 0) << whole.err;
  EXPECT_EQ(whole.json()["records"].size(), 2u);
  const Finished blocks = with({"bench", "block"}, {"--pass", "forward", "--seconds", "0.005", "--json"});
  ASSERT_EQ(blocks.exit_status, 0) << blocks.err;
  EXPECT_GT(blocks.json()["records"].size(), 5u);

  const Finished shapes = with({"bench", "shapes"}, {"--pass", "step", "--json"});
  ASSERT_EQ(shapes.exit_status, 0) << shapes.err;
  EXPECT_GT(shapes.json()["lines"].size(), 10u);

  const TemporaryFolder folder;
  const Finished step = with({"bench", "step"}, {"--repetitions", "2", "--seconds", "0", "--by-operator", "--trace",
                                                 folder / "trace.json", "--verbose", "--json"});
  ASSERT_EQ(step.exit_status, 0) << step.err;
  EXPECT_GT(step.json()["operators"].size(), 20u);
  EXPECT_GE(step.json()["outside_share"], 0);
  EXPECT_LT(step.json()["outside_share"], 1);
  EXPECT_EQ(step.json()["caches"]["plans"]["misses"], 1);
  EXPECT_EQ(step.json()["caches"]["plans"]["capacity"], 64);
  const json trace = json::parse(ReadFile(folder / "trace.json"));
  EXPECT_GT(trace["traceEvents"].size(), 40u);
}

TEST(BenchCommand, BadInputIsOneClearLine) {
  const TemporaryFolder folder;
  std::ofstream(folder / "bad.txt") << "relu c8\n  conv2d n1 q3\n";
  std::ofstream(folder / "empty.txt") << "# nothing\n";
  std::ofstream(folder / "old.json") << R"({"format": "mathnas-bench/0"})";
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"operator"}, "nothing to measure: expected a line with a shape, or --shapes FILE"},
      {{"operator", "conv3d n1"}, "column 1: unknown operator \"conv3d\", expected one of conv2d, "},
      {{"operator", "conv2d n1 q3"}, "column 11: \"q3\": expected a key out of: n h w c o"},
      {{"operator", "conv2d n0 h4 w4 c4"}, "input 0 is 0x4x4x4, expected extents of at least 1"},
      {{"operator", "conv2d n-1"}, "column 8: \"n-1\": expected an integer, 0 to 16777216"},
      {{"operator", "relu n99999999999"}, "\"n99999999999\": expected an integer"},
      {{"operator", "relu n16777216 h16777216 w16777216"}, "the product of all sizes is more than 2^62"},
      {{"operator", "relu n16777216 h16777216"}, "expected less than 2^31 elements"},
      {{"operator", "add n2000000 c1024 terms1024"}, "MiB, expected at most"},
      {{"operator", "conv2d h3 w3 k5"}, "conv2d"},
      {{"operator", "zero c8", "--pass", "backward"}, "has no gradient"},
      {{"operator", "relu c8", "--pass", "sideways"}, "--pass: pass \"sideways\": expected inference, forward"},
      {{"operator", "relu c8", "--type", "bf16"}, "--type bf16: the device has no kernels of this type; expected f32"},
      {{"operator", "relu c8", "--cache", "tepid"}, "--cache"},
      {{"operator", "relu c8", "--seconds", "0"}, "--seconds"},
      {{"operator", "relu c8", "--only", "conv2d"}, "--only conv2d: no line has this operator"},
      {{"operator", "--shapes", folder / "bad.txt"}, "bad.txt:2: column 13: \"q3\""},
      {{"operator", "--shapes", folder / "empty.txt"}, "empty.txt: no line with a shape"},
      {{"operator", "--shapes", folder / "missing.txt"}, "missing.txt: cannot be read"},
      {{"operator", "relu c8", "--compare", folder / "missing.json"}, "missing.json: cannot be read"},
      {{"operator", "relu c8", "--compare", folder / "old.json"},
       "old.json: format: found \"mathnas-bench/0\", expected \"mathnas-bench/1\""},
      {{"compare", folder / "bad.txt", folder / "old.json"}, "bad.txt"},
      {{"block", "nasbench201", "--subnet", "[3,3,3,3,3,3]", "--block", "cells.99"},
       "block \"cells.99\": the inference"},
      {{"network", "nasbench201", "--subnet", "[3,3]"}, "expected 6"},
      {{"shapes", "nasbench201", "--subnet", "[3,3,3,3,3,3]", "--pass", "x"}, "--pass: pass \"x\""},
  };
  for (const auto& [arguments, error] : cases) {
    std::vector<std::string> words = {"bench"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    ExpectRefused(words, error);
  }
}

TEST(BenchCommand, LiveSwitchingComparesEveryAnswer) {
  if (!HasCpu()) GTEST_SKIP() << "no CPU kernels";
  const Finished run =
      RunProgram({"bench",      "switch", "nasbench201", "--channels", "4",          "--cells", "1",         "--size",
                  "8",          "--live", "--networks",  "4",          "--prepared", "2",       "--clients", "2",
                  "--switches", "40",     "--seconds",   "0.1",        "--threads",  "1",       "--json"});
  ASSERT_EQ(run.exit_status, 0) << run.err;
  EXPECT_EQ(run.json()["wrong"], 0);
  EXPECT_EQ(run.json()["lost"], 0);
  EXPECT_GE(run.json()["switches"], 40);
  EXPECT_GT(run.json()["requests"], 0);
  EXPECT_GT(run.json()["planned"]["count"], 0);
  EXPECT_GT(run.json()["new"]["count"], 0);
  EXPECT_EQ(run.json()["prepared_kept"], 2);
  const Finished resolutions = RunProgram({"bench", "switch", "mobilenetv3", "--resolutions", "32,64", "--live"});
  EXPECT_EQ(resolutions.exit_status, 2);
  EXPECT_NE(resolutions.err.find("--live: expected one resolution"), std::string::npos) << resolutions.err;
}

TEST(BenchStep, RandomNetworksArePlannedOneByOne) {
  if (!HasCpu()) GTEST_SKIP() << "no CPU kernels";
  const Finished run =
      RunProgram({"bench", "step", "nasbench201", "--subnet", "random", "--channels", "4", "--cells", "1", "--size",
                  "8", "--batch", "2", "--repetitions", "5", "--seconds", "0", "--json"});
  ASSERT_EQ(run.exit_status, 0) << run.err;
  const json document = run.json();
  EXPECT_EQ(document["subnet"], "random");
  EXPECT_EQ(document["repetitions"], 5);
  // In any step: networks that are alike would be planned once and then cost nothing.
  EXPECT_GT(document["planning_ms"], 0.01);
  EXPECT_GT(document["planning_share"], 0);
  EXPECT_LT(document["planning_share"], 1);

  const Finished refused = RunProgram({"bench", "step", "nasbench201", "--subnet", "random", "--by-operator"});
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_NE(refused.err.find("expected neither --by-operator nor --trace"), std::string::npos) << refused.err;
}

}  // namespace
}  // namespace mathnas::cli
