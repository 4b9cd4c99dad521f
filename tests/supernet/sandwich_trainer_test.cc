// Training of NASViT's supernet by its recipe: the step of the sandwich against the same parts put together by hand,
// runs that go on to the bit, the moving average, and what is refused. Smallest images, few steps: networks are whole.
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/network_input.h"
#include "supernet/supervit/space.h"
#include "supernet/training/trainer.h"
#include "supernet/weights.h"
#include "tests/supernet/naive_statistics.h"
#include "tests/supernet/test_files.h"

namespace mathnas::supernet {
namespace {

using kernels::Tensor;
using kernels::TensorMap;
using testing::FloatDevice;
using testing::TempFolder;

std::shared_ptr<const SearchSpace> Space() { return *SuperVit({.classes = 4, .resolutions = {192}}); }

const ImageDataset& Data() {
  static const ImageDataset data = LoadDataset("synthetic:N=6,test=2,size=16,classes=4")->train;
  return data;
}

TensorMap Weights() {
  const auto space = Space();
  TensorMap weights = AllocateWeights(space->Supernet({.mode = Mode::kTraining}).graph);
  InitializeWeights(weights, 3, space->initialization());
  return weights;
}

// Two epochs of three steps; gradients are clipped, and strengthened in the second epoch.
TrainingRecipe Recipe() {
  TrainingRecipe recipe = NasVitRecipe(2);
  recipe.epochs = 2;
  recipe.warmup_epochs = 1;
  recipe.learning_rate = 1e-3;
  recipe.clip_norm = 0.01;
  recipe.strengthen_from = 1;
  recipe.average = 0.9;
  recipe.image_size = 64;
  recipe.seed = 7;
  return recipe;
}

absl::StatusOr<Checkpoint> TrainOnce(const TrainingRecipe& recipe, const TrainingRun& run = {}) {
  return Train(Space(), FloatDevice(2), Referring(Data()), std::nullopt, Weights(), recipe, run);
}

void ExpectSameBits(const TensorMap& a, const TensorMap& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const TensorMap::Entry& e : a.entries()) {
    const Tensor* other = b.Find(e.name);
    ASSERT_NE(other, nullptr) << e.name;
    ASSERT_EQ(other->desc(), e.tensor.desc()) << e.name;
    EXPECT_EQ(std::memcmp(other->data(), e.tensor.data(), e.tensor.desc().bytes()), 0) << e.name;
  }
}

TEST(SandwichTrainer, ResumedRunGivesTheBitsOfAnUninterruptedOne) {
  const auto whole = TrainOnce(Recipe());
  ASSERT_TRUE(whole.ok()) << whole.status();
  ASSERT_EQ(whole->epochs.size(), 2u);
  EXPECT_GT(whole->epochs[0].loss, 0) << "cross-entropy of the largest network";
  TempFolder folder;
  std::atomic<bool> cancel = false;
  TrainingRun run;
  run.checkpoint_path = folder / "checkpoint";
  run.checkpoint_seconds = 0;
  run.cancel = &cancel;
  run.progress = [&](const TrainingProgress& p) { cancel = p.batch >= 1; };  // two batches of the first epoch
  EXPECT_EQ(TrainOnce(Recipe(), run).status().code(), absl::StatusCode::kCancelled);
  const auto stopped = LoadCheckpoint(run.checkpoint_path);
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_EQ(stopped->batch, 2);
  cancel = false;
  run.progress = nullptr;
  run.checkpoint_seconds = 1e9;
  run.resume = true;
  const auto resumed = TrainOnce(Recipe(), run);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  ExpectSameBits(resumed->weights, whole->weights);
  ExpectSameBits(resumed->optimizer, whole->optimizer);
  ExpectSameBits(resumed->average, whole->average);

  // What is evaluated is the average; running statistics are its too.
  Checkpoint trained = *LoadTrained(run.checkpoint_path);
  EXPECT_EQ(trained.average.size(), 0u);
  EXPECT_EQ(trained.optimizer.size(), 0u);
  const std::string name = "classifier.linear.linear.weight";
  const auto bits = [&](const TensorMap& map) { return map.Find(name)->as<float>()[5]; };
  EXPECT_EQ(bits(trained.weights), bits(whole->average));
  EXPECT_NE(bits(trained.weights), bits(whole->weights));
}

// One step, put together of the parts that the golden sequences check.
TEST(SandwichTrainer, OneStepByHand) {
  TrainingRecipe recipe = Recipe();
  recipe.epochs = 1;
  recipe.warmup_epochs = 0;
  recipe.batch = 6;
  const auto trained = TrainOnce(recipe);
  ASSERT_TRUE(trained.ok()) << trained.status();

  const auto space = Space();
  const auto device = FloatDevice(2);
  TensorMap weights = Weights();
  const TensorMap before = weights.Clone();
  LoaderOptions loading = LoaderOptions::Training(recipe.batch, recipe.seed);
  loading.augment = recipe.augment;
  loading.crop_padding = recipe.crop_padding;
  loading.end_epoch = 1;
  const ImageSourcePtr images = Referring(Data());
  auto loader = BatchLoader::Create(images, loading, ResolutionFor(*images, 64, 3));
  ASSERT_TRUE(loader.ok()) << loader.status();
  const Batch* batch = (*loader)->Next();
  ASSERT_NE(batch, nullptr);
  ASSERT_EQ(batch->images.desc.shape, kernels::Shape({6, 64, 64, 3}));

  TrainingStep step(space, device, weights,
                    {.weights = supernet::Weights::kShared, .optimizer = {.algorithm = Algorithm::kAdam}});
  const auto architecture = [&](const supervit::Architecture& a) { return *space->ParseSubnet(ToJson(a)); };
  supervit::Architecture largest = supervit::Largest();
  largest.resolution = 192;
  std::vector<StepInput> inputs = {{"image", batch->images}, {"labels", batch->labels}};
  const auto taught = step.Backward(architecture(largest), inputs);
  ASSERT_TRUE(taught.ok()) << taught.status();
  EXPECT_EQ(taught->rows, 6);
  EXPECT_EQ(trained->epochs[0].loss, taught->loss);
  Tensor logits(taught->logits.desc);
  std::memcpy(logits.data(), taught->logits.data, taught->logits.desc.bytes());
  step.SetAside();
  inputs[1] = {"teacher_logits", logits.view()};
  const auto drawn = SamplePaths(*space, Sampling::kSandwich, recipe.seed, 0);
  ASSERT_EQ(drawn.size(), 4u);
  EXPECT_EQ(*drawn[0], architecture(largest));
  EXPECT_NE(*drawn[2], *drawn[3]);
  for (const Choice& choice : {architecture(supervit::Smallest()), *drawn[2], *drawn[3]}) {
    ASSERT_TRUE(step.Backward(choice, inputs, Loss::kAdaptive).ok());
  }
  const auto combination = step.Combine({.clip_norm = 0.01});
  ASSERT_TRUE(combination.ok()) << kernels::Message(combination.status());
  EXPECT_GT(combination->norm, 0.01) << "clipped";
  ASSERT_TRUE(step.Update({.learning_rate = 1e-3}).ok());
  ExpectSameBits(trained->weights, weights);
  for (const TensorMap::Entry& e : trained->average.entries()) {
    const auto average = e.tensor.as<float>(), from = before.Find(e.name)->as<float>(),
               to = weights.Find(e.name)->as<float>();
    for (size_t i = 0; i < average.size(); ++i) {
      const double expected = 0.9 * from[i] + 0.1 * to[i];
      ASSERT_NEAR(average[i], expected, 0x1p-22 * (std::abs(from[i]) + std::abs(to[i]))) << e.name;
    }
  }
}

// The largest network's loss on a batch that is mixed pixel by pixel, from its logits and the shares of both labels.
TEST(SandwichTrainer, MixedImagesHaveMixedLabels) {
  constexpr int64_t kBatch = 6, kSide = 64, kClasses = 4;
  TrainingRecipe recipe = Recipe();
  recipe.epochs = 1;
  recipe.warmup_epochs = 0;
  recipe.batch = kBatch;
  recipe.label_smoothing = 0.1;
  recipe.mixing = {.mixup = 3};
  const auto space = *SuperVit({.classes = kClasses, .resolutions = {64}});
  const auto start = [&] {
    TensorMap weights = AllocateWeights(space->Supernet({.mode = Mode::kTraining}).graph);
    InitializeWeights(weights, 3, space->initialization());
    return weights;
  };
  const auto trained = Train(space, FloatDevice(2), Referring(Data()), std::nullopt, start(), recipe, {});
  ASSERT_TRUE(trained.ok()) << trained.status();

  LoaderOptions loading = LoaderOptions::Training(kBatch, recipe.seed);
  loading.end_epoch = 1;
  const ImageSourcePtr images = Referring(Data());
  auto loader = BatchLoader::Create(images, loading, ResolutionFor(*images, kSide, 3));
  ASSERT_TRUE(loader.ok()) << loader.status();
  const Batch* batch = (*loader)->Next();
  ASSERT_NE(batch, nullptr);
  const double kept = DrawMixing(recipe.mixing, recipe.seed, 0, 0, kSide, kSide).kept;
  ASSERT_GT(std::min(kept, 1 - kept), 0.05) << "a draw that shows something";
  const auto pixels = batch->images.as<float>();
  const size_t size = pixels.size() / kBatch;
  Tensor mixed(batch->images.desc);
  for (size_t n = 0; n < kBatch; ++n) {
    for (size_t i = 0; i < size; ++i) {
      const size_t own = n * size + i, other = (kBatch - 1 - n) * size + i;
      mixed.as<float>()[own] = static_cast<float>(kept * pixels[own] + (1 - kept) * pixels[other]);
    }
  }
  TensorMap weights = start();
  TrainingStep step(space, FloatDevice(2), weights, {.weights = supernet::Weights::kShared});
  const std::vector<StepInput> inputs = {{"image", mixed.view()}, {"labels", batch->labels}};
  const auto taught = step.Backward(space->extremes()->largest, inputs);
  ASSERT_TRUE(taught.ok()) << taught.status();
  const auto logits = taught->logits.as<float>();
  const auto labels = batch->labels.as<int64_t>();
  double loss = 0;
  for (size_t n = 0; n < kBatch; ++n) {
    double sum = 0;
    for (size_t k = 0; k < kClasses; ++k) sum += std::exp(double{logits[n * kClasses + k]});
    for (size_t k = 0; k < kClasses; ++k) {
      const double own = labels[n] == static_cast<int64_t>(k),
                   other = labels[kBatch - 1 - n] == static_cast<int64_t>(k);
      const double target = 0.9 * (kept * own + (1 - kept) * other) + 0.1 / kClasses;
      loss -= target * (logits[n * kClasses + k] - std::log(sum)) / kBatch;
    }
  }
  // Pixels are rounded differently.
  EXPECT_NEAR(trained->epochs[0].loss, loss, 1e-5);
}

TEST(SandwichTrainer, BranchesBeginAtNothing) {
  const TensorMap weights = Weights();
  int gammas = 0, tables = 0, positions = 0;
  for (const TensorMap::Entry& e : weights.entries()) {
    if (e.tensor.desc().dtype != kernels::DType::kF32) continue;
    const auto values = e.tensor.as<float>();
    if (e.name.ends_with(".point_linear.bn.bn.weight")) {
      ++gammas;
      for (float v : values) ASSERT_EQ(v, 0) << e.name;
    } else if (e.name.find(".rescale_") != std::string::npos) {
      ++tables;
      for (float v : values) ASSERT_EQ(v, 1e-4F) << e.name;
    } else if (e.name.ends_with("relative_position_bias_table")) {
      ++positions;
      double sum = 0, squares = 0;
      for (float v : values) sum += v, squares += double{v} * v;
      const auto n = static_cast<double>(values.size());
      // Five deviations of a mean and of a variance of n normal numbers.
      EXPECT_NEAR(sum / n, 0, 5 * 0.02 / std::sqrt(n)) << e.name;
      EXPECT_NEAR(squares / n / 4e-4, 1, 5 * std::sqrt(2 / n)) << e.name;
    } else if (e.name.ends_with(".bn.bn.weight")) {
      for (float v : values) ASSERT_EQ(v, 1) << e.name;
    }
  }
  EXPECT_EQ(gammas, 17) << "convolution blocks: 2 + 5 + 6 of the first stages and one of each other";
  EXPECT_EQ(tables, 50);
  EXPECT_EQ(positions, 25);
}

TEST(SandwichTrainer, WhatMakesNoSenseIsRefused) {
  const auto expect = [](const absl::Status& status, const char* words) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_NE(kernels::Message(status).find(words), std::string::npos) << kernels::Message(status);
  };
  TensorMap teacher;
  TrainingRun run;
  run.teacher = &teacher;
  expect(TrainOnce(Recipe(), run).status(), "no teacher");
  TrainingRecipe recipe = Recipe();
  recipe.average = 1;
  expect(TrainOnce(recipe).status(), "average");
  recipe = Recipe();
  recipe.image_size = -1;
  expect(TrainOnce(recipe).status(), "image size");
  recipe = Recipe();
  recipe.mixing.cutmix = -1;
  expect(TrainOnce(recipe).status(), "cutmix");
  recipe = Recipe();
  recipe.erasing = 2;
  expect(TrainOnce(recipe).status(), "erasing");
  recipe = Recipe();
  recipe.rand_augment.layers = -1;
  expect(TrainOnce(recipe).status(), "RandAugment");
  recipe = Recipe();
  recipe.augment = false;
  recipe.erasing = 0.1;
  expect(TrainOnce(recipe).status(), "not augmented");
}

}  // namespace
}  // namespace mathnas::supernet
