// Training of the MobileNetV3 supernet by stages of progressive shrinking: elastic resolution, a teacher, going on.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/training/trainer.h"
#include "supernet/weights.h"
#include "tests/supernet/naive_statistics.h"
#include "tests/supernet/test_files.h"

namespace mathnas::supernet {
namespace {

using kernels::TensorMap;
using testing::FloatDevice;
using testing::TempFolder;

std::shared_ptr<const SearchSpace> Space() { return *MobileNetV3({.classes = 4, .resolutions = {32, 48}}); }

ImageSourcePtr Images() {
  static const ImageSourcePtr images = InMemory(LoadDataset("synthetic:N=24,test=4,size=20,classes=4")->train);
  return images;
}

TensorMap Weights(const SearchSpace& space) {
  TensorMap weights = AllocateWeights(space.Supernet({.mode = Mode::kTraining}).graph);
  InitializeWeights(weights, 1, space.initialization());
  return weights;
}

TrainingRecipe Recipe() {
  const ShrinkingStage stage = {.name = "test",
                                .ks = {3, 5, 7},
                                .e = {3, 4, 6},
                                .d = {2, 3, 4},
                                .epochs = 2,
                                .rate = 0.01,
                                .warmup_epochs = 0,
                                .subnets = 2,
                                .channel_sorting = {}};
  return {.epochs = 2,
          .batch = 8,
          .learning_rate = 0.01,
          .rate_per_step = true,
          .weight_decay = 3e-5,
          .label_smoothing = 0.1,
          .decay = Decay::kWeights,
          .shrinking = Shrinking{stage, SubnetRule::kSandwich, {32, 48}},
          .seed = 3};
}

bool SameBits(const TensorMap& a, const TensorMap& b) {
  return a.size() == b.size() && std::ranges::all_of(a.entries(), [&](const TensorMap::Entry& e) {
           const kernels::Tensor* other = b.Find(e.name);
           return other != nullptr && e.tensor.desc() == other->desc() &&
                  std::memcmp(e.tensor.data(), other->data(), e.tensor.desc().bytes()) == 0;
         });
}

TEST(ShrinkingTrainer, GoesOnAfterEveryBatchWithTheSameBits) {
  const auto space = Space();
  const TensorMap first = Weights(*space);
  const TensorMap teacher = *ExtractWeights(*space, space->base(), first);
  TrainingRun run;
  run.teacher = &teacher;
  const auto whole = Train(space, FloatDevice(1), Images(), std::nullopt, first.Clone(), Recipe(), run);
  ASSERT_TRUE(whole.ok()) << kernels::Message(whole.status());
  EXPECT_EQ(whole->epoch, 2);
  ASSERT_EQ(whole->epochs.size(), 2U);
  for (const EpochRecord& e : whole->epochs) EXPECT_TRUE(std::isfinite(e.loss)) << e.loss;
  // Label-smoothed cross-entropy of four classes, and that against a teacher who knows as little.
  EXPECT_NEAR(whole->epochs[0].loss, 2 * std::log(4.0), 1.5);

  // Interrupted after every batch, six times.
  const TempFolder folder;
  std::atomic<bool> cancel = true;
  run.checkpoint_path = folder / "checkpoint.safetensors";
  run.resume = true;
  run.cancel = &cancel;
  for (int batch = 0; batch < 5; ++batch) {
    const auto part = Train(space, FloatDevice(1), Images(), std::nullopt, first.Clone(), Recipe(), run);
    EXPECT_TRUE(absl::IsCancelled(part.status())) << kernels::Message(part.status());
  }
  const auto resumed = Train(space, FloatDevice(1), Images(), std::nullopt, first.Clone(), Recipe(), run);
  ASSERT_TRUE(resumed.ok()) << kernels::Message(resumed.status());
  EXPECT_TRUE(SameBits(resumed->weights, whole->weights));
  EXPECT_TRUE(SameBits(resumed->optimizer, whole->optimizer));
  EXPECT_EQ(resumed->epochs[1].loss, whole->epochs[1].loss);
}

// The largest network runs in every step of the sandwich, so all parameters but the matrices have a momentum; the
// matrices have one where a smaller kernel was drawn, and the smallest network always draws one.
TEST(ShrinkingTrainer, TouchesWhatTheNetworksOfAStepUse) {
  const auto space = Space();
  TrainingRecipe recipe = Recipe();
  recipe.epochs = 1;
  const auto trained = Train(space, FloatDevice(2), Images(), std::nullopt, Weights(*space), recipe, {});
  ASSERT_TRUE(trained.ok()) << kernels::Message(trained.status());
  int64_t without = 0;
  for (kernels::Value v : space->Supernet({}).graph.Leaves(kernels::ValueKind::kParameter)) {
    const kernels::Graph graph = space->Supernet({}).graph;
    const std::string& name = graph.info(v).name;
    // The third and fourth blocks of the stages are not in the smallest network.
    without += !trained->optimizer.contains("momentum." + name);
    if (!trained->optimizer.contains("momentum." + name)) {
      EXPECT_NE(name.find("_matrix"), std::string::npos) << name;
    }
  }
  EXPECT_EQ(without, 2 * 2 * 5);
}

TEST(ShrinkingTrainer, BadInput) {
  const auto space = Space();
  const auto status = [&](const TrainingRecipe& recipe, ImageSourcePtr images) {
    return std::string(
        kernels::Message(Train(space, FloatDevice(1), images, std::nullopt, Weights(*space), recipe, {}).status()));
  };
  TrainingRecipe recipe = Recipe();
  recipe.shrinking->resolutions = {40};
  EXPECT_NE(status(recipe, Images()).find("resolution: 40, this space has 32, 48"), std::string::npos)
      << status(recipe, Images());
  EXPECT_NE(status(Recipe(), InMemory(LoadDataset("synthetic:N=24,test=4,size=20,classes=5")->train))
                .find("5 classes, the network has 4"),
            std::string::npos);
  EXPECT_NE(status(Recipe(), InMemory(LoadDataset("synthetic:N=24,test=4,size=20,channels=2,classes=4")->train))
                .find("2 channels, the network takes 3"),
            std::string::npos);
}

}  // namespace
}  // namespace mathnas::supernet
