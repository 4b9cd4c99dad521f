// The once-for-all space on the command line: the main job over five nodes and two resolutions, what it leaves behind,
// and bad input.
#include <cmath>
#include <fstream>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "tests/bindings/block_set.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

// As many as make the test a matter of seconds.
const std::string kData = "synthetic:N=64,test=32,size=16,classes=4";

TEST(ElasticCli, MainJobOverTwoResolutions) {
  const TemporaryFolder folder;
  const std::string out = folder / "job", blocks = TwoEach(folder);
  const std::vector<std::string> measuring = {"--validation",          "16", "--recalibration-batches", "1",
                                              "--recalibration-batch", "16", "--latency-rounds",        "10"};
  std::vector<std::string> arguments = {
      "search-network",     "mobilenetv3", "--data",        kData,   "--out",       out,
      "--blocks",           blocks,        "--resolutions", "32,48", "--estimator", "eq6",
      "--epochs",           "1",           "--batch",       "16",    "--lr",        "0.02",
      "--fine-tune-epochs", "1",           "--audit",       "4",     "--json"};
  arguments.insert(arguments.end(), measuring.begin(), measuring.end());
  const json job = Ok(arguments);
  ASSERT_TRUE(job.is_object());
  EXPECT_EQ(job["search"]["status"], "optimal");
  const double resolution = job["search"]["shared"]["resolution"];
  EXPECT_TRUE(resolution == 32 || resolution == 48);
  EXPECT_GT(job["latency"]["median_ms"], 0);

  // The table holds both resolutions, and can be searched and predicted from.
  const std::string table = out + "/table.json";
  const json written = json::parse(ReadFile(table));
  EXPECT_EQ(written["structure"][0], (json{{"kind", "shared"}, {"name", "resolution"}, {"values", {32, 48}}}));
  EXPECT_EQ(written["metrics"]["latency"]["values"].size(), 2U);
  EXPECT_EQ(written["metrics"]["latency"]["base"].size(), 2U);
  const json fixed = Ok({"search", "--table", table, "--fix", "resolution=48", "--json"});
  EXPECT_EQ(fixed["shared"]["resolution"], 48);
  const json predicted = Ok({"predict", "--table", table, "--choice", fixed["choice"].dump(), "--json"});
  ASSERT_EQ(predicted["networks"].size(), 2U);
  EXPECT_EQ(predicted["networks"][1]["predicted"]["accuracy"], fixed["predicted"]["accuracy"]);

  // What is counted is what is predicted: MMAC of the blocks and the fixed part, by resolution.
  const json codes = {{"codes", fixed["choice"]}, {"resolution", 48}};
  const json counted = Ok({"count", "mobilenetv3", "--blocks", blocks, "--resolutions", "32,48", "--classes", "4",
                           "--subnet", codes.dump(), "--json"});
  EXPECT_NEAR(counted["flops"].get<double>() * 1e-6, fixed["predicted"]["flops"].get<double>(), 1e-4);
  EXPECT_NEAR(counted["parameters"].get<double>() * 1e-6, fixed["predicted"]["parameters"].get<double>(), 1e-9);

  // A network is evaluated by its choice as by its blocks.
  const auto evaluate = [&](const std::string& form, const json& subnet) {
    return Ok({"evaluate", "--checkpoint", out + "/supernet.safetensors", "--data", kData, "--recalibration-batches",
               "1", "--blocks", form, "--resolutions", "32,48", "--subnet", subnet.dump(), "--json"});
  };
  const json chosen = evaluate(blocks, codes), written_out = evaluate("layers", chosen["subnet"]);
  EXPECT_TRUE(chosen["subnet"].contains("ks")) << chosen["subnet"];
  EXPECT_EQ(chosen["loss"], written_out["loss"]);
  EXPECT_EQ(chosen["accuracy"], written_out["accuracy"]);
  EXPECT_EQ(chosen["images"], 32);

  // The deployed network sees images as it did when it was tested.
  const json run = Ok({"run", job["network"], "--runs", "3", "--data", kData, "--json"});
  EXPECT_EQ(run["output"]["shape"], json({1, 4}));
  EXPECT_DOUBLE_EQ(run["accuracy"], job["test_accuracy"]);
  // That of the network that was taken, which need not be the predicted optimum where that took longer when measured.
  EXPECT_EQ(run["information"]["subnet"], job["subnet"]);
  const std::string report = ReadFile(job["report"]);
  EXPECT_NE(report.find("at resolution "), std::string::npos);
  EXPECT_NE(report.find("d3-k555-e444"), std::string::npos);

  // The same supernet, other candidates.
  arguments = {"profile",
               "--checkpoint",
               out + "/supernet.safetensors",
               "--data",
               kData,
               "--out",
               folder / "table.json",
               "--resolutions",
               "64",
               "--metrics",
               "accuracy,flops",
               "--json"};
  arguments.insert(arguments.end(), measuring.begin(), measuring.end());
  const json single = Ok(arguments);
  EXPECT_FALSE(single.contains("structure") && !single["structure"].empty());
  EXPECT_EQ(single["nodes"].size(), 5U);
}

