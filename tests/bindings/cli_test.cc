// The commands from outside: answers, exit statuses, and one clear line for every bad input.
#include <cmath>
#include <cstring>

#include "gtest/gtest.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

constexpr const char* kArch11 =
    R"({"arch": "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|"})";

TEST(Cli, HelpOfEveryCommandHasAnExample) {
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{{"space", "describe"},
                                                                                       {"forward"},
                                                                                       {"count"},
                                                                                       {"train"},
                                                                                       {"evaluate"},
                                                                                       {"profile"},
                                                                                       {"predict"},
                                                                                       {"search"},
                                                                                       {"sweep"},
                                                                                       {"search-network"},
                                                                                       {"run"},
                                                                                       {"bench", "step"},
                                                                                       {"bench", "inference"},
                                                                                       {"table", "import"},
                                                                                       {"table", "check"},
                                                                                       {"export"},
                                                                                       {"bench", "predict"},
                                                                                       {"bench", "sweep"},
                                                                                       {"bench", "switch"},
                                                                                       {"bench", "operator"},
                                                                                       {"bench", "block"},
                                                                                       {"bench", "network"},
                                                                                       {"bench", "shapes"},
                                                                                       {"bench", "compare"}}) {
    auto arguments = command;
    arguments.push_back("--help");
    const Finished help = RunProgram(arguments);
    EXPECT_EQ(help.exit_status, 0);
    EXPECT_NE(help.out.find("Example:\n  mathnas " + command[0]), std::string::npos) << help.out;
  }
}

TEST(Cli, SpaceDescribe) {
  const json space = RunProgram({"space", "describe", "nasbench201", "--json"}).json();
  EXPECT_EQ(space["networks"], 15625);
  ASSERT_EQ(space["nodes"].size(), 6);
  EXPECT_EQ(space["nodes"][0]["reference"], 3);
  EXPECT_EQ(space["nodes"][0]["candidates"],
            json({"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"}));
}

// spec/search-spaces.md 2.7, from the reference's own counter.
TEST(Cli, CountsOfTheSpecification) {
  const struct {
    const char* subnet;
    int64_t flops, parameters, image16_flops, image16_parameters;
  } rows[] = {{"[0,1,4,1,4,0]", 7783050, 73306, 1953400, 80456}, {"[4,2,1,2,1,1]", 15647370, 129306, 3919480, 136456},
              {kArch11, 113951370, 802426, 28495480, 809576},    {"[1,1,1,0,2,0]", 11715210, 101306, 2936440, 108456},
              {"[3,0,0,0,0,0]", 43172490, 316346, 0, 0},         {"[2,2,2,2,2,2]", 31376010, 241306, 0, 0},
              {"[3,0,3,1,0,1]", 78561930, 559386, 0, 0},         {"[3,3,3,3,3,3]", 220119690, 1531546, 0, 0}};
  for (const auto& row : rows) {
    const json counted = RunProgram({"count", "nasbench201", "--subnet", row.subnet, "--json"}).json();
    EXPECT_EQ(counted["flops"], row.flops) << row.subnet;
    EXPECT_EQ(counted["macs"], row.flops - 10) << row.subnet;
    EXPECT_EQ(counted["parameters"], row.parameters) << row.subnet;
    EXPECT_GT(counted["activation_bytes"], 0);
    int64_t sum = 0;
    for (const auto& [block, flops] : counted["by_block"]["flops"].items()) sum += flops.get<int64_t>();
    EXPECT_EQ(sum, row.flops);
    const json cifar100 =
        RunProgram({"count", "nasbench201", "--subnet", row.subnet, "--classes", "100", "--json"}).json();
    EXPECT_EQ(cifar100["flops"], row.flops + 5850);
    EXPECT_EQ(cifar100["parameters"], row.parameters + 5850);
    if (row.image16_flops == 0) continue;
    const json image16 =
        RunProgram({"count", "nasbench201", "--subnet", row.subnet, "--classes", "120", "--size", "16", "--json"})
            .json();
    // The specification gives MFLOPs to five decimals.
    EXPECT_NEAR(image16["flops"].get<double>(), static_cast<double>(row.image16_flops), 10);
    EXPECT_EQ(image16["parameters"], row.image16_parameters);
  }
}

