// --device cuda of the command line: on a GPU, or on the emulated one that MATHNAS_CUDA_LIBRARIES names, the numbers of
// the CPU; without either, a clear word and nothing else.
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "gtest/gtest.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

const std::vector<std::string> kSpace = {"--cells", "1", "--channels", "8"};
const std::string kSubnet = R"([3,2,1,3,4,3])", kData = "synthetic:N=64,test=16,size=8,classes=4";

// Each command with its words, and where it runs.
std::vector<std::string> On(const std::string& device, std::vector<std::string> words) {
  words.insert(words.end(), {"--device", device});
  if (device == "cpu") words.insert(words.end(), {"--threads", "1"});
  return words;
}

std::vector<std::string> Joined(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

class CudaCommands : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("MATHNAS_CUDA_LIBRARIES")) return;
    const Finished run = RunProgram(On("cuda", {"bench", "operator", "relu c8", "--seconds", "0.001"}));
    if (run.err.find("no CUDA") != std::string::npos) GTEST_SKIP() << run.err;
  }
};

// Those that are compared with the CPU.
class CudaAndCpu : public CudaCommands {
 protected:
  void SetUp() override {
    CudaCommands::SetUp();
    if (!IsSkipped() && !HasCpu()) GTEST_SKIP() << "no CPU kernels";
  }
};

TEST_F(CudaAndCpu, ForwardGivesTheLogitsOfTheCpu) {
  const std::vector<std::string> words = Joined(
      {"forward", "nasbench201", "--subnet", kSubnet, "--weights", "synthetic", "--input", "synthetic", "--json"},
      kSpace);
  const json cpu = Ok(On("cpu", words))["output"]["data"], cuda = Ok(On("cuda", words))["output"]["data"];
  ASSERT_EQ(cpu.size(), cuda.size());
  ASSERT_FALSE(cpu.empty());
  double largest = 0;
  for (const json& x : cpu) largest = std::max(largest, std::abs(x.get<double>()));
  for (size_t i = 0; i < cpu.size(); ++i) EXPECT_NEAR(cuda[i].get<double>(), cpu[i].get<double>(), 1e-5 * largest) << i;
}

TEST_F(CudaAndCpu, CheckpointsMoveBetweenDevices) {
  const TemporaryFolder folder;
  const auto train = [&](const std::string& device, const std::string& out, const std::vector<std::string>& more) {
    const std::vector<std::string> words = {"train",  "nasbench201", "--data", kData,    "--out", folder / out,
                                            "--json", "--batch",     "32",     "--seed", "3"};
    return Ok(On(device, Joined(Joined(words, kSpace), more)));
  };
  const json cpu = train("cpu", "cpu", {"--epochs", "1"}), cuda = train("cuda", "cuda", {"--epochs", "1"});
  const double loss = cpu["epochs"][0]["loss"];
  EXPECT_NEAR(cuda["epochs"][0]["loss"].get<double>(), loss, 1e-3 * loss);
  // What a GPU trained is evaluated by the CPU, and the other way round.
  for (const char* from : {"cpu", "cuda"}) {
    const std::vector<std::string> words = {
        "evaluate", "--checkpoint", folder / (from + std::string("/checkpoint.safetensors")),
        "--data",   kData,          "--subnet",
        kSubnet,    "--json"};
    const json on_cpu = Ok(On("cpu", words)), on_cuda = Ok(On("cuda", words));
    EXPECT_NEAR(on_cuda["loss"].get<double>(), on_cpu["loss"].get<double>(), 1e-3 * on_cpu["loss"].get<double>())
        << from;
    EXPECT_EQ(on_cuda["accuracy"], on_cpu["accuracy"]) << from;
  }
}

