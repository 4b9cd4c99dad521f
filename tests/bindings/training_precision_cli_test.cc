// --precision of mathnas train and mathnas bench step.
#include <cstdlib>

#include "gtest/gtest.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

const std::vector<std::string> kSpace = {"--cells", "1", "--channels", "8"};

std::vector<std::string> Train(const std::string& out, const std::vector<std::string>& more) {
  std::vector<std::string> words = {"train", "nasbench201", "--data", "synthetic:N=64,test=8,size=8,classes=4",
                                    "--out", out,           "--json", "--batch",
                                    "32",    "--threads",   "2"};
  words.insert(words.end(), kSpace.begin(), kSpace.end());
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(TrainingPrecision, IsRecordedAndKeptOrRefused) {
  const TemporaryFolder folder;
  const std::vector<std::string> low = {"--precision", "bfloat16", "--epochs", "1"};
  const std::string out = folder / "run";
  setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
  const Finished limited = RunProgram(Train(out, low));
  unsetenv("ONEDNN_MAX_CPU_ISA");
  EXPECT_EQ(limited.exit_status, 2);
  EXPECT_NE(limited.err.find("--precision: bfloat16: expected a processor with AVX-512 BF16"), std::string::npos)
      << limited.err;
  EXPECT_NE(RunProgram(Train(out, {"--precision", "half"})).err.find("expected float32, bfloat16 or float16"),
            std::string::npos);
  const Finished half = RunProgram(Train(out, {"--precision", "float16", "--epochs", "1"}));
  EXPECT_EQ(half.exit_status, 2);
  EXPECT_NE(half.err.find("--precision: element type F16: device cpu computes in F32"), std::string::npos) << half.err;

  const Finished run = RunProgram(Train(out, low));
  if (run.exit_status != 0) {
    EXPECT_NE(run.err.find("expected a processor with AVX-512 BF16"), std::string::npos) << run.err;
    GTEST_SKIP() << "no bfloat16 on this processor";
  }
  EXPECT_EQ(run.json()["recipe"]["precision"], "bfloat16");
  const Finished other = RunProgram(Train(out, {"--resume", "--epochs", "1"}));
  EXPECT_EQ(other.exit_status, 2);
  EXPECT_NE(other.err.find("cannot resume with another recipe"), std::string::npos) << other.err;
}

TEST(TrainingPrecision, OfABenchmark) {
  std::vector<std::string> words = {"bench",         "step", "nasbench201", "--subnet",  R"([3,3,3,3,3,3])",
                                    "--batch",       "2",    "--json",      "--seconds", "0",
                                    "--repetitions", "1",    "--precision"};
  words.insert(words.end() - 1, kSpace.begin(), kSpace.end());
  words.emplace_back("float32");
  EXPECT_EQ(RunProgram(words).json()["precision"], "float32");
  words.back() = "bfloat16";
  const Finished run = RunProgram(words);
  if (run.exit_status != 0) {
    EXPECT_NE(run.err.find("--precision: bfloat16: expected a processor with AVX-512 BF16"), std::string::npos)
        << run.err;
    GTEST_SKIP() << "no bfloat16 on this processor";
  }
  EXPECT_EQ(run.json()["precision"], "bfloat16");
}

}  // namespace
}  // namespace mathnas::cli
