// The main job of translation networks on the command line: what it leaves behind against the commands that do the same
// one by one, the same bits however often it is stopped, and bad input.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/bindings/checkpoints.h"
#include "tests/bindings/numbers_text.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

std::vector<std::string> With(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

class TranslationJob : public testing::Test {
 protected:
  void SetUp() override { WriteNumbers(folder_ / "text", 40); }

  std::string Data() const { return "parallel:" + (folder_ / "text"); }
  // FLOPs are the first limit, since they break ties: what is chosen must not depend on times.
  std::vector<std::string> Job(const std::string& out) const {
    return {"search-network",
            "supertransformer",
            "--task",
            "small",
            "--data",
            Data(),
            "--out",
            out,
            "--vocabulary",
            "48",
            "--widths",
            "128128",
            "--tokens",
            "256",
            "--updates",
            "10",
            "--fine-tune-updates",
            "10",
            "--sentences",
            "2",
            "--metrics",
            "accuracy,latency,parameters",
            "--latency-rounds",
            "2",
            "--audit",
            "3",
            "--limit",
            "flops<=1000",
            "--limit",
            "latency<=1000",
            "--checkpoint-seconds",
            "0",
            "--json"};
  }
  // Starts the program, and sends it a signal as soon as the file is there; its exit status, or -1 if it was killed.
  int Stop(const std::vector<std::string>& arguments, const std::string& file, int signal) const {
    const pid_t pid = Start(arguments, folder_ / "out", folder_ / "err");
    int status = 0;
    while (!std::filesystem::exists(file) && waitpid(pid, &status, WNOHANG) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    kill(pid, signal);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  const TemporaryFolder folder_;
};

TEST_F(TranslationJob, IsItsCommandsOneByOneAndStoppedAnywhereGivesTheSameBits) {
  const std::string out = folder_ / "job", stopped = folder_ / "stopped";
  const json job = Ok(Job(out));
  ASSERT_TRUE(job.is_object());
  EXPECT_EQ(job["search"]["status"], "optimal");
  for (const char* file : {"table.json", "result.json", "report.html", "network.mathnas", "vocabulary.model",
                           "supernet.safetensors", "finetuned.safetensors"}) {
    EXPECT_TRUE(std::filesystem::exists(out + "/" + file)) << file;
  }

  // The supernet is that of `train`.
  Ok({"train", "supertransformer", "--task", "small", "--data", Data(), "--out", folder_ / "run", "--vocabulary", "48",
      "--widths", "128128", "--tokens", "256", "--updates", "10", "--json"});
  ExpectSameRun(folder_ / "run/checkpoint.safetensors", out + "/supernet.safetensors");

  // The test is that of `evaluate`, and the deployed network says what that says.
  const std::string said = folder_ / "said.txt";
  const json evaluated = Ok(
      {"evaluate", "--checkpoint", out + "/finetuned.safetensors", "--data", Data(), "--translations", said, "--json"});
  EXPECT_EQ(evaluated["subnet"], job["subnet"]);
  EXPECT_EQ(evaluated["accuracy"], job["test_accuracy"]);
  EXPECT_EQ(evaluated["bleu"], job["test_bleu"]);
  EXPECT_EQ(evaluated["sentences"], job["test_sentences"]);
  const Finished run = RunProgram({"run", out, "--input", folder_ / "text/test.de"});
  EXPECT_EQ(run.exit_status, 0) << run.err;
  EXPECT_EQ(run.out, ReadFile(said));
  const json information = Ok({"run", out, "--input", folder_ / "text/test.de", "--json"})["information"];
  EXPECT_EQ(information["measured"]["test_bleu"], job["test_bleu"]);
  EXPECT_EQ(information["subnet"], job["subnet"]);

  // The report speaks of sentences.
  const std::string report = ReadFile(out + "/report.html");
  for (const char* text :
       {"token accuracy", "Test BLEU, fine-tuned", "de to en: 40 training, 4 validation, 4 test pairs",
        "Encoder, width 128", "Decoder, width 128", "feed-forward"}) {
    EXPECT_NE(report.find(text), std::string::npos) << text;
  }
  EXPECT_EQ(report.find("image"), std::string::npos);
  EXPECT_EQ(report.find("recalibrated"), std::string::npos);

  // Killed as soon as there is something to go on with, of each stage; and stopped by Ctrl-C, which says so.
  const std::vector<std::string> again = With(Job(stopped), {"--resume"});
  EXPECT_EQ(Stop(again, stopped + "/supernet.safetensors", SIGKILL), -1);
  EXPECT_EQ(Stop(again, stopped + "/measurements.json", SIGINT), 1);
  EXPECT_EQ(json::parse(ReadFile(folder_ / "out"))["status"], "interrupted");
  EXPECT_EQ(Stop(again, stopped + "/finetuned.safetensors", SIGKILL), -1);
  const json resumed = Ok(again);
  EXPECT_EQ(resumed["subnet"], job["subnet"]);
  EXPECT_EQ(resumed["test_bleu"], job["test_bleu"]);
  EXPECT_EQ(resumed["test_accuracy"], job["test_accuracy"]);
  for (const char* file : {"supernet", "finetuned"}) {
    SCOPED_TRACE(file);
    ExpectSameRun(out + "/" + file + ".safetensors", stopped + "/" + file + ".safetensors");
  }
}

TEST_F(TranslationJob, BadInput) {
  const std::string out = folder_ / "none";
  const auto refused = [&](const std::vector<std::string>& more, const std::string& what) {
    ExpectRefused(With(Job(out), more), what);
    EXPECT_FALSE(std::filesystem::exists(out + "/supernet.safetensors"));
  };
  refused({"--limit", "energy<=1"}, "limit on \"energy\": expected a metric that is profiled");
  refused({"--limit", "latency<1"}, "latency<1");
  refused({"--epochs", "3"}, "--epochs: supertransformer is trained by --updates");
  refused({"--validation", "10"}, "--validation: supertransformer reads sentences, not images");
  refused({"--beam", "300"}, "300");
  refused({"--source-vocabulary-file", folder_ / "none.model"}, "none.model");
  std::vector<std::string> other = Job(out);
  *std::find(other.begin(), other.end(), "accuracy,latency,parameters") = "accuracy,latency,speed";
  ExpectRefused(other, "metric \"speed\": expected one of accuracy");
  *std::find(other.begin(), other.end(), "accuracy,latency,speed") = "accuracy,flops";
  ExpectRefused(other, "metrics: latency is missing");
  other = Job(out);
  *std::find(other.begin(), other.end(), "128128") = "128130";
  ExpectRefused(other, "widths[0]: 128130");
  other = Job(out);
  *std::find(other.begin(), other.end(), Data()) = "synthetic";
  ExpectRefused(other, "synthetic");
  ExpectRefused(
      {"search-network", "nasbench201", "--data", "synthetic:N=64,size=8,classes=3", "--out", out, "--updates", "3"},
      "--updates: nasbench201 reads images, not sentences");

  // Checkpoints of something else.
  Ok({"train", "nasbench201", "--data", "synthetic:N=32,size=8,channels=1,classes=3", "--out", folder_ / "images",
      "--cells", "1", "--channels", "4", "--batch", "16", "--epochs", "1", "--json"});
  const std::vector<std::string> translating = {"search-network", "supertransformer", "--data", Data(), "--out", out,
                                                "--checkpoint"};
  ExpectRefused(With(translating, {folder_ / "images/checkpoint.safetensors"}),
                "expected a supernet of supertransformer, found nasbench201");
  Ok({"train", "supertransformer", "--task", "small", "--data", Data(), "--out", folder_ / "run", "--vocabulary", "48",
      "--tokens", "256", "--updates", "1", "--json"});
  std::filesystem::remove(folder_ / "run/vocabulary.model");
  ExpectRefused(With(translating, {folder_ / "run/checkpoint.safetensors"}), "its vocabularies are missing");
}

}  // namespace
}  // namespace mathnas::cli
