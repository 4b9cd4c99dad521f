// Folders of image files on the command line: train, evaluate, profile, the main job and run, in both spaces.
#include <filesystem>
#include <fstream>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "supernet/training/checkpoint.h"
#include "tests/bindings/block_set.h"
#include "tests/bindings/process.h"
#include "tests/supernet/image_files.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

// JPEG and PNG files of several sizes, of `classes` classes that differ in their colour.
void WritePart(const std::string& folder, int classes, int per_class, uint64_t seed) {
  for (int c = 0; c < classes; ++c) {
    const std::string of_class = fmt::format("{}/class{}", folder, c);
    std::filesystem::create_directories(of_class);
    for (int i = 0; i < per_class; ++i) {
      const int width = 36 + 5 * (i % 3), height = 40 + 4 * (i % 2);
      std::vector<uint8_t> pixels =
          supernet::testing::Noise(static_cast<size_t>(width * height * 3), seed + static_cast<uint64_t>(100 * c + i));
      for (size_t k = 0; k < pixels.size(); ++k) {
        const bool bright = static_cast<int>(k % 3) == c % 3;
        pixels[k] = static_cast<uint8_t>(pixels[k] / 4 + (bright ? 170 : 20));
      }
      const bool png = i % 2 == 0;
      std::ofstream(fmt::format("{}/{}.{}", of_class, i, png ? "png" : "JPG"), std::ios::binary)
          << (png ? supernet::testing::EncodePng(width, height, pixels)
                  : supernet::testing::EncodeJpeg(width, height, pixels));
    }
  }
}

class FolderCli : public ::testing::Test {
 protected:
  FolderCli() {
    WritePart(folder_ / "train", 3, 12, 1);
    WritePart(folder_ / "test", 3, 4, 5000);
  }
  std::string data() const { return "folder:" + folder_.path(); }

  TemporaryFolder folder_, out_;
  const std::vector<std::string> measuring_ = {"--validation",          "9",  "--recalibration-batches", "1",
                                               "--recalibration-batch", "16", "--latency-rounds",        "10"};
};

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Photographs are augmented as published, unless something else is asked for.
TEST_F(FolderCli, SuperVitDrawsWhatIsPublished) {
  const std::vector<std::string> run = {"train",   "supervit", "--data", data(),         "--resolutions",
                                        "64",      "--epochs", "1",      "--image-size", "64",
                                        "--batch", "18",       "--json"};
  const json published = Ok(run + std::vector<std::string>{"--out", out_ / "published"})["recipe"];
  EXPECT_EQ(published["rand_augment"], "rand-n1-m1-mstd0.5-inc1");
  EXPECT_EQ(published["erasing"], 0.01);
  EXPECT_EQ(published["mixing"], json({{"mixup", 0.01}, {"cutmix", 0.01}, {"switch", 0.5}}));
  EXPECT_FALSE(published.contains("drop_path"));
  const json other = Ok(run + std::vector<std::string>{"--out", out_ / "other", "--rand-augment", "none", "--erasing",
                                                       "0", "--mixup", "0", "--cutmix", "0.2"})["recipe"];
  EXPECT_FALSE(other.contains("rand_augment"));
  EXPECT_FALSE(other.contains("erasing"));
  EXPECT_EQ(other["mixing"], json({{"mixup", 0}, {"cutmix", 0.2}, {"switch", 0.5}}));
}

TEST_F(FolderCli, MobileNetV3) {
  const std::string run = out_ / "run", job = out_ / "job", blocks = TwoEach(out_);
  Ok({"train", "mobilenetv3", "--data", data(), "--out", run, "--resolutions", "32,48", "--epochs", "1", "--batch",
      "12", "--lr", "0.02", "--json"});
  const std::string checkpoint = run + "/checkpoint.safetensors";
  // The threads that decode change nothing, and neither does the form of the space in which a network is named.
  const std::vector<std::string> evaluate = {
      "evaluate", "--checkpoint", checkpoint, "--data", data(), "--recalibration-batches", "1", "--json"};
  const json one = Ok(evaluate + std::vector<std::string>{"--subnet", R"({"ks": 3, "e": 3, "d": 2, "resolution": 48})",
                                                          "--loader-threads", "1"});
  const json three = Ok(evaluate + std::vector<std::string>{"--subnet", R"({"codes": [0,0,0,0,0], "resolution": 48})",
                                                            "--blocks", blocks, "--loader-threads", "3"});
  EXPECT_EQ(one["images"], 12);
  EXPECT_EQ(one["damaged_images"], 0);
  EXPECT_EQ(one["loss"], three["loss"]);
  EXPECT_EQ(one["accuracy"], three["accuracy"]);
  const json other = Ok(evaluate + std::vector<std::string>{"--subnet", "[1,1,1,1,1]", "--blocks", blocks});
  EXPECT_NE(other["loss"], three["loss"]);

  const json table =
      Ok(std::vector<std::string>{"profile", "--checkpoint", checkpoint, "--data", data(), "--out", out_ / "table.json",
                                  "--blocks", blocks, "--metrics", "accuracy,flops", "--json"} +
         measuring_);
  EXPECT_EQ(table["nodes"].size(), 5U);

  const json found = Ok(std::vector<std::string>{"search-network", "mobilenetv3", "--data", data(), "--out", job,
                                                 "--checkpoint", checkpoint, "--blocks", blocks, "--batch", "12",
                                                 "--lr", "0.02", "--fine-tune-epochs", "1", "--audit", "2", "--json"} +
                        measuring_);
  EXPECT_EQ(found["damaged_images"], 0);
  const auto tuned = supernet::LoadCheckpoint(job + "/finetuned.safetensors");
  ASSERT_TRUE(tuned.ok()) << tuned.status();
  EXPECT_EQ(json::parse(tuned->recipe)["lr"], 0.01) << "half of the supernet's";
  const json ran = Ok({"run", job, "--runs", "2", "--data", data(), "--json"});
  EXPECT_EQ(ran["accuracy"], found["test_accuracy"]);
  const std::string report = ReadFile(found["report"]);
  EXPECT_NE(report.find("27 training, 9 validation, 12 test images"), std::string::npos);
  // A validation part of its own is used in place of training images.
  WritePart(folder_ / "val", 3, 2, 9000);
  const json again = Ok(std::vector<std::string>{"search-network", "mobilenetv3", "--data", data(), "--out", job,
                                                 "--checkpoint", checkpoint, "--blocks", blocks, "--batch", "12",
                                                 "--lr", "0.02", "--fine-tune-epochs", "1", "--audit", "0", "--json"} +
                        measuring_);
  EXPECT_NE(ReadFile(again["report"]).find("36 training, 6 validation, 12 test images"), std::string::npos);
}

