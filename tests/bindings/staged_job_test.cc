// The main job by stages of progressive shrinking: what `train --stage` gives stage by stage, and the same bits however
// often it is killed.
#include <chrono>
#include <thread>

#include "gtest/gtest.h"
#include "tests/bindings/block_set.h"
#include "tests/bindings/checkpoints.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

const std::string kData = "synthetic:N=48,test=16,size=16,classes=3";
const std::vector<std::string> kRecipe = {"--batch", "16", "--lr", "0.02"};

class StagedJob : public ::testing::Test {
 protected:
  std::vector<std::string> Job(const std::string& out) const {
    std::vector<std::string> arguments = {"search-network",
                                          "mobilenetv3",
                                          "--data",
                                          kData,
                                          "--out",
                                          out,
                                          "--blocks",
                                          blocks_,
                                          "--resolutions",
                                          "32",
                                          "--stages",
                                          "full:2,kernel:1,width:1",
                                          "--subnet-rule",
                                          "sandwich",
                                          "--validation",
                                          "16",
                                          "--recalibration-batches",
                                          "1",
                                          "--recalibration-batch",
                                          "16",
                                          "--latency-rounds",
                                          "4",
                                          "--fine-tune-epochs",
                                          "1",
                                          "--audit",
                                          "0",
                                          "--limit",
                                          "latency<=1000",
                                          "--checkpoint-seconds",
                                          "0",
                                          "--threads",
                                          "2",
                                          "--json"};
    arguments.insert(arguments.end(), kRecipe.begin(), kRecipe.end());
    return arguments;
  }

  TemporaryFolder folder_;
  const std::string blocks_ = TwoEach(folder_);
};

TEST_F(StagedJob, IsTrainStageByStage) {
  const std::string out = folder_ / "job";
  const Finished run = RunProgram(Job(out));
  ASSERT_EQ(run.exit_status, 0) << run.err;
  const json job = run.json();
  ASSERT_EQ(job["stages"].size(), 4U);
  const std::vector<std::string> names = {"full", "kernel", "expand1", "expand2"};
  std::string before;
  for (size_t i = 0; i < names.size(); ++i) {
    SCOPED_TRACE(names[i]);
    EXPECT_EQ(job["stages"][i]["stage"], names[i]);
    EXPECT_EQ(job["stages"][i]["epochs"], i == 0 ? 2 : 1);
    EXPECT_NE(run.err.find("train supernet: " + names[i]), std::string::npos) << run.err;
    std::vector<std::string> train = {
        "train",         "mobilenetv3", "--data",       kData,    "--out",     folder_ / names[i],
        "--resolutions", "32",          "--stage",      names[i], "--epochs",  i == 0 ? "2" : "1",
        "--subnet-rule", "sandwich",    "--validation", "16",     "--threads", "2",
        "--json"};
    train.insert(train.end(), kRecipe.begin(), kRecipe.end());
    if (i > 0) {
      train.insert(train.end(), {"--from", folder_ / (before + "/checkpoint.safetensors"), "--teacher",
                                 folder_ / "full/checkpoint.safetensors"});
    }
    Ok(train);
    ExpectSameTensors(job["stages"][i]["checkpoint"], folder_ / (names[i] + "/checkpoint.safetensors"));
    before = names[i];
  }
  EXPECT_EQ(job["stages"][3]["checkpoint"], out + "/supernet.safetensors");
  const std::string report = ReadFile(job["report"]);
  EXPECT_NE(report.find("train supernet: expand2"), std::string::npos);
  EXPECT_NE(report.find("full:2,kernel:1,expand1:1"), std::string::npos);

  // A checkpoint that came by other stages is not taken up.
  std::vector<std::string> other = Job(out);
  for (std::string& a : other) {
    if (a == "full:2,kernel:1,width:1") a = "full:2,width:1";
  }
  other.push_back("--resume");
  const Finished refused = RunProgram(other);
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_NE(refused.err.find("cannot resume with another recipe"), std::string::npos) << refused.err;
}

TEST_F(StagedJob, KilledAnywhereGivesTheSameBits) {
  const std::string undisturbed = folder_ / "undisturbed", out = folder_ / "killed";
  const auto begin = std::chrono::steady_clock::now();
  const Finished reference = RunProgram(Job(undisturbed));
  ASSERT_EQ(reference.exit_status, 0) << reference.err;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::vector<std::string> arguments = Job(out);
  arguments.push_back("--resume");
  int kills = 0;
  for (bool finished = false; !finished;) {
    const pid_t pid = Start(arguments, folder_ / "out", folder_ / "err");
    // Progress is certain: each of them may run longer than the one before.
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds * (0.05 + 0.04 * kills)));
    kill(pid, SIGKILL);
    int status = 0;
    waitpid(pid, &status, 0);
    finished = WIFEXITED(status);
    if (finished) {
      ASSERT_EQ(WEXITSTATUS(status), 0) << ReadFile(folder_ / "err");
    }
    kills += !finished;
  }
  EXPECT_GE(kills, 3);
  for (const char* file : {"stage-full", "stage-kernel", "stage-expand1", "supernet"}) {
    SCOPED_TRACE(file);
    ExpectSameRun(undisturbed + "/" + file + ".safetensors", out + "/" + file + ".safetensors");
  }
}

TEST_F(StagedJob, BadInput) {
  const auto with = [&](const std::string& stages) {
    std::vector<std::string> arguments = Job(folder_ / "out");
    for (std::string& a : arguments) {
      if (a == "full:2,kernel:1,width:1") a = stages;
    }
    return arguments;
  };
  ExpectRefused(with("kernel:1"), "expected full first");
  ExpectRefused(with("full,depth:0"), "\"depth:0\": expected NAME or NAME:EPOCHS");
  ExpectRefused(with("full:1,kernel:x"), "\"kernel:x\": expected NAME or NAME:EPOCHS");
  ExpectRefused(with("full:1,width:1,kernel:1"), "\"kernel\" behind \"expand2\"");
  ExpectRefused(with("full:1,full:1"), "\"full\" behind \"full\"");
  ExpectRefused(with("full:1,wide:1"), "expected one of full, kernel, depth1");
  ExpectRefused(with("full:1,"), "expected one of full, kernel, depth1");
  ExpectRefused({"search-network", "nasbench201", "--data", kData, "--out", folder_ / "out", "--stages", "full:1"},
                "nasbench201 has no such parameter");
  std::vector<std::string> given = Job(folder_ / "out");
  Ok({"train", "mobilenetv3", "--data", kData, "--out", folder_ / "run", "--resolutions", "32", "--epochs", "1",
      "--batch", "16", "--lr", "0.02", "--json"});
  given.insert(given.end(), {"--checkpoint", folder_ / "run/checkpoint.safetensors"});
  ExpectRefused(given, "expected none where a checkpoint is given");
}

}  // namespace
}  // namespace mathnas::cli
