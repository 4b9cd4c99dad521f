#include "supernet/training/trainer.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/nasbench201/space.h"
#include "supernet/weights.h"
#include "tests/supernet/naive_statistics.h"
#include "tests/supernet/test_files.h"

namespace mathnas::supernet {
namespace {

using kernels::TensorMap;
using testing::FloatDevice;
using testing::TempFolder;

std::shared_ptr<const SearchSpace> Space() {
  return *NasBench201({.channels = 8, .cells = 1, .classes = 4, .height = 8, .width = 8});
}

const ImageDataset& Data() {
  static const ImageDataset data = LoadDataset("synthetic:N=160,test=8,size=8,classes=4")->train;
  return data;
}

TensorMap Weights(const SearchSpace& space, const std::optional<Choice>& own) {
  const GraphRequest request = {.mode = Mode::kTraining};
  TensorMap weights = AllocateWeights(own ? space.Network(*own, request).graph : space.Supernet(request).graph);
  InitializeWeights(weights, 1);
  return weights;
}

// What is trained, and how.
struct Setting {
  std::string name;
  std::optional<Choice> own;
  Sampling sampling = Sampling::kUniform;
};

const std::vector<Setting>& Settings() {
  static const std::vector<Setting> settings = {{"full", std::nullopt, Sampling::kFull},
                                                {"uniform", std::nullopt, Sampling::kUniform},
                                                {"fair", std::nullopt, Sampling::kFair},
                                                {"own", Choice{3, 1, 2, 4, 0, 3}}};
  return settings;
}

TrainingRecipe Recipe(const Setting& setting) {
  return {.epochs = 3,
          .batch = 32,
          .learning_rate = 0.05,
          .label_smoothing = 0.05,
          .sampling = setting.sampling,
          .crop_padding = 1,
          .seed = 4};
}

// Writes a checkpoint after every batch.
TrainingRun Into(std::string path) {
  TrainingRun run;
  run.checkpoint_path = std::move(path);
  run.checkpoint_seconds = 0;
  return run;
}

absl::StatusOr<Checkpoint> TrainOnce(const Setting& setting, const TrainingRecipe& recipe, const TrainingRun& run = {},
                                     int threads = 1) {
  const auto space = Space();
  return Train(space, FloatDevice(threads), Referring(Data()), setting.own, Weights(*space, setting.own), recipe, run);
}

bool SameBits(const kernels::Tensor& a, const kernels::Tensor& b) {
  return a.desc() == b.desc() && std::memcmp(a.data(), b.data(), a.desc().bytes()) == 0;
}

void ExpectSame(const Checkpoint& a, const Checkpoint& b) {
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.batch, b.batch);
  EXPECT_EQ(a.seed, b.seed);
  EXPECT_EQ(a.recipe, b.recipe);
  ASSERT_EQ(a.epochs.size(), b.epochs.size());
  for (size_t e = 0; e < a.epochs.size(); ++e) {  // all but the seconds
    EXPECT_EQ(a.epochs[e].loss, b.epochs[e].loss) << e;
    EXPECT_EQ(a.epochs[e].accuracy, b.epochs[e].accuracy) << e;
    EXPECT_EQ(a.epochs[e].images, b.epochs[e].images) << e;
  }
  for (const auto& [x, y] : {std::pair{&a.weights, &b.weights}, {&a.optimizer, &b.optimizer}}) {
    ASSERT_EQ(x->size(), y->size());
    for (const TensorMap::Entry& e : x->entries()) {
      ASSERT_NE(y->Find(e.name), nullptr) << e.name;
      EXPECT_TRUE(SameBits(e.tensor, *y->Find(e.name))) << e.name;
    }
  }
}

TEST(Train, LossDecreases) {
  for (const Setting& setting : Settings()) {
    SCOPED_TRACE(setting.name);
    TrainingRecipe recipe = Recipe(setting);
    recipe.epochs = 12;
    const auto result = TrainOnce(setting, recipe);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->epoch, 12);
    EXPECT_EQ(result->batch, 0);
    ASSERT_EQ(result->epochs.size(), 12U);
    for (const EpochRecord& e : result->epochs) {
      EXPECT_EQ(e.images, 160);
      EXPECT_TRUE(std::isfinite(e.loss));
      EXPECT_GE(e.accuracy, 0);
      EXPECT_LE(e.accuracy, 1);
    }
    EXPECT_NEAR(result->epochs[0].loss, std::log(4.0), 0.5) << "four classes, nothing learnt yet";
    EXPECT_LT(result->epochs[11].loss, result->epochs[0].loss - 0.15);
    EXPECT_GT(result->epochs[11].accuracy, 0.3) << "chance is 0.25";
  }
}

