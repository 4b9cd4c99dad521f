// A folder that holds the images of a set in memory: training, recalibration and evaluation give the same bits.
#include <cstring>
#include <filesystem>
#include <fstream>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/evaluation.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/network_input.h"
#include "supernet/recalibration.h"
#include "supernet/training/trainer.h"
#include "supernet/weights.h"
#include "tests/supernet/image_files.h"
#include "tests/supernet/naive_statistics.h"
#include "tests/supernet/test_files.h"

namespace mathnas::supernet {
namespace {

using kernels::TensorMap;
using testing::FloatDevice;
using testing::TempFolder;

constexpr int64_t kSide = 64, kClasses = 3;
// ceil(56 / 0.875) = 64: images are cut, not resized, and every pixel stays what it is.
constexpr int kResolution = 56;

ImageDataset Noise(std::string name, int64_t count, uint64_t seed) {
  ImageDataset d;
  d.name = std::move(name);
  d.count = count;
  d.height = d.width = kSide;
  d.channels = 3;
  d.classes = kClasses;
  d.images = testing::Noise(static_cast<size_t>(count) * d.image_bytes(), seed);
  for (int64_t i = 0; i < count; ++i) d.labels.push_back(static_cast<int32_t>(i * kClasses / count));
  // Those of a folder (spec/search-spaces.md 3.7).
  d.mean = {0.485 * 255, 0.456 * 255, 0.406 * 255};
  d.stddev = {0.229 * 255, 0.224 * 255, 0.225 * 255};
  return d;
}

void WritePart(const ImageDataset& d, const std::string& folder) {
  for (int64_t i = 0; i < d.count; ++i) {
    const std::string of_class = fmt::format("{}/class{}", folder, d.labels[static_cast<size_t>(i)]);
    std::filesystem::create_directories(of_class);
    std::ofstream(fmt::format("{}/{:03}.png", of_class, i), std::ios::binary)
        << testing::EncodePng(kSide, kSide, d.image(i));
  }
}

bool SameBits(const TensorMap& a, const TensorMap& b) {
  return a.size() == b.size() && std::ranges::all_of(a.entries(), [&](const TensorMap::Entry& e) {
           const kernels::Tensor* other = b.Find(e.name);
           return other != nullptr && e.tensor.desc() == other->desc() &&
                  std::memcmp(e.tensor.data(), other->data(), e.tensor.desc().bytes()) == 0;
         });
}

class FolderInput : public ::testing::Test {
 protected:
  FolderInput() {
    WritePart(train_, folder_ / "train");
    WritePart(test_, folder_ / "test");
  }
  ImageSources Folder() { return *LoadImages("folder:" + folder_.str()); }