TEST(Cli, ForwardGivesTheGoldenLogits) {
  const Finished run = RunProgram({"forward", "nasbench201", "--subnet", kArch11, "--weights", "synthetic", "--input",
                                   "synthetic", "--shape", "1x3x32x32", "--activation", "cells.5", "--json"});
  ASSERT_EQ(run.exit_status, 0) << run.err;
  const json answer = run.json();
  EXPECT_EQ(answer["output"]["shape"], json({1, 10}));
  const double expected[] = {-1.0219520467712786, 1.3039461378001809, 2.339221046974279, 0.5066894137492662,
                             0.9523848323813591};
  for (int i = 0; i < 5; ++i) EXPECT_NEAR(answer["output"]["data"][i].get<double>(), expected[i], 1e-4 * 3.9) << i;
  EXPECT_EQ(answer["activations"]["cells.5"]["shape"], json({1, 32, 16, 16}));
  EXPECT_NEAR(answer["activations"]["cells.5"]["sum"].get<double>(), 672.1177230644803, 0.07);
  EXPECT_NEAR(answer["activations"]["cells.5"]["l2"].get<double>(), 70.0292828235486, 0.007);
}

// Bad input: exit status 2, nothing on stdout, one line on stderr that has this in it.
struct BadInput {
  std::vector<std::string> arguments;
  std::string error;
};

TEST(Cli, BadInputIsOneClearLine) {
  const TemporaryFolder folder;
  std::ofstream(folder / "truncated.safetensors", std::ios::binary).write("\x10\0\0\0\0\0\0\0{\"a\"", 12);
  std::ofstream(folder / "text.json") << "{\"format\": \"mathnas-block-table/1\", ";
  std::filesystem::create_directory(folder / "images");
  for (const char* name :
       {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}) {
    std::ofstream(folder / "images/" + name) << "no IDX file";
  }
  const std::string small = "synthetic:N=64,test=16,size=8,channels=1,classes=3";
  const BadInput cases[] = {
      {{"count", "nasbench202", "--subnet", "[3,3,3,3,3,3]"}, "nasbench202"},
      {{"count", "nasbench201", "--subnet", "[3,3,3,3,3]"}, "5 codes, expected 6"},
      {{"count", "nasbench201", "--subnet", "[3,3,3,3,3,7]"}, "subnet[5]: 7, expected an integer from 0 to 4"},
      {{"count", "nasbench201", "--subnet", R"({"arch": "|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|"})"},
       "edge 1<-0: expected one of none, skip_connect"},
      {{"count", "nasbench201", "--subnet", R"({"arch": "|none~0|+|none~0|none~1|+|none~0|none~1|none~2"})"},
       "\"|\" and then the end"},
      {{"count", "nasbench201", "--subnet", "@" + (folder / "missing.json")}, "missing.json"},
      {{"count", "nasbench201", "--subnet", "[3,3,3,3,3,3]", "--classes", "-1"}, "classes: -1, expected 1 to"},
      {{"count", "nasbench201", "--subnet", "[3,3,3,3,3,3]", "--size", "30"}, "expected multiples of 4"},
      {{"count", "nasbench201"}, "--subnet"},
      {{"count", "nasbench201", "--subnet", "[3,3,3,3,3,3]", "--threads", "0"}, "--threads"},
      {{"count", "nasbench201", "--subnet", "[3,3,3,3,3,3]", "--device", "tpu"}, "--device"},
      {{"forward", "nasbench201", "--subnet", "[3,3,3,3,3,3]", "--shape", "1x3x32"}, "--shape 1x3x32: expected"},
      {{"forward", "nasbench201", "--subnet", "[3,3,3,3,3,3]", "--activation", "cells.99"},
       "--activation cells.99: expected one of"},
      {{"forward", "nasbench201", "--subnet", "[3,3,3,3,3,3]", "--weights", folder / "truncated.safetensors"},
       "truncated.safetensors"},
      {{"forward", "nasbench201", "--subnet", "[3,3,3,3,3,3]", "--device", "cuda"}, "cuda"},
      {{"train", "nasbench201", "--data", "no-such-set", "--out", folder / "x"}, "no-such-set"},
      {{"train", "nasbench201", "--data", folder / "images", "--out", folder / "x"}, "train-images-idx3-ubyte"},
      {{"train", "nasbench201", "--data", small, "--out", folder / "x", "--batch", "65"}, "batch"},
      {{"train", "nasbench201", "--data", small, "--out", folder / "x", "--batch", "0"}, "batch"},
      {{"train", "nasbench201", "--data", small, "--out", folder / "x", "--epochs", "0"}, "epochs: 0"},
      {{"train", "nasbench201", "--data", small, "--out", folder / "x", "--lr", "nan"}, "lr"},
      {{"train", "nasbench201", "--data", small, "--out", folder / "x", "--sampling", "greedy"},
       "expected full, uniform, fair or sandwich"},
      {{"train", "nasbench201", "--data", small, "--out", folder / "x", "--classes", "4"},
       "3 classes, the network has 4"},
      {{"train", "nasbench201", "--data", small, "--out", folder / "x", "--size", "16"},
       "8x8x1, the network takes 16x16x1"},
      {{"train", "nasbench201", "--data", small, "--out", "/proc/none"}, "/proc/none"},
      {{"evaluate", "--checkpoint", folder / "truncated.safetensors", "--data", small}, "truncated.safetensors"},
      {{"evaluate", "--checkpoint", folder / "none.safetensors", "--data", small}, "none.safetensors"},
      {{"profile", "--checkpoint", folder / "truncated.safetensors", "--data", small, "--out", folder / "t.json"},
       "truncated"},
      {{"search", "--table", folder / "text.json"}, "text.json"},
      {{"search", "--table", folder / "none.json"}, "none.json"},
      {{"predict", "--table", folder / "text.json", "--all"}, "text.json"},
      {{"sweep", "--table", folder / "text.json"}, "text.json"},
      {{"run", folder / "truncated.safetensors"}, "truncated.safetensors"},
      {{"search-network", "nasbench201", "--data", small, "--out", folder / "y", "--validation", "64"}, "validation"},
      {{"search-network", "nasbench201", "--data", small, "--out", folder / "y", "--limit", "latency<5"}, "latency<5"},
      {{"no-such-command"}, "no-such-command"},
      {{}, "subcommand"},
  };
  for (const auto& [arguments, error] : cases) ExpectRefused(arguments, error);
}

