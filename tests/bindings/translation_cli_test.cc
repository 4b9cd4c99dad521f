// Translation networks on the command line: a forward pass against the golden file, counting, training and going on,
// evaluation with BLEU, and bad input with its line.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "tests/bindings/numbers_text.h"
#include "tests/bindings/process.h"
#include "tests/supernet/golden.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

constexpr const char* kNetwork =
    R"({"encoder": {"encoder_embed_dim": 128, "encoder_layer_num": 3, "encoder_ffn_embed_dim": 256,)"
    R"( "encoder_self_attention_heads": 4}, "decoder": {"decoder_embed_dim": 128, "decoder_layer_num": 1,)"
    R"( "decoder_ffn_embed_dim": 256, "decoder_self_attention_heads": 4, "decoder_ende_attention_heads": 4,)"
    R"( "decoder_arbitrary_ende_attn": -1}})";

TEST(TranslationCli, ForwardOfTheGoldenFile) {
  const json file = supernet::LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json");
  for (const char* name : {"hat_wmt_titanxp57", "hat_iwslt_137"}) {
    const json& golden = file[name];
    const json forward =
        Ok({"forward", "supertransformer", "--task", golden["space"], "--vocabulary", "100", "--subnet",
            golden["config"].dump(), "--weights", "synthetic", "--source", golden["src"].dump(), "--previous",
            golden["prev"].dump(), "--activation", "encoder5", "--json"});
    EXPECT_EQ(forward["output"]["shape"], golden["logits"]["shape"]);
    const auto logits = forward["output"]["data"].get<std::vector<double>>();
    const double l2 = golden["logits"]["l2"];
    EXPECT_NEAR(supernet::L2(logits), l2, 1e-4 * l2);
    EXPECT_NEAR(forward["activations"]["encoder5"]["l2"].get<double>(), golden["encoder_out"]["l2"].get<double>(),
                1e-4 * golden["encoder_out"]["l2"].get<double>());
  }
}

TEST(TranslationCli, ForwardRefusesTokens) {
  const auto refused = [](const std::string& source, const std::string& previous, const std::string& what) {
    ExpectRefused({"forward", "supertransformer", "--task", "small", "--vocabulary", "100", "--subnet", kNetwork,
                   "--source", source, "--previous", previous},
                  what);
  };
  refused("[[5,100]]", "[[2]]", "--source: row 0: token 100, expected 0 to 99");
  refused("[[5,2],[7,2]]", "[[2,4],[2,-1]]", "--previous: row 1: token -1, expected 0 to 99");
  refused("[[5,2],[2]]", "[[2],[2]]", "--source: row 1 is not a list of 2 ids as row 0");
  refused("[[5,2]]", "[[2],[2]]", "--previous: 2 rows, expected 1, as many as --source");
  refused("[[5,\"a\"]]", "[[2]]", "--source: row 0: \"a\" is no token id");
  refused("[[5,2]]", "[]", "--previous: no list of lists");
  ExpectRefused({"forward", "nasbench201", "--subnet", "[3,3,3,1,3,3]", "--source", "[[2]]"},
                "--source, --previous: nasbench201 reads images");
}

// spec/search-spaces.md 4.4.
TEST(TranslationCli, Counts) {
  const json golden = supernet::LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json")["hat_wmt_titanxp57"];
  const json counted = Ok({"count", "supertransformer", "--subnet", golden["config"].dump(), "--json"});
  EXPECT_EQ(counted["parameters"], 30465536);
  EXPECT_NEAR(counted["flops"].get<double>(), 1.87e9, 5e6);
  EXPECT_GT(counted["activation_bytes"].get<int64_t>(), 30 * 3072 * 4);
}

class TrainedOnNumbers : public testing::Test {
 protected:
  void SetUp() override { WriteNumbers(folder_ / "text", 400); }
  std::vector<std::string> Train(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"train",        "supertransformer",
                                          "--task",       "small",
                                          "--data",       "parallel:" + (folder_ / "text"),
                                          "--out",        folder_ / out,
                                          "--vocabulary", "64",
                                          "--tokens",     "256",
                                          "--updates",    "6",
                                          "--json"};
    // Options that are given again take the place of these.
    for (size_t i = 0; i < more.size(); ++i) {
      const auto found = std::find(arguments.begin(), arguments.end(), more[i]);
      if (found == arguments.end() || i + 1 == more.size()) {
        arguments.push_back(more[i]);
      } else {
        *(found + 1) = more[++i];
      }
    }
    return arguments;
  }
  const TemporaryFolder folder_;
};