  TempFolder folder_;
  ImageDataset train_ = Noise("memory/train", 24, 1), test_ = Noise("memory/test", 9, 2);
};

TEST_F(FolderInput, GivesWhatTheSameImagesInMemoryGive) {
  const auto space = *MobileNetV3({.classes = kClasses, .resolutions = {kResolution}});
  const ImageSources folder = Folder();
  ASSERT_EQ(folder.train->labels(), train_.labels);
  TensorMap first = AllocateWeights(space->Supernet({.mode = Mode::kTraining}).graph);
  InitializeWeights(first, 1, space->initialization());
  const auto run = [&](const ImageSourcePtr& train, const ImageSourcePtr& test, const ReadingOptions& reading,
                       TensorMap& trained) {
    const TrainingRecipe recipe = {.epochs = 1, .batch = 8, .learning_rate = 0.01, .seed = 3};
    TrainingRun training;
    training.reading = reading;
    auto supernet = Train(space, FloatDevice(1), train, std::nullopt, first.Clone(), recipe, training);
    EXPECT_TRUE(supernet.ok()) << kernels::Message(supernet.status());
    trained = std::move(supernet->weights);
    TensorMap own = *ExtractWeights(*space, space->base(), trained);
    const auto s = Recalibrate(*space, space->base(), own, FloatDevice(1), train, {.batches = 2, .batch = 8}, reading);
    EXPECT_TRUE(s.ok()) << kernels::Message(s);
    return *Evaluate(*space, space->base(), own, FloatDevice(1), test, {.batch = 4, .reading = reading});
  };
  TensorMap in_memory, in_files;
  const Evaluation expected = run(Referring(train_), Referring(test_), {}, in_memory);
  ReadingOptions three;
  three.threads = 3;
  const Evaluation found = run(folder.train, folder.test, three, in_files);
  EXPECT_FALSE(SameBits(in_memory, first));
  EXPECT_TRUE(SameBits(in_memory, in_files));
  EXPECT_EQ(found.images, 9);
  EXPECT_EQ(found.loss, expected.loss);
  EXPECT_EQ(found.accuracy, expected.accuracy);
}

// The parts that are held out are the same too.
TEST_F(FolderInput, HoldOut) {
  const auto parts = HoldOut(Folder(), 6, 0), in_memory = HoldOut({Referring(train_), Referring(test_), nullptr}, 6, 0);
  ASSERT_TRUE(parts.ok() && in_memory.ok());
  EXPECT_EQ(parts->train->count(), 18);
  ASSERT_EQ(parts->validation->count(), 6);
  ImageSource::Buffer a, b;
  for (int64_t i = 0; i < 6; ++i) {
    const auto x = parts->validation->Decode(i, a), y = in_memory->validation->Decode(i, b);
    ASSERT_TRUE(x.ok() && y.ok());
    EXPECT_EQ(std::memcmp(x->pixels, y->pixels, kSide * kSide * 3), 0) << i;
  }
  // A validation part of the set's own takes nothing from the training part.
  WritePart(Noise("memory/val", 7, 3), folder_ / "val");
  // A tenth of few images unless told.
  const auto usual = HoldOut({Referring(train_), Referring(test_), nullptr}, kUsualHoldOut, 0);
  ASSERT_TRUE(usual.ok()) << usual.status();
  EXPECT_EQ(usual->validation->count(), 2);
  const auto own = HoldOut(Folder(), 100, 0);
  ASSERT_TRUE(own.ok());
  EXPECT_EQ(own->train->count(), 24);
  EXPECT_EQ(own->validation->count(), 7);
  EXPECT_EQ(own->validation->Origin(0), folder_ / "val/class0/000.png");
  const auto some = HoldOut(Folder(), 4, 0);
  ASSERT_TRUE(some.ok());
  EXPECT_EQ(some->train->count(), 24);
  EXPECT_EQ(some->validation->count(), 4);
}

// In a space whose networks have one size, too, files are brought to it, and a set in memory must have it.
TEST_F(FolderInput, SpaceOfOneSize) {
  const auto space = *NasBench201({.channels = 4, .cells = 1, .classes = kClasses, .height = 16, .width = 16});
  auto loader = InputOf(*space, space->base(), Folder().test, LoaderOptions::Evaluation(4));
  ASSERT_TRUE(loader.ok()) << kernels::Message(loader.status());
  const Batch* batch = (*loader)->Next();
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->images.desc.shape, kernels::Shape({4, 16, 16, 3}));
  const auto refused = InputOf(*space, space->base(), Referring(test_), LoaderOptions::Evaluation(4)).status();
  EXPECT_NE(kernels::Message(refused).find("images are"), std::string::npos) << refused;
  const auto oblong = *NasBench201({.channels = 4, .cells = 1, .classes = kClasses, .height = 16, .width = 20});
  const auto status = InputOf(*oblong, oblong->base(), Folder().test, LoaderOptions::Evaluation(4)).status();
  EXPECT_NE(kernels::Message(status).find("made square"), std::string::npos) << status;
}

TEST_F(FolderInput, DamageIsToldOrEndsTheEvaluation) {
  const std::string bad = folder_ / "test/class1/003.png";
  ASSERT_TRUE(std::filesystem::exists(bad));
  std::ofstream(bad) << "no image";
  const auto space = *MobileNetV3({.classes = kClasses, .resolutions = {kResolution}});
  TensorMap own = AllocateWeights(space->Network(space->base(), {}).graph);
  InitializeWeights(own, 1, space->initialization());
  std::vector<DamagedImage> damaged;
  ReadingOptions reading = {.on_damage = [&](const DamagedImage& d) { damaged.push_back(d); }};
  const auto evaluate = [&] {
    return Evaluate(*space, space->base(), own, FloatDevice(1), Folder().test, {.batch = 2, .reading = reading});
  };
  const auto told = evaluate();
  ASSERT_TRUE(told.ok()) << kernels::Message(told.status());
  EXPECT_EQ(told->images, 9);
  ASSERT_EQ(damaged.size(), 1U);
  EXPECT_EQ(damaged[0].index, 3U);
  EXPECT_NE(damaged[0].message.find(bad), std::string::npos) << damaged[0].message;
  reading.stop_at_damage = true;
  const auto stopped = evaluate().status();
  EXPECT_EQ(stopped.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(kernels::Message(stopped).find(bad), std::string::npos) << stopped;
}

}  // namespace
}  // namespace mathnas::supernet
