// Drop path: which branches are dropped, how often, and what is left of a block; runs that go on to the bit.
#include "blocks/drop_path.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <variant>
#include <vector>

#include "blocks/inverted_residual.h"
#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/supervit/space.h"
#include "supernet/training/trainer.h"
#include "supernet/weights.h"
#include "tests/supernet/naive_statistics.h"
#include "tests/supernet/test_files.h"

namespace mathnas::supernet {
namespace {

using kernels::Tensor;
using kernels::TensorMap;
using kernels::Value;
using testing::FloatDevice;

// Seeds and masks are fixed, so what passes once passes always; a normal number is beyond it in 1 of 2e6 cases.
constexpr double kLargest = 5;

std::vector<kernels::Dropout> DropsOf(const kernels::Graph& g) {
  std::vector<kernels::Dropout> drops;
  for (const kernels::Graph::Node& n : g.nodes()) {
    if (const auto* drop = std::get_if<kernels::Dropout>(&n.op)) drops.push_back(*drop);
  }
  return drops;
}

// Ones through the branches of three blocks.
TEST(DropPath, DropsWholeSamplesLinearlyOverDepth) {
  constexpr int64_t kSamples = 20000;
  constexpr double kRate = 0.6;
  kernels::Graph g;
  const Value x = g.Input("x", {kSamples, 2, 1, 3});
  blocks::DropPath drop_path(g, kRate, 3);
  std::vector<kernels::PlanOutput> outputs;
  for (const char* name : {"first", "second", "third"}) {
    drop_path.Begin();
    outputs.push_back({name, drop_path.Branch(x)});
  }
  outputs.push_back({"third again", drop_path.Branch(x)});
  const auto device = FloatDevice(2);
  auto plan = kernels::Plan::Create(g, outputs, *device);
  ASSERT_TRUE(plan.ok()) << plan.status();
  auto context = kernels::Context::Create(*plan, {});
  ASSERT_TRUE(context.ok()) << context.status();
  for (float& v : (*context)->Input("x")->as<float>()) v = 1;
  (*context)->Input("seed")->as<int64_t>()[0] = 11;
  ASSERT_TRUE((*context)->Run().ok());

  const auto dropped = [&](const char* name, double rate) {
    std::vector<int> mask;
    double count = 0, sum = 0;
    const auto values = (*context)->Output(name)->as<float>();
    for (size_t n = 0; n < kSamples; ++n) {
      const bool zero = values[6 * n] == 0;
      for (size_t i = 0; i < 6; ++i) {
        EXPECT_FLOAT_EQ(values[6 * n + i], zero ? 0.0F : static_cast<float>(1 / (1 - rate))) << name << " " << n;
      }
      count += zero;
      sum += values[6 * n];
      mask.push_back(zero);
    }
    const double deviation = std::sqrt(kSamples * rate * (1 - rate));
    EXPECT_LT(std::abs(count - kSamples * rate), kLargest * deviation) << name;
    EXPECT_LT(std::abs(sum - kSamples), kLargest * deviation / (1 - rate)) << name << ": the expectation is the input";
    return mask;
  };
  dropped("first", 0.2);
  dropped("second", 0.4);
  const std::vector<int> one = dropped("third", 0.6), other = dropped("third again", 0.6);
  double both = 0;
  for (size_t n = 0; n < kSamples; ++n) both += one[n] * other[n];
  EXPECT_LT(std::abs(both - kSamples * 0.36), kLargest * std::sqrt(kSamples * 0.36 * 0.64)) << "independent branches";
}

// y = x + branch becomes x + branch / (1 - rate), or x.
TEST(DropPath, ABlockIsItsInputOrItsBranchIsScaled) {
  constexpr double kRate = 0.5;
  constexpr int64_t kSamples = 16, kSize = 4 * 4 * 8;
  const auto device = FloatDevice(2);
  TensorMap weights;
  const auto run = [&](double rate) {
    kernels::Graph g;
    const Value x = g.Input("x", {kSamples, 4, 4, 8});
    blocks::DropPath drop_path(g, rate, 1);
    drop_path.Begin();
    const Value y = blocks::InvertedResidual(g, x, "block", {.mid = 16, .out = 8, .drop_path = &drop_path}, nullptr,
                                             Mode::kTraining, {});
    if (weights.size() == 0) {
      weights = AllocateWeights(g);
      InitializeWeights(weights, 5, Initialization::kPyTorch);
    }
    const TensorMap copy = weights.Clone();
    auto plan = kernels::Plan::Create(g, {{"y", y}}, *device);
    EXPECT_TRUE(plan.ok()) << plan.status();
    auto context = kernels::Context::Create(*plan, {&copy});
    EXPECT_TRUE(context.ok()) << context.status();
    kernels::Random random(3);
    for (float& v : (*context)->Input("x")->as<float>()) v = static_cast<float>(random.Normal());
    const auto in = (*context)->Input("x")->as<float>();
    std::vector<float> input(in.begin(), in.end());
    if (rate > 0) (*context)->Input("seed")->as<int64_t>()[0] = 2;
    EXPECT_TRUE((*context)->Run().ok());
    const auto out = (*context)->Output("y")->as<float>();
    return std::pair(input, std::vector<float>(out.begin(), out.end()));
  };
  const auto [x, whole] = run(0);
  const std::vector<float> dropped = run(kRate).second;
  int inputs = 0;
  for (size_t n = 0; n < kSamples; ++n) {
    const bool is_input = std::memcmp(&dropped[n * kSize], &x[n * kSize], kSize * sizeof(float)) == 0;
    inputs += is_input;
    for (size_t i = n * kSize; !is_input && i < (n + 1) * kSize; ++i) {
      // A few roundings of numbers of this size.
      const double branch = double{whole[i]} - x[i];
      ASSERT_NEAR(dropped[i], x[i] + branch / (1 - kRate), 0x1p-21 * (std::abs(x[i]) + 2 * std::abs(branch))) << i;
    }
  }
  EXPECT_GT(inputs, 0);
  EXPECT_LT(inputs, kSamples);
}

TEST(DropPath, EveryResidualBranchOfANetworkHasOne) {
  // spec/search-spaces.md 5.1 and 5.2: 17 convolution blocks of the largest network have a branch, transformer blocks
  // three each.
  const auto vit = *SuperVit({.classes = 4, .resolutions = {64}});
  const GraphRequest request = {.batch = 2, .mode = Mode::kTraining, .drop_path = 0.4};
  const auto largest = vit->Network(vit->extremes()->largest, request).graph;
  const std::vector<kernels::Dropout> vit_drops = DropsOf(largest);
  ASSERT_EQ(vit_drops.size(), 17u + 25 * 3);
  constexpr double kBlocks = 17 + 25;
  EXPECT_DOUBLE_EQ(vit_drops.front().rate, 0.4 / kBlocks);
  EXPECT_EQ(vit_drops.front().group, 32 * 32 * 24);
  EXPECT_DOUBLE_EQ(vit_drops.back().rate, 0.4);
  for (size_t i = 0; i < vit_drops.size(); ++i) EXPECT_EQ(vit_drops[i].stream, static_cast<int32_t>(i));

  // 3.1: depths of two, so the second block of each of five stages adds its input, and the block before them does.
  const auto mobile = *MobileNetV3({.classes = 4, .resolutions = {128}});
  const Choice choice = *mobile->ParseSubnet(R"({"ks": 3, "e": 3, "d": 2})");
  const std::vector<kernels::Dropout> drops = DropsOf(mobile->Network(choice, request).graph);
  ASSERT_EQ(drops.size(), 6u);
  for (size_t i = 0; i < drops.size(); ++i) EXPECT_DOUBLE_EQ(drops[i].rate, 0.4 * (2 * i + 1) / 11) << i;

  for (const auto& [space, c] : {std::pair(vit, vit->base()), std::pair(mobile, choice)}) {
    GraphRequest other = request;
    other.mode = Mode::kInference;
    const kernels::Graph inference = space->Network(c, other).graph;
    EXPECT_TRUE(DropsOf(inference).empty());
    EXPECT_FALSE(inference.Find("seed").valid());
    other.mode = Mode::kTraining;
    other.drop_path = 0;
    EXPECT_FALSE(space->Network(c, other).graph.Find("seed").valid());
  }
}

class DropPathTraining : public ::testing::Test {
 protected:
  static const ImageDataset& Data() {
    static const ImageDataset data = LoadDataset("synthetic:N=6,test=2,size=16,classes=4")->train;
    return data;
  }
  static absl::StatusOr<Checkpoint> TrainOnce(std::shared_ptr<const SearchSpace> space, double rate,
                                              const TrainingRun& run = {}) {
    TrainingRecipe recipe = NasVitRecipe(2);
    if (space->name() != "supervit") recipe.sampling = Sampling::kUniform, recipe.image_size = 0;
    recipe.epochs = 1;
    recipe.warmup_epochs = 0;
    recipe.learning_rate = 1e-3;
    recipe.average = 0;
    if (recipe.image_size > 0) recipe.image_size = 64;
    recipe.drop_path = rate;
    TensorMap weights = AllocateWeights(space->Supernet({.mode = Mode::kTraining}).graph);
    InitializeWeights(weights, 3, space->initialization());
    return Train(space, FloatDevice(2), Referring(Data()), std::nullopt, std::move(weights), recipe, run);
  }
  static bool Same(const TensorMap& a, const TensorMap& b) {
    for (const TensorMap::Entry& e : a.entries()) {
      if (std::memcmp(b.Find(e.name)->data(), e.tensor.data(), e.tensor.desc().bytes()) != 0) return false;
    }
    return a.size() == b.size();
  }
};

TEST_F(DropPathTraining, ResumedRunGivesTheBitsOfAnUninterruptedOne) {
  const auto space = *SuperVit({.classes = 4, .resolutions = {64}});
  const auto whole = TrainOnce(space, 0.5);
  ASSERT_TRUE(whole.ok()) << whole.status();
  const auto without = TrainOnce(space, 0);
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_FALSE(Same(whole->weights, without->weights));

  testing::TempFolder folder;
  std::atomic<bool> cancel = false;
  TrainingRun run;
  run.checkpoint_path = folder / "checkpoint";
  run.checkpoint_seconds = 0;
  run.cancel = &cancel;
  run.progress = [&](const TrainingProgress& p) { cancel = p.batch >= 1; };
  ASSERT_EQ(TrainOnce(space, 0.5, run).status().code(), absl::StatusCode::kCancelled);
  cancel = false;
  run.progress = nullptr;
  run.resume = true;
  EXPECT_EQ(TrainOnce(space, 0.4, run).status().code(), absl::StatusCode::kInvalidArgument) << "another recipe";
  const auto resumed = TrainOnce(space, 0.5, run);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_TRUE(Same(resumed->weights, whole->weights));
}

TEST_F(DropPathTraining, WhatMakesNoSenseIsRefused) {
  const auto cell = *NasBench201({.cells = 1, .classes = 4, .height = 16, .width = 16});
  const auto status = TrainOnce(cell, 0.1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(kernels::Message(status).find("drop path 0.1: blocks of nasbench201 have no residual branches"),
            std::string::npos)
      << status;
  for (double rate : {-0.1, 1.0, std::nan("")}) {
    TrainingRecipe recipe;
    recipe.drop_path = rate;
    EXPECT_NE(kernels::Message(Check(recipe)).find("drop path"), std::string::npos) << rate;
  }
}

}  // namespace
}  // namespace mathnas::supernet