TEST(Train, SameSeedSameBitsOtherSeedOthers) {
  for (const Setting& setting : Settings()) {
    SCOPED_TRACE(setting.name);
    TrainingRecipe recipe = Recipe(setting);
    recipe.epochs = 1;
    const int threads = setting.name == "uniform" ? 2 : 1;
    const auto a = TrainOnce(setting, recipe, {}, threads), b = TrainOnce(setting, recipe, {}, threads);
    ASSERT_TRUE(a.ok() && b.ok());
    ExpectSame(*a, *b);
    recipe.seed = 5;
    const auto c = TrainOnce(setting, recipe);
    EXPECT_NE(c->epochs[0].loss, a->epochs[0].loss);
  }
}

// Stopped after `batches` batches in all, then gone on to the end.
TEST(Train, ResumedRunGivesTheBitsOfAnUninterruptedOne) {
  for (const Setting& setting : Settings()) {
    SCOPED_TRACE(setting.name);
    const TrainingRecipe recipe = Recipe(setting);  // 5 batches an epoch
    const auto whole = TrainOnce(setting, recipe);
    ASSERT_TRUE(whole.ok()) << whole.status();
    for (const int batches : {1, 5, 8}) {  // in the first epoch, at its end, in the second
      SCOPED_TRACE(batches);
      TempFolder folder;
      TrainingRun run = Into(folder / "checkpoint");
      std::atomic<bool> cancel = batches == 1;
      run.cancel = &cancel;
      int done = 0;  // reports: one after each batch, since each writes a checkpoint
      run.progress = [&](const TrainingProgress& p) {
        EXPECT_TRUE(p.checkpointed);
        ++done;
        EXPECT_EQ(p.epoch * 5 + p.batch, done);
        EXPECT_EQ(p.batches, 5);
        cancel = done + 1 >= batches;  // looked at after the next batch
      };
      const auto stopped = TrainOnce(setting, recipe, run);
      ASSERT_EQ(stopped.status().code(), absl::StatusCode::kCancelled) << stopped.status();
      EXPECT_EQ(done, batches);
      const auto saved = LoadCheckpoint(run.checkpoint_path);
      ASSERT_TRUE(saved.ok()) << saved.status();
      EXPECT_EQ(saved->epoch * 5 + saved->batch, batches);

      TrainingRun rest = Into(run.checkpoint_path);
      rest.resume = true;
      rest.checkpoint_seconds = 1e9;
      const auto resumed = TrainOnce(setting, recipe, rest);
      ASSERT_TRUE(resumed.ok()) << resumed.status();
      ExpectSame(*resumed, *whole);
      // The file holds the end, and to go on from there is to do nothing.
      ExpectSame(*LoadCheckpoint(run.checkpoint_path), *whole);
      const auto again = TrainOnce(setting, recipe, rest);
      ASSERT_TRUE(again.ok()) << again.status();
      ExpectSame(*again, *whole);
    }
  }
}

TEST(Train, ResumesOnlyWhatItBegan) {
  TempFolder folder;
  const Setting& uniform = Settings()[1];
  const std::string path = folder / "checkpoint";
  std::atomic<bool> cancel = true;
  TrainingRun begin = Into(path), resume = Into(path);
  begin.cancel = &cancel;
  resume.resume = true;
  EXPECT_FALSE(TrainOnce(uniform, Recipe(uniform), begin).ok());
  const std::string before = testing::Read(path);
  const auto expect = [&](const absl::StatusOr<Checkpoint>& result, const char* word) {
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << result.status();
    for (const std::string& f : {path, std::string(word)}) {
      EXPECT_NE(kernels::Message(result.status()).find(f), std::string::npos) << kernels::Message(result.status());
    }
    EXPECT_EQ(testing::Read(path), before);
  };
  TrainingRecipe other = Recipe(uniform);
  other.learning_rate = 0.06;
  expect(TrainOnce(uniform, other, resume), "recipe");
  other = Recipe(uniform);
  other.seed = 8;
  expect(TrainOnce(uniform, other, resume), "recipe");
  expect(TrainOnce(Settings()[2], Recipe(Settings()[2]), resume), "recipe");
  expect(TrainOnce(Settings()[3], Recipe(uniform), resume), "subnet");
  const auto larger = *NasBench201({.channels = 16, .cells = 1, .classes = 4, .height = 8, .width = 8});
  expect(Train(larger, FloatDevice(), Referring(Data()), std::nullopt, Weights(*larger, std::nullopt), Recipe(uniform),
               resume),
         "macro");
  testing::Write(path, "rubbish");
  EXPECT_FALSE(TrainOnce(uniform, Recipe(uniform), resume).ok());
  EXPECT_EQ(testing::Read(path), "rubbish");
}

