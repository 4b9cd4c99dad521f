// `mathnas replay` on small tables made up here.
#include <zlib.h>

#include <algorithm>
#include <map>
#include <random>

#include "gtest/gtest.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

void WriteGzip(const std::string& path, const std::string& text) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, text.data(), static_cast<unsigned>(text.size())), static_cast<int>(text.size()));
  gzclose(file);
}

json Replay(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"replay", "--json"});
  const Finished run = RunProgram(arguments);
  EXPECT_EQ(run.exit_status, 0) << run.err;
  return run.json();
}

// Every cell; its accuracy says how many 3x3 and 1x1 convolutions it has, and where.
TEST(ReplayCommand, NasBench201) {
  const TemporaryFolder folder;
  const std::string ops[] = {"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"};
  std::string architectures = "index,arch_str,flops_m\n", accuracy = "accuracy,index\n";
  std::map<std::string, double> truth;
  for (int n = 0; n < 15625; ++n) {
    int op[6], rest = n;
    double flops = 1, value = 40;
    for (int e = 0; e < 6; ++e) {
      op[e] = rest % 5;
      rest /= 5;
      flops += op[e] == 3 ? 9 : op[e] == 2 ? 1 : 0;
      value += (op[e] == 3 ? 4 : op[e] == 2 ? 3 : op[e] == 1 ? 1 : 0) * (1 + 0.1 * e) + 1e-4 * (n % 97);
    }
    std::string arch = "|";
    for (int e = 0; e < 6; ++e) {
      constexpr int kFrom[] = {0, 0, 1, 0, 1, 2};
      if (e == 1 || e == 3) arch += "+|";
      arch += ops[op[e]] + "~" + std::to_string(kFrom[e]) + "|";
    }
    truth[arch] = value;
    architectures += std::to_string(n) + "," + arch + "," + std::to_string(flops) + "\n";
    accuracy += std::to_string(value) + "," + std::to_string(n) + "\n";
  }
  WriteGzip(folder / "a.csv.gz", architectures);
  std::ofstream(folder / "t.csv") << accuracy;
  const std::vector<std::string> files = {"--space", "nasbench201",    "--architectures", folder / "a.csv.gz",
                                          "--truth", folder / "t.csv", "--column",        "accuracy"};
  const double best = std::max_element(truth.begin(), truth.end(), [](const auto& a, const auto& b) {
                        return a.second < b.second;
                      })->second;
  for (const std::string estimator : {"linear", "eq5", "eq6", "full", "partial", "least-squares", "interaction"}) {
    SCOPED_TRACE(estimator);
    std::vector<std::string> arguments = files;
    arguments.insert(arguments.end(), {"--estimator", estimator, "--evaluations", "60", "--flops-fixed", "include"});
    const json r = Replay(arguments);
    EXPECT_EQ(r["estimator"], estimator);
    EXPECT_EQ(r["networks"], 15625);
    if (estimator == "full") {
      EXPECT_EQ(r["evaluations"], 15625);
      EXPECT_FALSE(r.contains("held_out"));
    } else {
      EXPECT_LE(r["evaluations"], 60);
      EXPECT_EQ(r["held_out"]["networks"], 15625 - r["evaluations"].get<int>());
      for (const char* key : {"spearman", "kendall", "rmse", "mae"}) EXPECT_TRUE(r["held_out"][key].is_number()) << key;
    }
    for (const char* key : {"spearman", "kendall", "rmse", "mae", "regret"}) EXPECT_TRUE(r[key].is_number()) << key;
    EXPECT_GT(r["spearman"], 0.5);
    EXPECT_NEAR(r["best"]["truth"], best, 1e-6);
    EXPECT_NEAR(r["chosen"]["truth"], truth.at(r["chosen"]["arch"]), 1e-6);
    EXPECT_NEAR(r["regret"], best - r["chosen"]["truth"].get<double>(), 1e-6);
  }
  std::vector<std::string> limited = files;
  limited.insert(limited.end(), {"--limit", "flops<=12"});
  const json r = Replay(limited);
  EXPECT_LE(r["chosen"]["flops"], 12);
  EXPECT_LE(r["best"]["flops"], 12);
}