TEST_F(FolderCli, NasBench201AtOneSize) {
  const json found = Ok(std::vector<std::string>{"search-network",
                                                 "nasbench201",
                                                 "--data",
                                                 data(),
                                                 "--out",
                                                 out_ / "job",
                                                 "--size",
                                                 "8",
                                                 "--cells",
                                                 "1",
                                                 "--channels",
                                                 "4",
                                                 "--epochs",
                                                 "1",
                                                 "--batch",
                                                 "9",
                                                 "--fine-tune-epochs",
                                                 "1",
                                                 "--audit",
                                                 "2",
                                                 "--json"} +
                        measuring_);
  const json ran = Ok({"run", out_ / "job", "--runs", "2", "--data", data(), "--json"});
  EXPECT_EQ(ran["accuracy"], found["test_accuracy"]);
  EXPECT_EQ(ran["information"]["macro"]["height"], 8);
  const json evaluated =
      Ok({"evaluate", "--checkpoint", out_ / "job/finetuned.safetensors", "--data", data(), "--json"});
  EXPECT_EQ(evaluated["accuracy"], found["test_accuracy"]);
}

TEST_F(FolderCli, DamagedFiles) {
  const std::string run = out_ / "run";
  const std::vector<std::string> train = {"train",    "nasbench201", "--data",  data(), "--out",      run,
                                          "--size",   "8",           "--cells", "1",    "--channels", "4",
                                          "--epochs", "1",           "--batch", "9",    "--json"};
  Ok(train);
  const std::string bad = folder_ / "test/class1/2.png";
  ASSERT_TRUE(std::filesystem::exists(bad));
  std::ofstream(bad, std::ios::trunc) << "no image";
  const std::vector<std::string> evaluate = {
      "evaluate", "--checkpoint", run + "/checkpoint.safetensors", "--subnet", "[3,3,3,3,3,3]",
      "--data",   data(),         "--recalibration-batches",       "1",        "--json"};
  const Finished told = RunProgram(evaluate);
  ASSERT_EQ(told.exit_status, 0) << told.err;
  EXPECT_EQ(told.json()["damaged_images"], 1);
  EXPECT_EQ(told.json()["images"], 12);
  EXPECT_NE(told.err.find("warning: " + bad), std::string::npos) << told.err;
  ExpectRefused(evaluate + std::vector<std::string>{"--stop-at-damage"}, bad);
  // Training counts and refuses them too.
  std::ofstream(folder_ / "train/class0/0.png", std::ios::trunc) << "no image";
  std::vector<std::string> again = train;
  again[5] = out_ / "again";
  EXPECT_EQ(Ok(again)["damaged_images"], 1);
  again[5] = out_ / "stopped";
  const Finished stopped = RunProgram(again + std::vector<std::string>{"--stop-at-damage"});
  EXPECT_EQ(stopped.exit_status, 2);
  EXPECT_NE(stopped.err.find("train/class0/0.png"), std::string::npos) << stopped.err;
}

TEST_F(FolderCli, BadInput) {
  ExpectRefused({"search-network", "nasbench201", "--data", "folder:" + (out_ / "none"), "--out", out_ / "job"},
                "expected a folder with train/CLASS");
  std::filesystem::remove_all(folder_ / "test");
  ExpectRefused({"search-network", "nasbench201", "--data", data(), "--out", out_ / "job"},
                "expected a folder test or val beside train");
}

}  // namespace
}  // namespace mathnas::cli