// Single path training: what no sampled path runs stays as it was, bit for bit, and has no momentum.
TEST(Train, TensorsOfPathsNeverSampledStayUntouched) {
  const auto space = Space();
  const Setting& uniform = Settings()[1];
  TrainingRecipe recipe = Recipe(uniform);
  std::atomic<bool> cancel = false;
  TempFolder folder;
  TrainingRun run = Into(folder / "checkpoint");
  run.cancel = &cancel;
  run.progress = [&](const TrainingProgress& p) { cancel = p.batch >= 1; };  // two batches in all
  EXPECT_EQ(TrainOnce(uniform, recipe, run).status().code(), absl::StatusCode::kCancelled);
  const auto trained = LoadCheckpoint(run.checkpoint_path);
  ASSERT_TRUE(trained.ok()) << trained.status();
  ASSERT_EQ(trained->batch, 2);
  std::set<std::string> sampled;  // "1<-0.3"
  for (int64_t step = 0; step < 2; ++step) {
    const Choice choice = *SamplePaths(*space, Sampling::kUniform, recipe.seed, step)[0];
    for (size_t e = 0; e < 6; ++e) sampled.insert(space->nodes()[e].name + "." + std::to_string(choice[e]));
  }
  const TensorMap before = Weights(*space, std::nullopt);
  int touched = 0, untouched = 0;
  for (const TensorMap::Entry& e : before.entries()) {
    bool used = e.name != "arch_parameters";
    if (const size_t at = e.name.find(".edges."); at != std::string::npos) {
      used = sampled.contains(e.name.substr(at + 7, 6));
    }
    const bool same = SameBits(e.tensor, *trained->weights.Find(e.name));
    if (!used) {
      EXPECT_TRUE(same) << e.name;
      EXPECT_FALSE(trained->optimizer.contains("momentum." + e.name)) << e.name;
      ++untouched;
      continue;
    }
    ++touched;
    // A parameter of a path moves at least by weight decay; biases begin at 0, and in front of a normalisation or on a
    // dead path they may stay there.
    if (e.name.ends_with("weight")) {
      EXPECT_FALSE(same) << e.name;
      EXPECT_TRUE(trained->optimizer.contains("momentum." + e.name)) << e.name;
    }
    if (e.name.ends_with("num_batches_tracked")) {
      EXPECT_GT(trained->weights.Find(e.name)->as<int64_t>()[0], 0) << e.name;
    }
  }
  EXPECT_GT(touched, 20);
  EXPECT_GT(untouched, 20);
}

TEST(Train, WhatMakesNoSenseIsRefused) {
  const Setting& uniform = Settings()[1];
  const auto space = Space();
  const auto expect = [](const absl::Status& status, const std::vector<std::string>& fragments) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    for (const std::string& f : fragments) {
      EXPECT_NE(kernels::Message(status).find(f), std::string::npos)
          << "\"" << f << "\" in: " << kernels::Message(status);
    }
  };
  const auto nan = std::nan("");
  const std::pair<std::string, TrainingRecipe> recipes[] = {{"epochs", {.epochs = 0}},
                                                            {"batch", {.batch = 0}},
                                                            {"batch", {.batch = 161}},
                                                            {"lr", {.learning_rate = -1}},
                                                            {"lr", {.learning_rate = nan}},
                                                            {"final lr", {.final_learning_rate = nan}},
                                                            {"warm-up", {.epochs = 3, .warmup_epochs = 4}},
                                                            {"momentum", {.momentum = 1.5}},
                                                            {"weight decay", {.weight_decay = -1e-4}},
                                                            {"label smoothing", {.label_smoothing = 1}},
                                                            {"crop", {.batch = 32, .crop_padding = 100}}};
  for (const auto& [field, recipe] : recipes) expect(TrainOnce(uniform, recipe).status(), {field});
  const auto train = [&](const std::string& spec) {
    const ImageDataset data = LoadDataset(spec)->train;
    return Train(space, FloatDevice(), Referring(data), std::nullopt, Weights(*space, std::nullopt), {.batch = 4}, {})
        .status();
  };
  expect(train("synthetic:N=16,size=12,classes=4"), {"12x12x3", "8x8x3"});
  expect(train("synthetic:N=16,size=8,classes=5"), {"5 classes"});
  expect(
      Train(space, FloatDevice(), Referring(Data()), Choice{1, 2, 3}, Weights(*space, std::nullopt), {.batch = 32}, {})
          .status(),
      {"3 entries"});
  // Weights of another network.
  expect(Train(space, FloatDevice(), Referring(Data()), std::nullopt, Weights(*space, Choice{3, 3, 3, 3, 3, 3}),
               {.batch = 32}, {})
             .status(),
         {"missing"});
}

TEST(Train, DivergenceIsAnError) {
  const Setting& own = Settings()[3];
  TrainingRecipe recipe = Recipe(own);
  recipe.epochs = 20;
  recipe.learning_rate = 1000;
  recipe.weight_decay = 100;
  const auto result = TrainOnce(own, recipe);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition) << result.status();
  EXPECT_NE(kernels::Message(result.status()).find("diverged"), std::string::npos);
}

}  // namespace
}  // namespace mathnas::supernet