TEST(ElasticCli, SpaceAndOneInference) {
  const json space = Ok({"space", "describe", "mobilenetv3", "--blocks", "gpu", "--resolutions", "96", "--json"});
  EXPECT_EQ(space["networks"], 3125);
  ASSERT_EQ(space["nodes"].size(), 5U);
  EXPECT_EQ(space["nodes"][0]["candidates"][4], "d4-k5535-e6666");
  EXPECT_EQ(space["macro"]["blocks"]["name"], "gpu");
  // A network as codes and as blocks.
  const json codes = Ok({"forward", "mobilenetv3", "--blocks", "cpu", "--resolutions", "32", "--classes", "7",
                         "--shape", "1x3x32x32", "--subnet", "[0,0,0,0,0]", "--json"});
  const json blocks =
      Ok({"forward", "mobilenetv3", "--resolutions", "32", "--classes", "7", "--shape", "1x3x32x32", "--subnet",
          R"({"d": [2,3,3,3,2], "e": [4,3,3,3, 6,3,3,3, 3,3,3,3, 3,4,3,3, 6,3,3,3],
              "ks": [3,3,3,3, 5,3,3,3, 5,5,3,3, 3,3,3,3, 3,3,3,3]})",
          "--json"});
  EXPECT_EQ(codes["output"]["shape"], json({1, 7}));
  EXPECT_EQ(codes["output"], blocks["output"]);
  // The subnet says how large its images are.
  const json own = Ok({"forward", "mobilenetv3", "--subnet", R"({"ks":3,"e":3,"d":2,"resolution":32})", "--json"});
  EXPECT_EQ(own["output"]["shape"], json({1, 1000}));
}

TEST(ElasticCli, BadInput) {
  const TemporaryFolder folder;
  const auto count = [](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"count", "mobilenetv3", "--resolutions", "64,96"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  ExpectRefused(count({"--blocks", "tpu", "--subnet", "[0,0,0,0,0]"}), "expected cpu, gpu or a file");
  ExpectRefused(count({"--blocks", "cpu", "--subnet", "[0,0,0,0,9]"}), "codes[4]: 9, expected 0 to 4");
  ExpectRefused(count({"--blocks", "cpu", "--subnet", "[0,0,0,0]"}), "4 codes, expected 5");
  ExpectRefused(count({"--blocks", "cpu", "--subnet", R"({"codes": [0,0,0,0,0], "resolution": 128})"}),
                "resolution: 128, this space has 64, 96");
  ExpectRefused(count({"--subnet", R"({"ks": 3, "e": 3, "d": 2, "resolution": 128})"}),
                "resolution: 128, this space has 64, 96");
  for (const char* resolution : {"99999999999", "18446744073709551615", "-4"}) {
    const std::string subnet = fmt::format(R"({{"ks": 3, "e": 3, "d": 2, "resolution": {}}})", resolution);
    ExpectRefused({"forward", "mobilenetv3", "--subnet", subnet}, "expected a multiple of 4 from 32 to 1024");
  }
  ExpectRefused({"count", "nasbench201", "--blocks", "cpu", "--subnet", "[3,3,3,1,3,3]"},
                "nasbench201 has no such parameter");
  std::ofstream(folder / "bad.json") << R"({"format": "mathnas-block-set/1", "stages": [[], [], [], [], []]})";
  ExpectRefused(count({"--blocks", folder / "bad.json", "--subnet", "[0,0,0,0,0]"}), "stages[0]");
  ExpectRefused({"search-network", "mobilenetv3", "--data", kData, "--out", folder / "out", "--epochs", "1", "--batch",
                 "16", "--validation", "16"},
                "249 values, expected at most 32");
}

}  // namespace
}  // namespace mathnas::cli