// Trained, evaluated, deployed and timed in it; a run that goes on has the scale of its loss.
TEST_F(CudaCommands, Float16) {
  const TemporaryFolder folder;
  const std::vector<std::string> train = Joined({"train", "nasbench201", "--subnet", kSubnet, "--data", kData, "--out",
                                                 folder / "run", "--json", "--batch", "32"},
                                                kSpace);
  const json trained = Ok(On("cuda", Joined(train, {"--precision", "float16", "--epochs", "2"})));
  EXPECT_EQ(trained["recipe"]["precision"], "float16");
  const std::string checkpoint = folder / "run/checkpoint.safetensors";
  std::ifstream file(checkpoint, std::ios::binary);
  const std::string contents{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(contents.find(R"(\"loss_scale\":[)"), std::string::npos);

  const json evaluated =
      Ok(On("cuda", {"evaluate", "--checkpoint", checkpoint, "--data", kData, "--precision", "float16", "--json"}));
  EXPECT_GT(evaluated["float32"]["largest_deviation"], 0);
  EXPECT_LT(evaluated["float32"]["largest_deviation"], 0.01 * evaluated["float32"]["largest_logit"].get<double>());
  Ok({"deploy", "--checkpoint", checkpoint, "--data", kData, "--precision", "float16", "--out", folder / "n.mathnas"});
  const json run = Ok(On("cuda", {"run", folder / "n.mathnas", "--data", kData, "--json"}));
  EXPECT_EQ(run["precision"], "float16");
  EXPECT_EQ(run["accuracy"], evaluated["accuracy"]);
  for (const char* what : {"step", "inference"}) {
    const json bench =
        Ok(On("cuda", Joined({"bench", what, "nasbench201", "--subnet", kSubnet, "--batch", "2", "--size", "8",
                              "--repetitions", "1", "--seconds", "0", "--precision", "float16", "--json"},
                             kSpace)));
    EXPECT_EQ(bench["precision"], "float16") << what;
  }
}

TEST_F(CudaCommands, ProfileMeasuresTheDevice) {
  const TemporaryFolder folder;
  Ok(On("cuda", Joined({"train", "nasbench201", "--data", kData, "--out", folder / "run", "--json", "--batch", "32",
                        "--epochs", "1"},
                       kSpace)));
  const json table =
      Ok(On("cuda", {"profile", "--checkpoint", folder / "run/checkpoint.safetensors", "--data", kData, "--out",
                     folder / "table.json", "--metrics", "latency", "--latency-rounds", "2", "--json"}));
  EXPECT_EQ(table["metrics"]["latency"]["device"], "cuda");
}

TEST_F(CudaCommands, BenchComparesARunWithItsKernels) {
  for (const char* what : {"step", "inference"}) {
    const json bench =
        Ok(On("cuda", Joined({"bench", what, "nasbench201", "--subnet", kSubnet, "--batch", "2", "--size", "8",
                              "--repetitions", "3", "--seconds", "0", "--by-operator", "--json"},
                             kSpace)));
    const json replay = bench["replay"];
    const double run = replay["run_us"], with_events = replay["run_with_events_us"], kernels = replay["kernels_us"];
    EXPECT_GT(run, 0) << what;
    EXPECT_GT(kernels, 0) << what;
    EXPECT_LE(kernels, with_events) << what;
    if (replay["gap_share"].is_null()) {
      EXPECT_TRUE(replay["recorded_us"].is_null()) << what;
      continue;
    }
    EXPECT_GE(replay["gap_share"], 0) << what;
    EXPECT_LT(replay["gap_share"], 1) << what;
    EXPECT_GT(replay["recorded_us"], 0) << what;
  }
}

// Of the emulated GPU, whose gaps and records can be set.
class RecordedRuns : public CudaCommands {
 protected:
  void SetUp() override {
    CudaCommands::SetUp();
    const char* libraries = std::getenv("MATHNAS_CUDA_LIBRARIES");
    if (libraries == nullptr) GTEST_SKIP() << "no emulation of a GPU";
    libraries_ = libraries;
  }
  void TearDown() override {
    unsetenv("MATHNAS_CUDA_EMULATION");
    if (!libraries_.empty()) setenv("MATHNAS_CUDA_LIBRARIES", libraries_.c_str(), 1);
  }
  Finished Bench(const std::string& settings, const std::vector<std::string>& more) {
    setenv("MATHNAS_CUDA_EMULATION", settings.c_str(), 1);
    return RunProgram(
        On("cuda", Joined(Joined({"bench", "inference", "nasbench201", "--subnet", kSubnet, "--batch", "1", "--size",
                                  "8", "--repetitions", "1", "--seconds", "0", "--by-operator"},
                                 kSpace),
                          more)));
  }
  void ExpectUnknown(const std::string& settings, const std::string& reason) {
    const Finished text = Bench(settings, {});
    const json replay = Bench(settings, {"--json"}).json()["replay"];
    EXPECT_EQ(text.exit_status, 0) << text.err;
    EXPECT_NE(text.out.find("gaps: unknown: " + reason), std::string::npos) << text.out;
    EXPECT_TRUE(replay["gap_share"].is_null()) << replay;
    EXPECT_GT(replay["run_us"], 0) << replay;
  }

  std::string libraries_;
};

TEST_F(RecordedRuns, ShowGaps) {
  const Finished text = Bench("idle_us=200", {});
  if (text.out.find("gaps: unknown: built without CUPTI") != std::string::npos) GTEST_SKIP() << "built without CUPTI";
  EXPECT_NE(text.out.find(" % of a run without a kernel, copy or memset on the device, by its records of 9 runs of "),
            std::string::npos)
      << text.out;
  const json bench = Bench("idle_us=200", {"--json"}).json(), replay = bench["replay"];
  // An operator is a kernel at least. In one run of an odd number both are at most their medians.
  EXPECT_GE(replay["gap_share"].get<double>() * replay["recorded_us"].get<double>(),
            200.0 * static_cast<double>(bench["operators"].size() - 1))
      << replay;
  EXPECT_LT(replay["gap_share"], 1);
}

TEST_F(RecordedRuns, SayWhyThereAreNone) {
  if (Bench("", {}).out.find("gaps: unknown: built without CUPTI") != std::string::npos) GTEST_SKIP() << "no CUPTI";
  ExpectUnknown("cupti_room=9", "CUPTI dropped ");
  ExpectUnknown("cupti_error=35", "cuptiActivityEnable: CUPTI_ERROR_INSUFFICIENT_PRIVILEGES");
  const TemporaryFolder folder;
  for (const auto& e : std::filesystem::directory_iterator(libraries_)) {
    const std::string file = e.path().filename();
    if (!file.starts_with("libcupti")) std::filesystem::create_symlink(e.path(), folder / file);
  }
  setenv("MATHNAS_CUDA_LIBRARIES", folder.path().c_str(), 1);
  ExpectUnknown("", "libcupti.so.");
}

TEST(CpuErrors, WithoutCpuKernelsTheDefaultDeviceIsRefused) {
  if (HasCpu()) GTEST_SKIP() << "this build has CPU kernels";
  ExpectRefused(Joined({"bench", "inference", "nasbench201", "--subnet", kSubnet}, kSpace),
                "this build has no CPU kernels (MATHNAS_CPU is off)");
}

TEST(CudaErrors, WithoutADriverNothingElseHappens) {
  const TemporaryFolder empty;
  const char* kept = std::getenv("MATHNAS_CUDA_LIBRARIES");
  const std::string before = kept == nullptr ? "" : kept;
  setenv("MATHNAS_CUDA_LIBRARIES", empty.path().c_str(), 1);
  const std::string out = empty / "run";
  const Finished run =
      RunProgram(On("cuda", Joined({"train", "nasbench201", "--data", kData, "--out", out, "--epochs", "1"}, kSpace)));
  if (!before.empty()) setenv("MATHNAS_CUDA_LIBRARIES", before.c_str(), 1);
  EXPECT_EQ(run.exit_status, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_TRUE(run.err.find("--device cuda: no CUDA driver: libcuda.so.1 cannot be loaded") != std::string::npos ||
              run.err.find("--device cuda: this build has no CUDA kernels (MATHNAS_CUDA is off)") != std::string::npos)
      << run.err;
  EXPECT_FALSE(std::filesystem::exists(out));
}

}  // namespace
}  // namespace mathnas::cli
