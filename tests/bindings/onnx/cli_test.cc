// mathnas export --format onnx: of checkpoints and of deployed networks, what it says, and what it refuses.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "supernet/nasbench201/space.h"
#include "supernet/supertransformer/space.h"
#include "supernet/training/checkpoint.h"
#include "supernet/weights.h"
#include "tests/bindings/onnx/interpreter.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;
using onnx::testing::Array;

const std::string kData = "synthetic:N=64,test=16,size=8,channels=3,classes=4";
constexpr const char* kCell = "[3,2,1,3,4,0]";
std::vector<std::string> With(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// A checkpoint of deterministic weights, of the supernet or of one of its networks.
void SaveSynthetic(const std::string& path, const supernet::SearchSpace& space, const std::string& subnet) {
  supernet::Checkpoint checkpoint;
  checkpoint.space = space.name();
  checkpoint.macro = space.MacroJson();
  checkpoint.recipe = "{}";
  if (subnet.empty()) {
    checkpoint.weights = supernet::AllocateWeights(space.Supernet({.mode = supernet::Mode::kTraining}).graph);
  } else {
    const supernet::Choice choice = *space.ParseSubnet(subnet);
    checkpoint.subnet = space.SubnetJson(choice);
    checkpoint.weights = supernet::AllocateWeights(space.Network(choice, {}).graph);
  }
  supernet::FillSynthetic(checkpoint.weights);
  ASSERT_TRUE(supernet::SaveCheckpoint(path, checkpoint).ok());
}

class OnnxCli : public testing::Test {
 protected:
  void SetUp() override {
    const auto space = *supernet::NasBench201({.channels = 4, .cells = 1, .classes = 4, .height = 8, .width = 8});
    SaveSynthetic(Supernet(), *space, "");
    SaveSynthetic(Network(), *space, kCell);
    const auto translator = *supernet::SuperTransformer(
        {.task = supernet::supertransformer::Task::kSmall, .source_vocabulary = 24, .target_vocabulary = 24});
    SaveSynthetic(Translator(), *translator, translator->SubnetJson(translator->base()));
  }
  std::string Supernet() const { return folder_ / "supernet.safetensors"; }
  std::string Network() const { return folder_ / "network.safetensors"; }
  std::string Translator() const { return folder_ / "translator.safetensors"; }
  std::string Out() const { return folder_ / "out.onnx"; }
  json Export(const std::vector<std::string>& more) const {
    return Ok(With({"export", "--format", "onnx", "--out", Out(), "--json"}, more));
  }
  void Refused(const std::vector<std::string>& more, const std::string& what) const {
    ExpectRefused(With({"export", "--format", "onnx", "--out", Out()}, more), what);
    EXPECT_FALSE(std::filesystem::exists(Out()));
  }
  // The logits of two images of the generator.
  static std::vector<double> Run(const onnx::testing::File& file) {
    Array images = {onnx::testing::kFloat, {2, 3, 8, 8}};
    for (int i = 0; i < 2 * 3 * 64; ++i) {
      images.real.push_back(static_cast<float>(supernet::SyntheticValue("input", i)));
    }
    return onnx::testing::Run(file, {{"image", images}}).at("logits").real;
  }
  static void ExpectNear(const std::vector<double>& found, const std::vector<double>& expected) {
    double largest = 0;
    for (double v : expected) largest = std::max(largest, std::abs(v));
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-4 * largest) << i;
  }

  TemporaryFolder folder_;
};

TEST_F(OnnxCli, TheNetworkOfACheckpointAndTheDeployedOne) {
  const std::vector<double> expected = Ok({"forward", "nasbench201", "--subnet", kCell, "--weights", Network(),
                                           "--input", "synthetic", "--shape", "2x3x8x8", "--json"})["output"]["data"];
  for (const char* batch_norm : {"fold", "keep"}) {
    const json answer = Export({"--checkpoint", Network(), "--batch-norm", batch_norm});
    EXPECT_EQ(answer["opset"], 17);
    EXPECT_EQ(answer["statistics"], "of the network's own training");
    EXPECT_EQ(answer["files"][0]["file"], Out());
    EXPECT_EQ(answer["files"][0]["bytes"], std::filesystem::file_size(Out()));
    EXPECT_EQ(answer["files"][0]["inputs"],
              json::parse(R"([{"name": "image", "type": "float32", "shape": ["batch", "3", "8", "8"]}])"));
    EXPECT_EQ(answer["files"][0]["outputs"][0]["shape"], json({"batch", "4"}));
    const onnx::testing::File file = onnx::testing::ReadOnnx(Out());
    ExpectNear(Run(file), expected);
    EXPECT_EQ(file.initializers.contains("stem.0.weight"), std::string(batch_norm) == "keep");
    EXPECT_FALSE(file.metadata.contains("pixel_mean"));
  }
  const std::string deployed = folder_ / "deployed.mathnas";
  Ok({"deploy", "--checkpoint", Network(), "--mean", "1,2,3", "--std", "4", "--out", deployed, "--json"});
  std::filesystem::rename(deployed, folder_ / "network.mathnas");
  const json answer = Export({folder_.path(), "--batch", "2"});  // the folder of search-network
  EXPECT_EQ(answer["file"], Out());
  const onnx::testing::File file = onnx::testing::ReadOnnx(Out());
  ExpectNear(Run(file), expected);
  EXPECT_EQ(file.metadata.at("pixel_mean"), "[1.0,2.0,3.0]");
  EXPECT_EQ(file.inputs.at(0).shape[0], "2");
}

