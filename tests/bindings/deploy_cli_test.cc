// Networks of images, deployed from checkpoints: they classify as `evaluate` says, whatever they need for it is asked
// for, and bad input.
#include <filesystem>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

const std::string kData = "synthetic:N=96,test=48,size=8,channels=1,classes=3";
constexpr const char* kCell = "[3,2,1,3,4,3]";

std::vector<std::string> With(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

class DeployCli : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    const std::vector<std::string> train = {"train", "nasbench201", "--data", kData,  "--cells", "1",     "--channels",
                                            "4",     "--batch",     "16",     "--lr", "0.05",    "--json"};
    Ok(With(train, {"--out", *folder_ / "supernet", "--epochs", "4"}));
    Ok(With(train, {"--out", *folder_ / "network", "--epochs", "4", "--subnet", kCell}));
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  static std::string Supernet() { return *folder_ / "supernet/checkpoint.safetensors"; }
  static std::string Network() { return *folder_ / "network/checkpoint.safetensors"; }
  static std::string File() { return *folder_ / "network.mathnas"; }
  static json Deploy(const std::string& checkpoint, const std::vector<std::string>& more) {
    return Ok(With({"deploy", "--checkpoint", checkpoint, "--out", File(), "--json"}, more));
  }
  static json Run(const std::vector<std::string>& more) {
    return Ok(With({"run", File(), "--runs", "1", "--json"}, more));
  }

  static TemporaryFolder* folder_;
};

TemporaryFolder* DeployCli::folder_ = nullptr;

// Both ways to bfloat16: when the file is written, and when it is run.
TEST_F(DeployCli, Bfloat16) {
  const std::vector<std::string> evaluate = {"evaluate", "--checkpoint", Network(),  "--data",
                                             kData,      "--precision",  "bfloat16", "--json"};
  setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
  const Finished limited = RunProgram(evaluate);
  unsetenv("ONEDNN_MAX_CPU_ISA");
  EXPECT_EQ(limited.exit_status, 2);
  EXPECT_NE(limited.err.find("--precision: bfloat16: expected a processor with AVX-512 BF16"), std::string::npos)
      << limited.err;

  const json deployed = Deploy(Network(), {"--data", kData, "--precision", "bfloat16"});
  EXPECT_EQ(deployed["precision"], "bfloat16");
  const Finished evaluation = RunProgram(evaluate);
  if (evaluation.err.find("expected a processor with AVX-512 BF16") != std::string::npos) {
    GTEST_SKIP() << evaluation.err;
  }
  ASSERT_EQ(evaluation.exit_status, 0) << evaluation.err;
  const json evaluated = evaluation.json(), loss = evaluated["float32"];
  EXPECT_GT(loss["largest_deviation"], 0);
  EXPECT_LT(loss["largest_deviation"], 0.05 * loss["largest_logit"].get<double>());
  const json run = Run({"--data", kData});
  EXPECT_EQ(run["precision"], "bfloat16");
  EXPECT_DOUBLE_EQ(run["accuracy"], evaluated["accuracy"]);
  const Finished wide = RunProgram({"run", File(), "--precision", "float32"});
  EXPECT_EQ(wide.exit_status, 2);
  EXPECT_NE(wide.err.find("the network is bfloat16, expected that or none"), std::string::npos) << wide.err;

  EXPECT_EQ(Deploy(Network(), {"--data", kData})["precision"], "float32");
  EXPECT_EQ(Run({})["precision"], "float32");
  const json lowered = Run({"--data", kData, "--precision", "bfloat16"});
  EXPECT_EQ(lowered["output"], run["output"]);
  EXPECT_EQ(lowered["accuracy"], run["accuracy"]);
  EXPECT_NE(RunProgram({"run", File(), "--precision", "half"}).err.find("expected float32, bfloat16 or float16"),
            std::string::npos);
}

// A file for a GPU can be written anywhere; the CPU does not run it.
TEST_F(DeployCli, Float16) {
  EXPECT_EQ(Deploy(Network(), {"--data", kData, "--precision", "float16"})["precision"], "float16");
  const Finished run = RunProgram({"run", File()});
  EXPECT_EQ(run.exit_status, 2);
  EXPECT_NE(run.err.find("element type F16: device cpu computes in F32"), std::string::npos) << run.err;
  const Finished other = RunProgram({"run", File(), "--precision", "bfloat16"});
  EXPECT_NE(other.exit_status, 0);
}