// A table small enough to work out by hand.
constexpr const char* kTable = R"({"format": "mathnas-block-table/1", "space": "hand",
    "nodes": [{"name": "a", "candidates": ["x", "y"], "reference": 1}, {"name": "b", "candidates": ["p", "q"], "reference": 0}],
    "metrics": {"accuracy": {"unit": "%", "goal": "max", "form": "saving", "base": 80, "values": [[4, 0], [0, 1]]},
                "latency": {"unit": "ms", "goal": "min", "form": "cost", "base": 5, "values": [[1, 2], [10, 20]]}}})";

void WriteFile(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

TEST(Cli, PredictsTheChoicesOfAFile) {
  const TemporaryFolder folder;
  const std::string table = folder / "table.json";
  WriteFile(table, kTable);
  WriteFile(folder / "choices.csv", "0,0\n1, 1\n\n0,1\r\n");
  WriteFile(folder / "choices.u8", std::string("\0\0\1\1\0\1", 6));
  WriteFile(folder / "choices.u16", std::string("\0\0\0\0\1\0\1\0\0\0\1\0", 12));
  for (const char* file : {"choices.csv", "choices.u8", "choices.u16"}) {
    const json predicted =
        RunProgram({"predict", "--table", table, "--choices", folder / file, "--estimator", "linear", "--json"}).json();
    EXPECT_EQ(predicted["metrics"], json({"accuracy", "latency"}));
    EXPECT_EQ(predicted["values"], json({{76, 16}, {79, 27}, {75, 26}})) << file;
  }
  const std::string values = folder / "values.f32";
  EXPECT_EQ(RunProgram({"predict", "--table", table, "--choices", folder / "choices.u8", "--metrics", "latency",
                        "--values", values})
                .exit_status,
            0);
  const std::string bytes = ReadFile(values);
  ASSERT_EQ(bytes.size(), 12u);
  float latency[3];
  std::memcpy(latency, bytes.data(), sizeof latency);
  EXPECT_EQ(std::vector<float>(latency, latency + 3), (std::vector<float>{16, 27, 26}));

  WriteFile(folder / "range.csv", "0,0\n1,2\n");
  WriteFile(folder / "short.csv", "0,0\n1\n");
  WriteFile(folder / "odd.u8", "abc");
  for (const auto& [file, error] : {std::pair{"range.csv", "choices[1][1]: expected a candidate index from 0 to 1"},
                                    {"short.csv", "short.csv:2: expected 2 candidate numbers"},
                                    {"odd.u8", "expected rows of 2 bytes"},
                                    {"none.csv", "none.csv: cannot be read"}}) {
    const Finished run = RunProgram({"predict", "--table", table, "--choices", folder / file, "--estimator", "linear"});
    EXPECT_EQ(run.exit_status, 2);
    EXPECT_NE(run.err.find(error), std::string::npos) << run.err;
  }
}

TEST(Cli, SweepsASpace) {
  const TemporaryFolder folder;
  const std::string table = folder / "table.json";
  WriteFile(table, kTable);
  const json swept = RunProgram({"sweep", "--table", table, "--limit", "latency<=26", "--estimator", "linear", "--top",
                                 "2", "--forbid", "a=y", "--json"})
                         .json();
  EXPECT_EQ(swept["networks"], 2);
  EXPECT_EQ(swept["within"], 2);
  EXPECT_EQ(swept["ranges"], json({{"accuracy", {75, 76}}, {"latency", {16, 26}}}));
  EXPECT_EQ(swept["best"][0]["names"], json({"x", "p"}));
  EXPECT_EQ(swept["best"][1]["objective"], 75);
  const Finished none =
      RunProgram({"sweep", "--table", table, "--limit", "latency<=1", "--estimator", "linear", "--json"});
  EXPECT_EQ(none.exit_status, 1);
  EXPECT_EQ(none.json()["within"], 0);
}

// The whole chain on data so small that it takes seconds: what one command leaves is what the next takes.
TEST(Cli, EveryStageTakesWhatTheOneBeforeLeaves) {
  const TemporaryFolder folder;
  const std::string data = "synthetic:N=512,test=128,size=8,channels=1,classes=3";
  const auto ok = [](const std::vector<std::string>& arguments) {
    const Finished run = RunProgram(arguments);
    EXPECT_EQ(run.exit_status, 0) << arguments[0] << ": " << run.err;
    return run.json();
  };
  ok({"train", "nasbench201", "--data", data, "--out", folder / "train", "--cells", "1", "--channels", "4", "--batch",
      "64", "--epochs", "2", "--validation", "128", "--json"});
  const std::string checkpoint = folder / "train/checkpoint.safetensors", table = folder / "table.json";
  const json evaluated =
      ok({"evaluate", "--checkpoint", checkpoint, "--subnet", "[3,3,3,1,3,3]", "--data", data, "--json"});
  EXPECT_EQ(evaluated["images"], 128);
  const json profiled = ok({"profile", "--checkpoint", checkpoint, "--data", data, "--out", table, "--validation",
                            "128", "--latency-rounds", "10", "--json"});
  EXPECT_EQ(profiled["format"], "mathnas-block-table/1");
  for (const char* metric : {"accuracy", "latency", "energy", "flops", "parameters", "memory"}) {
    EXPECT_TRUE(profiled["metrics"].contains(metric)) << metric;
  }
  EXPECT_EQ(profiled["metrics"]["flops"]["values"][0][0], 0);
  const json predicted =
      ok({"predict", "--table", table, "--choice", "[2,2,2,2,2,2]", "--flops-fixed", "include", "--json"});
  EXPECT_GT(predicted["predicted"]["latency"], 0);
  const json all = ok({"predict", "--table", table, "--all", "--estimator", "linear", "--json"});
  EXPECT_EQ(all["networks"].size(), 15625);
  const double latency = predicted["predicted"]["latency"];
  const json found = ok({"search", "--table", table, "--limit", "latency<=" + std::to_string(latency), "--flops-fixed",
                         "include", "--json"});
  EXPECT_EQ(found["status"], "optimal");
  EXPECT_LE(found["predicted"]["latency"], latency + 1e-6);
  // Not of a measured metric: its sums may come out below any limit on a busy machine.
  const Finished impossible = RunProgram({"search", "--table", table, "--limit", "parameters<=0.000001", "--json"});
  EXPECT_EQ(impossible.exit_status, 1);
  EXPECT_EQ(impossible.json()["status"], "infeasible");
  EXPECT_FALSE(impossible.json()["conflict"].empty());

  // Learning from networks measured whole.
  const Finished unlearned = RunProgram({"search", "--table", table, "--estimator", "interaction"});
  EXPECT_EQ(unlearned.exit_status, 2);
  EXPECT_NE(unlearned.err.find("mathnas profile --estimator interaction"), std::string::npos) << unlearned.err;
  const std::string whole = folder / "whole.json";
  const json evaluated_whole =
      ok({"profile", "--checkpoint", checkpoint, "--data", data, "--out", whole, "--validation", "128", "--metrics",
          "accuracy,parameters", "--estimator", "interaction", "--evaluations", "12", "--json"});
  EXPECT_EQ(evaluated_whole["metrics"]["accuracy"]["evaluations"].size(), 12);
  EXPECT_TRUE(evaluated_whole["metrics"]["accuracy"]["values"][0][0].is_null());
  const json learned = ok({"predict", "--table", whole, "--all", "--estimator", "interaction", "--json"});
  EXPECT_EQ(learned["estimator"], "interaction");
  const json best = ok({"search", "--table", whole, "--limit", "flops<=0.2", "--estimator", "interaction", "--json"});
  EXPECT_EQ(best["estimator"], "interaction");
  double most = 0;
  for (const json& n : learned["networks"]) {
    if (n["predicted"]["accuracy"].is_number() && n["predicted"]["flops"] <= 0.2)
      most = std::max(most, n["predicted"]["accuracy"].get<double>());
  }
  EXPECT_EQ(best["objective"].get<double>(), most);
  const json one =
      ok({"predict", "--table", whole, "--choice", best["choice"].dump(), "--estimator", "interaction", "--json"});
  EXPECT_EQ(one["predicted"]["accuracy"].get<double>(), most);
  const json learned_job = ok({"search-network",
                               "nasbench201",
                               "--data",
                               data,
                               "--out",
                               folder / "learned",
                               "--checkpoint",
                               checkpoint,
                               "--validation",
                               "128",
                               "--latency-rounds",
                               "5",
                               "--audit",
                               "6",
                               "--fine-tune-epochs",
                               "1",
                               "--batch",
                               "64",
                               "--estimator",
                               "interaction",
                               "--evaluations",
                               "10",
                               "--json"});
  EXPECT_EQ(learned_job["search"]["estimator"], "interaction");
  EXPECT_NE(ReadFile(folder / "learned/report.html").find("10 networks were measured whole"), std::string::npos);

  const json job = ok({"search-network", "nasbench201", "--data", data, "--out", folder / "job", "--checkpoint",
                       checkpoint, "--validation", "128", "--latency-rounds", "10", "--audit", "6",
                       "--fine-tune-epochs", "1", "--batch", "64", "--json"});
  for (const char* file : {"network.mathnas", "table.json", "report.html", "result.json"}) {
    EXPECT_TRUE(std::filesystem::exists(folder / "job/" + file)) << file;
  }
  const json run = ok({"run", folder / "job", "--data", data, "--runs", "5", "--json"});
  EXPECT_EQ(run["output"]["shape"], json({1, 3}));
  EXPECT_NEAR(run["accuracy"].get<double>(), job["test_accuracy"].get<double>(), 1e-9);
}

}  // namespace
}  // namespace mathnas::cli