TEST_F(OnnxCli, ANetworkOfASupernetIsRecalibrated) {
  Refused({"--checkpoint", Supernet(), "--subnet", kCell}, "--data: missing, expected the data that " + Supernet());
  const json answer = Export({"--checkpoint", Supernet(), "--subnet", kCell, "--data", kData, "--batch-norm", "keep"});
  EXPECT_EQ(answer["statistics"], "recalibrated");
  const onnx::testing::File recalibrated = onnx::testing::ReadOnnx(Out());
  EXPECT_TRUE(recalibrated.metadata.contains("pixel_mean"));
  EXPECT_EQ(Export({"--checkpoint", Supernet(), "--subnet", kCell, "--as-is", "--batch-norm", "keep"})["statistics"],
            "of the supernet");
  const onnx::testing::File stale = onnx::testing::ReadOnnx(Out());
  EXPECT_EQ(stale.initializers.at("stem.0.weight").real, recalibrated.initializers.at("stem.0.weight").real);
  EXPECT_NE(stale.initializers.at("stem.1.running_mean").real,
            recalibrated.initializers.at("stem.1.running_mean").real);
}

TEST_F(OnnxCli, ATranslatorIsTwoFiles) {
  const json answer = Export({"--checkpoint", Translator(), "--beam", "4"});
  ASSERT_EQ(answer["files"].size(), 2U);
  EXPECT_FALSE(std::filesystem::exists(Out()));
  const onnx::testing::File encoder = onnx::testing::ReadOnnx(folder_ / "out.encoder.onnx");
  const onnx::testing::File decoder = onnx::testing::ReadOnnx(folder_ / "out.decoder.onnx");
  ASSERT_FALSE(encoder.outputs.empty());
  EXPECT_EQ(encoder.outputs[0].name, "memory.keys.0");
  EXPECT_EQ(encoder.outputs[0].shape[0], "sources");
  EXPECT_EQ(encoder.outputs[0].shape[1], "length_x3");  // of the largest network, three layers of the encoder
  EXPECT_EQ(decoder.outputs[0].name, "logits");
  EXPECT_EQ(decoder.outputs[0].shape, (std::vector<std::string>{"rows", "1", "24"}));
  EXPECT_EQ(decoder.outputs[1].name, "cache.keys.0.next");
}

TEST_F(OnnxCli, BadInput) {
  Refused({}, "--format onnx: expected NETWORK, a deployed one, or --checkpoint");
  Refused({"x.mathnas", "--checkpoint", Network()}, "expected NETWORK, a deployed one, or --checkpoint");
  Refused({"none.mathnas"}, "none.mathnas");
  Refused({Network()}, "format");
  Refused({"--checkpoint", folder_ / "none"}, "none");
  Refused({"--checkpoint", Supernet()}, "--subnet says which of its networks");
  Refused({"--checkpoint", Supernet(), "--subnet", "[3,2,1,3,4,7]", "--as-is"}, "7");
  Refused({"--checkpoint", Network(), "--subnet", "[0,0,0,0,0,0]"}, "is a network");
  Refused({"--checkpoint", Network(), "--batch-norm", "fuse"}, "--batch-norm fuse: expected fold or keep");
  Refused({"--checkpoint", Network(), "--image-size", "16"}, "image size 16: networks of nasbench201 do not resize");
  Refused({"--checkpoint", Network(), "--beam", "2"}, "--beam: nasbench201 reads images");
  Refused({"--checkpoint", Network(), "--table", "t.json"}, "--table: --format onnx is of a network");
  Refused({"--checkpoint", Translator(), "--batch", "2"}, "--batch: supertransformer reads sentences");
  std::ofstream(folder_ / "garbage") << "no such file";
  Refused({folder_ / "garbage"}, "garbage");
  ExpectRefused({"export", "--checkpoint", Network(), "--format", "onnx", "--out", folder_ / "none/out.onnx"},
                folder_ / "none/out.onnx");
  ExpectRefused({"export", "--checkpoint", Network(), "--format", "onnx", "--out", folder_.path()}, folder_.path());
  ExpectRefused({"export", "--checkpoint", Network(), "--format", "mps", "--out", Out()},
                "--checkpoint: --format mps is of a block table");
  ExpectRefused({"export", "--format", "lp", "--out", Out()}, "--table: missing, expected a block table");
  ExpectRefused({"export", "--table", "t.json", "--batch", "2", "--out", Out()}, "--batch: --format lp");
}

}  // namespace
}  // namespace mathnas::cli
