// From a supertransformer checkpoint to a block table and to networks within limits, on the command line.
#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/bindings/numbers_text.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

constexpr int kEncoders = 3, kDecoders = 3, kEnd = 36;

int Layers(const json& choice) {
  int layers = 0;
  while (layers < kDecoders && choice[static_cast<size_t>(kEncoders + layers)] != kEnd) ++layers;
  return layers;
}

// The least that networks with so many decoder layers are predicted to cost: each node by itself, as blocks add up; of
// nodes that do not run the first counts alone (spec/interfaces.md 3).
double Least(const json& metric, int layers) {
  double sum = metric["base"];
  for (int i = 0; i < kEncoders + layers; ++i) {
    double least = std::numeric_limits<double>::infinity();
    const json& values = metric["values"][static_cast<size_t>(i)];
    for (size_t j = 0; j < std::min<size_t>(values.size(), kEnd); ++j) least = std::min(least, values[j].get<double>());
    sum += least;
  }
  if (layers < kDecoders) sum += metric["values"][static_cast<size_t>(kEncoders + layers)][kEnd].get<double>();
  return sum;
}

class TranslationProfile : public testing::Test {
 protected:
  void SetUp() override {
    WriteNumbers(folder_ / "text", 100);
    Ok({"train", "supertransformer", "--task", "small", "--data", "parallel:" + (folder_ / "text"), "--out",
        folder_ / "run", "--vocabulary", "48", "--tokens", "256", "--updates", "4", "--json"});
  }
  std::vector<std::string> Profile(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"profile",
                                          "--checkpoint",
                                          folder_ / "run/checkpoint.safetensors",
                                          "--data",
                                          "parallel:" + (folder_ / "text"),
                                          "--out",
                                          table_,
                                          "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  json Search(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"search", "--table", table_, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Ok(arguments);
  }

  const TemporaryFolder folder_;
  const std::string table_ = folder_ / "table.json";
};

TEST_F(TranslationProfile, ATableWhoseLimitsMakeShallowerDecoders) {
  const json table = Ok(Profile({"--widths", "128128", "--sentences", "4", "--latency-rounds", "10", "--metrics",
                                 "accuracy,latency,memory,parameters"}));
  EXPECT_FALSE(std::filesystem::exists(table_ + ".measurements.json"));
  ASSERT_EQ(table["nodes"].size(), 6U);
  EXPECT_EQ(table["nodes"][5]["candidates"].size(), 37U);
  EXPECT_EQ(table["structure"], json::parse(R"([{"kind": "depth", "nodes": [3, 4, 5], "absent": [null, 36, 36]}])"));
  const json& metrics = table["metrics"];
  EXPECT_EQ(metrics["accuracy"]["unit"], "%");
  EXPECT_EQ(metrics["latency"]["unit"], "ms");
  for (const json& metric : metrics) {
    for (const json& row : metric["values"]) {
      for (const json& value : row) EXPECT_TRUE(value.is_number());
    }
  }
  Ok({"table", "check", table_, "--json"});

  // Whatever the measurements are: what is found is of a depth that can keep the limit, there is a network exactly if
  // there is such a depth, and the smallest limits leave one.
  for (const char* name : {"latency", "memory", "parameters"}) {
    SCOPED_TRACE(name);
    std::vector<double> least = {0};
    for (int layers = 1; layers <= kDecoders; ++layers) least.push_back(Least(metrics[name], layers));
    const auto fastest = std::min_element(least.begin() + 1, least.end());
    const auto limit = [&](double value) { return std::string(name) + "<=" + std::to_string(value); };
    for (int layers = 1; layers <= kDecoders; ++layers) {
      const double most = least[static_cast<size_t>(layers)] + 1e-3;
      const json found = Search({"--limit", limit(most)});
      EXPECT_EQ(found["status"], "optimal");
      EXPECT_LE(least[static_cast<size_t>(Layers(found["choice"]))], most);
      EXPECT_LE(found["predicted"][name].get<double>(), most + 1e-6);
    }
    EXPECT_EQ(Layers(Search({"--limit", limit(*fastest + 1e-4)})["choice"]), fastest - least.begin());
    const Finished none = RunProgram({"search", "--table", table_, "--json", "--limit", limit(*fastest - 1e-4)});
    EXPECT_EQ(none.exit_status, 1) << none.err;
    EXPECT_EQ(none.json()["status"], "infeasible");
    if (name == std::string("latency")) continue;  // the order of times is not for a test
    for (int layers = 1; layers < kDecoders; ++layers) {
      const double shallow = least[static_cast<size_t>(layers)], deep = least[static_cast<size_t>(layers + 1)];
      EXPECT_LT(shallow, deep);
      EXPECT_LE(Layers(Search({"--limit", limit((shallow + deep) / 2)})["choice"]), layers);
    }
  }
}

TEST_F(TranslationProfile, InterruptedItGoesOn) {
  const std::vector<std::string> arguments =
      Profile({"--widths", "128128", "--sentences", "2", "--metrics", "accuracy"});
  const std::string journal = table_ + ".measurements.json";
  const pid_t pid = Start(arguments, folder_ / "out", folder_ / "err");
  for (int i = 0; i < 6000 && !std::filesystem::exists(journal); ++i) usleep(10000);
  kill(pid, SIGINT);
  int status = 0;
  waitpid(pid, &status, 0);
  ASSERT_EQ(WEXITSTATUS(status), 1) << ReadFile(folder_ / "err");
  json measured = json::parse(ReadFile(journal));
  ASSERT_GE(measured["networks"].size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(table_));

  // Another choice of what is measured is not mixed with it.
  std::vector<std::string> resumed = arguments;
  resumed.push_back("--resume");
  std::vector<std::string> other = resumed;
  *std::find(other.begin(), other.end(), "2") = "3";
  ExpectRefused(other, "it belongs to another supernet, data set or setting");
  other = resumed;
  other.insert(other.end(), {"--quality", "bleu"});
  ExpectRefused(other, "it belongs to another supernet, data set or setting");

  // What is in the journal is not measured again: a value that no measurement gives is still there in the table. N~ is
  // measured first, and its accuracy is the base.
  json& base = *std::find_if(measured["networks"].begin(), measured["networks"].end(),
                             [](const json& n) { return n["choice"] == json::parse("[5, 5, 5, 35, 35, 35]"); });
  base["accuracy"] = 12.3456;
  std::ofstream(journal) << measured.dump();
  EXPECT_EQ(Ok(resumed)["metrics"]["accuracy"]["base"], 12.3456);
}

TEST_F(TranslationProfile, BadOptions) {
  const auto refused = [&](const std::vector<std::string>& more, const std::string& what) {
    ExpectRefused(Profile(more), what);
  };
  refused({"--validation", "10"}, "--validation: supertransformer reads sentences, not images");
  refused({"--recalibration-batches", "2"}, "--recalibration-batches: supertransformer reads sentences, not images");
  refused({"--widths", "128130"}, "widths[0]: 128130");
  std::filesystem::remove(folder_ / "run/vocabulary.model");
  refused({}, "its vocabularies are missing");
}

}  // namespace
}  // namespace mathnas::cli