TEST_F(DeployCli, ANetworkOfASupernetIsRecalibrated) {
  const json deployed = Deploy(Supernet(), {"--subnet", kCell, "--data", kData});
  EXPECT_EQ(deployed["statistics"], "recalibrated");
  EXPECT_EQ(deployed["format"], "mathnas-network/1");
  const json evaluated = Ok({"evaluate", "--checkpoint", Supernet(), "--subnet", kCell, "--data", kData, "--json"});
  const json run = Run({"--data", kData});
  EXPECT_DOUBLE_EQ(run["accuracy"], evaluated["accuracy"]);
  EXPECT_EQ(run["information"]["subnet"], evaluated["subnet"]);
  EXPECT_EQ(run["information"]["cost"], deployed["cost"]);

  // As it is, it is another network.
  const json output = run["output"];
  EXPECT_EQ(Deploy(Supernet(), {"--subnet", kCell, "--data", kData, "--as-is"})["statistics"], "of the supernet");
  EXPECT_NE(Run({})["output"], output);
}

TEST_F(DeployCli, ANetworkOfItsOwnNeedsNoData) {
  EXPECT_EQ(Deploy(Network(), {"--data", kData})["statistics"], "of the network's own training");
  const json evaluated = Ok({"evaluate", "--checkpoint", Network(), "--data", kData, "--json"});
  const json run = Run({"--data", kData});
  EXPECT_DOUBLE_EQ(run["accuracy"], evaluated["accuracy"]);
  // The same with numbers in place of the data, which are those of the normalisation.
  const std::string pixels = *folder_ / "images.safetensors";
  EXPECT_EQ(Deploy(Network(), {"--mean", "10,", "--std", "2"})["pixels"], true);
  const json other = Run({});
  EXPECT_NE(other["output"], run["output"]);
  // Without either, pixels mean nothing, and are refused.
  EXPECT_EQ(Deploy(Network(), {})["pixels"], false);
  EXPECT_EQ(Run({})["output"]["shape"], json({1, 3}));
  ExpectRefused({"run", File(), "--data", kData}, "was deployed without what normalises pixels");
}

TEST_F(DeployCli, ImagesThatAreResized) {
  const std::string data = "synthetic:N=32,test=16,size=16,classes=3", supernet = *folder_ / "mobile";
  Ok({"train", "mobilenetv3", "--data", data, "--out", supernet, "--resolutions", "32", "--epochs", "1", "--batch",
      "16", "--lr", "0.02", "--json"});
  const std::string subnet = R"({"ks": 3, "e": 3, "d": 2, "resolution": 32})";
  const json deployed = Deploy(supernet + "/checkpoint.safetensors", {"--subnet", subnet, "--data", data});
  const json evaluated = Ok(
      {"evaluate", "--checkpoint", supernet + "/checkpoint.safetensors", "--subnet", subnet, "--data", data, "--json"});
  EXPECT_DOUBLE_EQ(Run({"--data", data})["accuracy"], evaluated["accuracy"]);
}

TEST_F(DeployCli, BadInput) {
  const std::string out = *folder_ / "none.mathnas";
  const auto refused = [&](const std::string& checkpoint, const std::vector<std::string>& more,
                           const std::string& what) {
    ExpectRefused(With({"deploy", "--checkpoint", checkpoint, "--out", out}, more), what);
    EXPECT_FALSE(std::filesystem::exists(out));
  };
  refused(Supernet(), {"--subnet", kCell}, "--data: missing, expected the data that " + Supernet() + " was trained on");
  refused(Supernet(), {"--data", kData}, "--subnet says which of its networks");
  refused(Supernet(), {"--subnet", kCell, "--data", "synthetic:N=16,size=9,channels=1,classes=3"}, "9");
  refused(Supernet(), {"--subnet", kCell, "--data", kData, "--beam", "4"}, "--beam: nasbench201 reads images");
  refused(Network(), {"--mean", "1"}, "--std: missing, expected --mean and --std together");
  refused(Network(), {"--mean", "1,2", "--std", "1,2"}, "mean: 2 values, expected 1 or 1");
  refused(Network(), {"--mean", "1", "--std", "0"}, "std");
  refused(Network(), {"--mean", "1", "--std", "1", "--data", kData}, "--mean, --std: expected none where --data");
  refused(Network(), {"--subnet", "[0,0,0,0,0,0]"}, "is a network");
}

}  // namespace
}  // namespace mathnas::cli
