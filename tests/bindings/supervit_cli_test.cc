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

// The small task is the published recipe at other sizes; what is drawn for images is left to photographs.
TEST(SuperVitCli, TrainsTheSmallTask) {
  const TemporaryFolder folder;
  std::vector<std::string> run = {"train",          "supervit",
                                  "--task",         "small",
                                  "--data",         "synthetic:N=8,test=2,size=16,classes=3",
                                  "--out",          folder / "run",
                                  "--batch",        "4",
                                  "--epochs",       "1",
                                  "--mixup",        "0.4",
                                  "--cutmix",       "1",
                                  "--erasing",      "0.5",
                                  "--rand-augment", "rand-n2-m3-mstd0.5-inc1",
                                  "--drop-path",    "0.2",
                                  "--json"};
  const json trained = Ok(run);
  EXPECT_EQ(trained["macro"]["resolutions"], json({64}));
  const json recipe = trained["recipe"];
  EXPECT_EQ(recipe["sampling"], "sandwich");
  EXPECT_EQ(recipe["image_size"], 64);
  EXPECT_EQ(recipe["drop_path"], 0.2);
  EXPECT_EQ(recipe["rand_augment"], "rand-n2-m3-mstd0.5-inc1");
  EXPECT_EQ(recipe["erasing"], 0.5);
  EXPECT_EQ(recipe["mixing"], json({{"mixup", 0.4}, {"cutmix", 1}, {"switch", 0.5}}));
  // A run that goes on does so by the same recipe.
  run.push_back("--resume");
  EXPECT_EQ(Ok(run)["epochs"], trained["epochs"]);
  run[run.size() - 3] = "0.3";
  ExpectRefused(run, "recipe");
}

TEST(SuperVitCli, BadRecipes) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& space, std::vector<std::string> options, const std::string& words) {
    std::vector<std::string> run = {"train",   space, "--data", "synthetic:N=4,test=2,size=16,classes=3",
                                    "--batch", "2",   "--out",  folder / "run"};
    run.insert(run.end(), options.begin(), options.end());
    ExpectRefused(run, words);
  };
  refused("supervit", {"--task", "iwslt"}, "--task: \"iwslt\", expected imagenet or small");
  refused("nasbench201", {"--task", "small"}, "--task: nasbench201 has no such parameter");
  refused("supervit", {"--drop-path", "1"}, "drop path: 1, expected 0 to 0.999");
  refused("supervit", {"--drop-path", "-0.1"}, "drop path: -0.1, expected 0 to 0.999");
  refused("nasbench201", {"--drop-path", "0.1"}, "blocks of nasbench201 have no residual branches");
  refused("supervit", {"--rand-augment", "original-mstd0.5"},
          "--rand-augment: RandAugment \"original-mstd0.5\": expected");
  refused("nasbench201", {"--rand-augment", "rand-inc1"}, "have the size of the network and are not resized");
  refused("supervit", {"--erasing", "1.5"}, "erasing: 1.5, expected 0 to 1");
  refused("supervit", {"--mixup", "-1"}, "mixup: -1, expected 0 to 100");
  refused("supervit", {"--cutmix", "nan"}, "cutmix: nan, expected 0 to 100");
  refused("supervit", {"--mix-switch", "2"}, "mix switch: 2, expected 0 to 1");
  refused("supervit", {"--no-augment", "--mixup", "0.2"}, "--mixup");
  refused("supertransformer", {"--mixup", "0.2"}, "--mixup");
  refused("supertransformer", {"--drop-path", "0.2"}, "supertransformer reads sentences, not images");
}

TEST(SuperVitCli, BadInput) {
  json subnet = supernet::LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json")["nasvit_min_192"]["config"];
  subnet["width"][3] = 33;
  ExpectRefused({"count", "supervit", "--subnet", subnet.dump()}, "width[3]: 33, expected 32 or 40");
  ExpectRefused({"count", "supervit", "--width", "1.2", "--subnet", "{}"}, "--width: supervit has no such parameter");
  ExpectRefused({"count", "supervit", "--resolutions", "192,200", "--subnet", "{}"},
                "resolutions[1]: 200, expected a multiple of 32 from 64 to 288");
}

}  // namespace
}  // namespace mathnas::cli