// Random subnets whose truth is a sum over their layers.
TEST(ReplayCommand, MobileNetV3) {
  const TemporaryFolder folder;
  std::mt19937_64 random(1);
  std::string text = "d,ks,e,top1,ms\n";
  double least = 1e9;
  for (int n = 0; n < 600; ++n) {
    std::string d, ks, e;
    double value = 60;
    for (int stage = 0; stage < 5; ++stage) {
      const auto depth = static_cast<int>(2 + random() % 3);
      d += std::to_string(depth) + " ";
      for (int layer = 0; layer < 4; ++layer) {
        const int kernel = layer < depth ? 3 + 2 * static_cast<int>(random() % 3) : 0;
        const int expansion = layer < depth ? std::vector{3, 4, 6}[random() % 3] : 0;
        ks += std::to_string(kernel) + " ";
        e += std::to_string(expansion) + " ";
        value += 0.05 * kernel + 0.1 * expansion * (stage + 1);
      }
    }
    least = std::min(least, value);
    text += d + "," + ks + "," + e + "," + std::to_string(value) + "," + std::to_string(value / 7) + "\n";
  }
  WriteGzip(folder / "m.csv.gz", text);
  const std::vector<std::string> files = {
      "--space",           "mobilenetv3", "--architectures", folder / "m.csv.gz", "--truth",
      folder / "m.csv.gz", "--estimator", "least-squares",   "--evaluations",     "500"};
  std::vector<std::string> arguments = files;
  arguments.insert(arguments.end(), {"--column", "top1"});
  const json r = Replay(arguments);
  EXPECT_EQ(r["networks"], 600);
  EXPECT_EQ(r["evaluations"], 500);
  EXPECT_EQ(r["held_out"]["networks"], 100);
  EXPECT_GT(r["held_out"]["spearman"], 0.99);
  EXPECT_EQ(r["chosen"]["arch"]["ks"].size(), 20U);
  EXPECT_EQ(r["chosen"]["arch"]["d"].size(), 5U);
  EXPECT_EQ(r["chosen"]["arch"]["resolution"], 224);
  EXPECT_EQ(r["chosen"]["choice"].size(), 20U);
  arguments = files;
  arguments.insert(arguments.end(), {"--column", "ms", "--goal", "min", "--unit", "ms"});
  const json latency = Replay(arguments);
  EXPECT_NEAR(latency["best"]["truth"], least / 7, 1e-6);
  EXPECT_LT(latency["regret"], 0.1);  // of a range of 4
  EXPECT_NEAR(latency["regret"], latency["chosen"]["truth"].get<double>() - latency["best"]["truth"].get<double>(),
              1e-12);
  // Algorithm 1 needs networks that random ones do not include.
  EXPECT_EQ(RunProgram({"replay", "--space", "mobilenetv3", "--architectures", folder / "m.csv.gz", "--truth",
                        folder / "m.csv.gz", "--column", "top1"})
                .exit_status,
            2);
}

TEST(ReplayCommand, SuperTransformer) {
  const TemporaryFolder folder;
  std::string text = "encoder_embed_dim,decoder_embed_dim,decoder_layer_num,enc_ms,dec_ms\n";
  for (int n = 0; n < 48; ++n) {
    const int layers = 1 + n % 6, encoder = n % 2 == 0 ? 512 : 640, decoder = n % 3 == 0 ? 512 : 640;
    text += std::to_string(encoder) + "," + std::to_string(decoder) + "," + std::to_string(layers) + "," +
            std::to_string(0.01 * encoder) + "," + std::to_string(20 * layers + 0.02 * decoder + 0.1 * (n % 5)) + "\n";
  }
  std::ofstream(folder / "h.csv") << text;
  const json r = Replay({"--space", "supertransformer", "--architectures", folder / "h.csv", "--truth",
                         folder / "h.csv", "--column", "enc_ms+dec_ms", "--goal", "min", "--unit", "ms", "--estimator",
                         "least-squares", "--evaluations", "30"});
  EXPECT_EQ(r["networks"], 48);
  EXPECT_EQ(r["held_out"]["networks"], 18);
  EXPECT_GT(r["held_out"]["spearman"], 0.95);
  EXPECT_EQ(r["chosen"]["arch"]["decoder"]["decoder_layer_num"], 1);
  EXPECT_TRUE(r["chosen"]["arch"]["encoder"]["encoder_embed_dim"].is_number());
}

TEST(ReplayCommand, BadInputIsOneClearLine) {
  const TemporaryFolder folder;
  std::ofstream(folder / "a.csv") << "arch,flops,truth\n00,1,5\n01,2,six\n";
  std::ofstream(folder / "h.csv") << "encoder_embed_dim,decoder_embed_dim,decoder_layer_num,ms\n512,512,1,3\n"
                                     "640,512,2.5,4\n";
  const auto arguments = [&](const std::string& space, const std::string& file, const std::string& column) {
    return std::vector<std::string>{"replay",      "--space",  space, "--architectures", folder / file, "--truth",
                                    folder / file, "--column", column};
  };
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {arguments("digits", "a.csv", "truth"), "a.csv:3: column 3 (truth): expected a finite number, found 'six'"},
      {arguments("digits", "a.csv", "other"), "a.csv: expected a column 'other', found arch, flops, truth"},
      {arguments("nasnet", "a.csv", "flops"), "space: expected nasbench201, mobilenetv3, supertransformer or digits"},
      {arguments("mobilenetv3", "a.csv", "flops"), "a.csv: expected a column 'd'"},
      {arguments("supertransformer", "h.csv", "ms"), "h.csv:3: column 3 (decoder_layer_num): expected a whole number"},
      {arguments("digits", "none.csv", "truth"), "none.csv"},
  };
  for (const auto& [request, error] : cases) ExpectRefused(request, error);
}

}  // namespace
}  // namespace mathnas::cli