TEST_F(TrainedOnNumbers, ASupernetAndItsNetworks) {
  const json trained = Ok(Train("supernet"));
  EXPECT_EQ(trained["pairs"], 400);
  EXPECT_EQ(trained["unknown_tokens"], 0);
  EXPECT_GT(trained["epochs"][0]["loss"].get<double>(), 1);
  EXPECT_EQ(trained["recipe"]["optimizer"], "fairseq-adam");
  EXPECT_TRUE(std::filesystem::exists(folder_ / "supernet/vocabulary.model"));
  ExpectRefused(Train("supernet"), "exists; go on with --resume");
  EXPECT_EQ(Ok(Train("supernet", {"--resume"}))["epochs"], trained["epochs"]);
  ExpectRefused(Train("supernet", {"--resume", "--dropout", "0.3"}), "cannot resume with another recipe");

  const std::vector<std::string> evaluate = {"evaluate",
                                             "--checkpoint",
                                             folder_ / "supernet/checkpoint.safetensors",
                                             "--data",
                                             "parallel:" + (folder_ / "text"),
                                             "--json"};
  ExpectRefused(evaluate, "is a supernet: --subnet says which of its networks");
  std::vector<std::string> one = evaluate;
  one.insert(one.end(), {"--subnet", kNetwork, "--translations", folder_ / "said.txt", "--beam", "2"});
  const json evaluated = Ok(one);
  EXPECT_EQ(evaluated["pairs"], 40);
  EXPECT_EQ(evaluated["sentences"], 40);
  EXPECT_EQ(evaluated["beam"], 2);
  EXPECT_GE(evaluated["bleu"].get<double>(), 0);
  EXPECT_NEAR(evaluated["perplexity"].get<double>(), std::exp(evaluated["loss"].get<double>()), 1e-9);
  std::ifstream said(folder_ / "said.txt");
  int lines = 0;
  for (std::string line; std::getline(said, line);) ++lines;
  EXPECT_EQ(lines, 40);

  // Vocabularies of another run.
  Ok(Train("other", {"--vocabulary", "48"}));
  std::filesystem::copy_file(folder_ / "other/vocabulary.model", folder_ / "supernet/vocabulary.model",
                             std::filesystem::copy_options::overwrite_existing);
  ExpectRefused(one, "trained with other vocabularies than those beside it");
  std::filesystem::remove(folder_ / "supernet/vocabulary.model");
  ExpectRefused(one, "its vocabularies are missing");
}

TEST_F(TrainedOnNumbers, ANetworkFromItsPartOfASupernet) {
  const json supernet = Ok(Train("supernet"));
  const json network = Ok(Train("network", {"--subnet", kNetwork, "--from", folder_ / "supernet/checkpoint.safetensors",
                                            "--source-vocabulary-file", folder_ / "supernet/vocabulary.model",
                                            "--updates", "500", "--lr", "0.0015", "--warmup-updates", "50"}));
  const json evaluated = Ok({"evaluate", "--checkpoint", folder_ / "network/checkpoint.safetensors", "--data",
                             "parallel:" + (folder_ / "text"), "--json"});
  EXPECT_GT(evaluated["bleu"].get<double>(), 20);
  EXPECT_LT(evaluated["loss"].get<double>(), supernet["epochs"][0]["loss"].get<double>());
}

TEST_F(TrainedOnNumbers, BadText) {
  const auto refused = [&](const std::vector<std::string>& more, const std::string& what) {
    ExpectRefused(Train("bad", more), what);
  };
  refused({"--task", "large"}, "--task: task \"large\": expected wmt, iwslt, small");
  refused({"--widths", "128128,130128"}, "widths[1]: 130128");
  refused({"--dropout", "1.5"}, "dropout: 1.5, expected 0 to 0.999");
  refused({"--resolutions", "192"}, "--resolutions: supertransformer has no such parameter");
  refused({"--source-vocabulary-file", folder_ / "none.model"}, "none.model");
  std::ofstream(folder_ / "text/train.de", std::ios::app) << "eins zwei\n";
  refused({}, "401");
  std::ofstream(folder_ / "text/train.en", std::ios::app) << "\n";
  refused({"--stop-at-damage"}, "train.en:401");
  EXPECT_EQ(Ok(Train("good"))["pairs"], 400);
}

}  // namespace
}  // namespace mathnas::cli
