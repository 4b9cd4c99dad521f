// kill -9 at any moment, --resume, and the final weights are those of a run that was never disturbed: bit for bit.
#include <chrono>
#include <thread>

#include "gtest/gtest.h"
#include "kernels/random.h"
#include "supernet/safetensors.h"
#include "tests/bindings/checkpoints.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

constexpr int kKills = 20;

std::vector<std::string> TrainArguments(const std::string& out, const std::string& sampling,
                                        const std::string& threads) {
  return {"train",
          "nasbench201",
          "--data",
          "synthetic:N=256,test=32,size=8,channels=1,classes=3",
          "--out",
          out,
          "--cells",
          "1",
          "--channels",
          "4",
          "--batch",
          "32",
          "--epochs",
          "3",
          "--sampling",
          sampling,
          "--threads",
          threads,
          "--seed",
          "7",
          "--checkpoint-seconds",
          "0",
          "--resume"};
}

TEST(Resume, KilledAtRandomPointsGivesTheSameBits) {
  const TemporaryFolder folder;
  const std::string undisturbed = folder / "undisturbed";
  const auto begin = std::chrono::steady_clock::now();
  const Finished reference = RunProgram(TrainArguments(undisturbed, "fair", "2"));
  ASSERT_EQ(reference.exit_status, 0) << reference.err;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  kernels::Random random(std::chrono::steady_clock::now().time_since_epoch().count());
  int kills = 0;
  for (int run = 0; kills < kKills; ++run) {
    ASSERT_LT(run, 10 * kKills) << "the program is too fast to be killed";
    const std::string out = folder / ("run" + std::to_string(run));
    while (true) {
      const pid_t pid = Start(TrainArguments(out, "fair", "2"), folder / "out", folder / "err");
      // Anywhere in the first half of a whole run, the start of the process included.
      std::this_thread::sleep_for(std::chrono::duration<double>(random.Uniform() * seconds / 2));
      const bool kill_it = kills < kKills;
      if (kill_it) kill(pid, SIGKILL);
      int status = 0;
      waitpid(pid, &status, 0);
      if (WIFEXITED(status)) {
        ASSERT_EQ(WEXITSTATUS(status), 0) << ReadFile(folder / "err");
        break;
      }
      ++kills;
    }
    ExpectSameRun(undisturbed + "/checkpoint.safetensors", out + "/checkpoint.safetensors");
  }
}

TEST(Resume, SameSeedAndThreadsGiveTheSameBits) {
  const TemporaryFolder folder;
  for (const char* sampling : {"uniform", "full"}) {
    for (const char* out : {"a", "b"}) {
      const Finished run = RunProgram(TrainArguments(folder / (std::string(out) + sampling), sampling, "2"));
      ASSERT_EQ(run.exit_status, 0) << run.err;
    }
    ExpectSameRun(folder / (std::string("a") + sampling) + "/checkpoint.safetensors",
                  folder / (std::string("b") + sampling) + "/checkpoint.safetensors");
  }
}

TEST(Resume, AnotherRecipeIsRefusedAndNothingIsOverwritten) {
  const TemporaryFolder folder;
  ASSERT_EQ(RunProgram(TrainArguments(folder / "run", "uniform", "1")).exit_status, 0);
  const std::string before = ReadFile(folder / "run/checkpoint.safetensors");
  const Finished other = RunProgram(TrainArguments(folder / "run", "fair", "1"));
  EXPECT_EQ(other.exit_status, 2);
  EXPECT_NE(other.err.find("cannot resume with another recipe"), std::string::npos) << other.err;
  auto again = TrainArguments(folder / "run", "uniform", "1");
  again.pop_back();  // without --resume
  EXPECT_EQ(RunProgram(again).exit_status, 2);
  EXPECT_EQ(ReadFile(folder / "run/checkpoint.safetensors"), before);
}

TEST(Resume, InterruptWritesACheckpointAndSaysSo) {
  const TemporaryFolder folder;
  auto arguments = TrainArguments(folder / "run", "fair", "1");
  arguments.push_back("--json");
  for (std::string& a : arguments) {
    if (a == "3") a = "100000";
  }
  const pid_t pid = Start(arguments, folder / "out", folder / "err");
  while (!std::filesystem::exists(folder / "run/checkpoint.safetensors")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  kill(pid, SIGINT);
  int status = 0;
  waitpid(pid, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_EQ(nlohmann::json::parse(ReadFile(folder / "out"))["status"], "interrupted");
  EXPECT_TRUE(supernet::SafetensorsFile::Open(folder / "run/checkpoint.safetensors").ok());
}

}  // namespace
}  // namespace mathnas::cli
