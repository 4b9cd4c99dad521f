// NASViT on the command line: a forward pass against the golden file, counting, and bad input.
#include <cmath>

#include "gtest/gtest.h"
#include "tests/bindings/process.h"
#include "tests/supernet/golden.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

TEST(SuperVitCli, ForwardResizesItsInput) {
  const json golden = supernet::LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json")["nasvit_min_192_from224"];
  const json forward = Ok({"forward", "supervit", "--subnet", golden["config"].dump(), "--shape", "2x3x224x224",
                           "--activation", "stage7.2", "--json"});
  ASSERT_EQ(forward["output"]["shape"], golden["summary"]["shape"]);
  const auto logits = forward["output"]["data"].get<std::vector<double>>();
  const double l2 = golden["summary"]["l2"];
  EXPECT_NEAR(supernet::L2(logits), l2, 1e-4 * l2);
  const auto first = golden["logits_first16"].get<std::vector<double>>();
  for (size_t i = 0; i < first.size(); ++i) EXPECT_NEAR(logits[i], first[i], 1e-4 * l2) << i;
  EXPECT_EQ(forward["activations"]["stage7.2"]["shape"], json({2, 208, 3, 3}));
}

// spec/search-spaces.md 5.7.
TEST(SuperVitCli, Counts) {
  const json smallest = supernet::LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json")["nasvit_min_192"]["config"];
  const json counted = Ok({"count", "supervit", "--subnet", smallest.dump(), "--json"});
  EXPECT_NEAR(counted["flops"].get<double>() / 1e6, 189.789, 5e-4);
  EXPECT_NEAR(counted["parameters"].get<double>() / 1e6, 8.7912, 5e-5);
}

// Two steps of the published recipe, a run that goes on, and what it left.
TEST(SuperVitCli, TrainsASupernet) {
  const TemporaryFolder folder;
  const std::vector<std::string> run = {
      "train",         "supervit",     "--data",   "synthetic:N=4,test=2,size=16,classes=3",
      "--out",         folder / "run", "--batch",  "2",
      "--resolutions", "192",          "--epochs", "1",
      "--image-size",  "48",           "--json"};
  const json trained = Ok(run);
  EXPECT_EQ(trained["recipe"]["sampling"], "sandwich");
  EXPECT_EQ(trained["recipe"]["optimizer"], "adamw");
  EXPECT_EQ(trained["recipe"]["average"], 0.99985);
  EXPECT_EQ(trained["recipe"]["image_size"], 48);
  EXPECT_NEAR(trained["recipe"]["lr"].get<double>(), 3e-4 * 2 / 512, 1e-12);
  EXPECT_EQ(trained["epochs"].size(), 1u);
  EXPECT_GT(trained["epochs"][0]["loss"].get<double>(), 0);
  std::vector<std::string> again = run;
  again.push_back("--resume");
  EXPECT_EQ(Ok(again)["epochs"], trained["epochs"]);
  ExpectRefused({"train", "nasbench201", "--data", "synthetic:N=4,size=8,classes=3", "--out", folder / "other",
                 "--sampling", "sandwich", "--batch", "2"},
                "nasbench201 has no largest and smallest network");
}

// From a trained supernet to a file that classifies as `evaluate` says, at a resolution of several; and a table of what
// is counted, whose networks share the resolution.
TEST(SuperVitCli, DeploysANetworkAtOneOfItsResolutions) {
  const TemporaryFolder folder;
  const std::string data = "synthetic:N=4,test=3,size=16,classes=3", out = folder / "network.mathnas";
  const std::string checkpoint = folder / "run/checkpoint.safetensors";
  Ok({"train", "supervit", "--data", data, "--out", folder / "run", "--batch", "4", "--resolutions", "192,224",
      "--epochs", "1", "--image-size", "32", "--average", "0", "--json"});
  json smallest = supernet::LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json")["nasvit_min_192"]["config"];
  smallest["resolution"] = 224;
  const std::string subnet = smallest.dump();
  ExpectRefused({"deploy", "--checkpoint", checkpoint, "--subnet", subnet, "--out", out}, "--data: missing");
  Ok({"deploy", "--checkpoint", checkpoint, "--subnet", subnet, "--data", data, "--recalibration-batches", "1", "--out",
      out, "--json"});
  const json evaluated = Ok({"evaluate", "--checkpoint", checkpoint, "--subnet", subnet, "--data", data,
                             "--recalibration-batches", "1", "--json"});
  const json run = Ok({"run", out, "--data", data, "--runs", "1", "--json"});
  EXPECT_DOUBLE_EQ(run["accuracy"], evaluated["accuracy"]);
  EXPECT_EQ(run["information"]["subnet"], evaluated["subnet"]);
  EXPECT_EQ(run["information"]["subnet"]["resolution"], 224);
  EXPECT_EQ(run["output"]["shape"], json({1, 3}));

  const json table = Ok({"profile", "--checkpoint", checkpoint, "--data", data, "--validation", "1", "--metrics",
                         "flops,parameters", "--out", folder / "table.json", "--json"});
  EXPECT_EQ(table["structure"], json::parse(R"([{"kind": "shared", "name": "resolution", "values": [192, 224]}])"));
  // A larger input is more work for every candidate.
  const json& flops = table["metrics"]["flops"]["values"];
  ASSERT_EQ(flops.size(), 2U);
  for (size_t i = 0; i < flops[0].size(); ++i) {
    for (size_t j = 0; j < flops[0][i].size(); ++j) {
      EXPECT_GT(flops[1][i][j].get<double>(), flops[0][i][j].get<double>()) << i << " " << j;
    }
  }
}

TEST(SuperVitCli, BadInput) {
  json subnet = supernet::LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json")["nasvit_min_192"]["config"];
  subnet["width"][3] = 33;
  ExpectRefused({"count", "supervit", "--subnet", subnet.dump()}, "width[3]: 33, expected 32 or 40");
  ExpectRefused({"count", "supervit", "--width", "1.2", "--subnet", "{}"}, "--width: supervit has no such parameter");
  ExpectRefused({"count", "supervit", "--resolutions", "192,200", "--subnet", "{}"},
                "resolutions[1]: 200, expected ascending ones of 192, 224, 256, 288");
}

}  // namespace
}  // namespace mathnas::cli
