#include <filesystem>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "image_files.h"
#include "supernet/data/image_source.h"
#include "test_files.h"

namespace mathnas::supernet {
namespace {

using testing::EncodeJpeg;
using testing::EncodePng;
using testing::Noise;
using testing::TempFolder;
using testing::Write;

// A PNG of noise, its folders made.
std::vector<uint8_t> WriteImage(const std::string& path, int width, int height, uint64_t seed) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::vector<uint8_t> pixels = Noise(static_cast<size_t>(width * height * 3), seed);
  Write(path, EncodePng(width, height, pixels));
  return pixels;
}

std::vector<std::string> Origins(const ImageSource& source) {
  std::vector<std::string> origins;
  for (int64_t i = 0; i < source.count(); ++i) origins.push_back(source.Origin(i));
  return origins;
}

void ExpectRefused(const std::string& spec, absl::StatusCode code, const std::string& part) {
  const absl::Status status = LoadImages(spec).status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_NE(std::string(status.message()).find(part), std::string::npos) << status;
}

TEST(ImageFolder, ClassesFilesAndPixels) {
  TempFolder folder;
  const auto cat = WriteImage(folder / "train/cat/b.png", 5, 7, 1);
  WriteImage(folder / "train/cat/a.PNG", 6, 6, 2);
  Write(folder / "train/cat/c.JPEG", EncodeJpeg(9, 4, Noise(9 * 4 * 3, 3)));
  Write(folder / "train/cat/notes.txt", "no image");
  Write(folder / "train/cat/png", "no image");
  Write(folder / "train/cat/.hidden.png", "no image");
  WriteImage(folder / "train/cat/deeper/x.png", 5, 5, 4);
  const auto ant = WriteImage(folder / "train/Ant/z.jpg", 3, 3, 5);  // PNG, whatever its name
  WriteImage(folder / "train/dog/1.png", 2, 2, 6);
  Write(folder / "train/readme.jpg", "no folder");
  std::filesystem::create_directories(folder / "train/.cache");
  const auto val = WriteImage(folder / "val/dog/v.png", 8, 8, 7);

  absl::StatusOr<ImageSources> images = LoadImages("folder:" + folder.str());
  ASSERT_TRUE(images.ok()) << images.status();
  const ImageSource& train = *images->train;
  const std::string root = folder / "train/";
  EXPECT_EQ(Origins(train), (std::vector<std::string>{root + "Ant/z.jpg", root + "cat/a.PNG", root + "cat/b.png",
                                                      root + "cat/c.JPEG", root + "dog/1.png"}));
  EXPECT_EQ(train.labels(), (std::vector<int32_t>{0, 1, 1, 1, 2}));
  EXPECT_EQ(train.classes(), 3);
  EXPECT_EQ(train.channels(), 3);
  EXPECT_EQ(train.name(), "folder/train");
  EXPECT_NEAR(train.mean()[0], 123.675, 1e-9);
  EXPECT_NEAR(train.stddev()[2], 57.375, 1e-9);

  ImageSource::Buffer buffer;
  const auto expect_pixels = [&](const ImageSource& source, int64_t index, int64_t height, int64_t width,
                                 const std::vector<uint8_t>& pixels) {
    absl::StatusOr<ImageView> image = source.Decode(index, buffer);
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_EQ(image->height, height);
    EXPECT_EQ(image->width, width);
    EXPECT_EQ(image->channels, 3);
    EXPECT_TRUE(std::equal(pixels.begin(), pixels.end(), image->pixels));
  };
  expect_pixels(train, 2, 7, 5, cat);
  expect_pixels(train, 0, 3, 3, ant);
  EXPECT_EQ(train.Decode(3, buffer)->width, 9);

  // val is what there is to test with; a class without images there keeps its number.
  ASSERT_NE(images->test, nullptr);
  EXPECT_EQ(images->validation, nullptr);
  EXPECT_EQ(images->test->labels(), (std::vector<int32_t>{2}));
  EXPECT_EQ(images->test->classes(), 3);
  expect_pixels(*images->test, 0, 8, 8, val);

  // With both, val is the validation part.
  WriteImage(folder / "test/cat/t.png", 4, 4, 8);
  images = LoadImages("folder:" + folder.str());
  ASSERT_TRUE(images.ok()) << images.status();
  EXPECT_EQ(images->test->labels(), (std::vector<int32_t>{1}));
  ASSERT_NE(images->validation, nullptr);
  EXPECT_EQ(images->validation->labels(), (std::vector<int32_t>{2}));
}

TEST(ImageFolder, ErrorsOfAFile) {
  TempFolder folder;
  for (const char* name : {"train/a/1.png", "train/a/2.png", "train/a/3.png", "test/a/1.png"}) {
    WriteImage(folder / name, 30, 30, 1);
  }
  Write(folder / "train/a/2.png", testing::Read(folder / "train/a/2.png").substr(0, 500));
  DatasetOptions options;
  options.max_image_pixels = 900;
  const ImageSources images = *LoadImages("folder:" + folder.str(), options);
  ImageSource::Buffer buffer;
  EXPECT_TRUE(images.train->Decode(0, buffer).ok());
  absl::Status status = images.train->Decode(1, buffer).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find(folder / "train/a/2.png: damaged PNG"), std::string::npos) << status;
  std::filesystem::remove(folder / "train/a/3.png");
  status = images.train->Decode(2, buffer).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(status.message()).find(folder / "train/a/3.png"), std::string::npos) << status;
  std::filesystem::create_directories(folder / "train/a/3.png");
  EXPECT_EQ(images.train->Decode(2, buffer).status().code(), absl::StatusCode::kInvalidArgument);

  options.max_image_pixels = 899;
  const ImageSources smaller = *LoadImages("folder:" + folder.str(), options);
  status = smaller.train->Decode(0, buffer).status();
  EXPECT_NE(std::string(status.message()).find("image of 30x30, expected"), std::string::npos) << status;
}

TEST(ImageFolder, Refuses) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument, kNotFound = absl::StatusCode::kNotFound;
  TempFolder folder;
  const std::string spec = "folder:" + folder.str();
  ExpectRefused("folder:", kNotFound, "expected a folder with train/CLASS/*.jpg");
  ExpectRefused("folder:/no/such/folder", kNotFound, "data \"folder:/no/such/folder\": expected a folder");
  ExpectRefused(spec, kNotFound, "expected a folder with train/CLASS");
  std::filesystem::create_directories(folder / "train");
  ExpectRefused(spec, kInvalid, "/train: 0 folders, expected 1 to 65536");
  std::filesystem::create_directories(folder / "train/a");
  ExpectRefused(spec, kNotFound, "expected a folder test or val");
  std::filesystem::create_directories(folder / "val/b");
  ExpectRefused(spec, kInvalid, "/train: no images, expected CLASS/*.jpg");
  WriteImage(folder / "train/a/1.png", 3, 3, 1);
  ExpectRefused(spec, kInvalid, "/val: class \"b\", expected none that");
  std::filesystem::remove(folder / "val/b");
  ExpectRefused(spec, kInvalid, "/val: no images");

  // What takes images of one size says why it does not take these.
  const absl::Status status = LoadDataset(spec).status();
  EXPECT_EQ(status.code(), kInvalid);
  EXPECT_NE(std::string(status.message()).find("images that all have one size"), std::string::npos) << status;
  ExpectRefused("arrays:", kInvalid, "expected arrays:FILE.safetensors");
}

TEST(InMemory, IsTheDataset) {
  const DatasetPair pair = *LoadDataset("synthetic:N=12,size=8,classes=3");
  const ImageSources images = *LoadImages("synthetic:N=12,size=8,classes=3");
  EXPECT_EQ(images.validation, nullptr);
  EXPECT_EQ(images.test->count(), pair.test.count);
  const ImageSource& train = *images.train;
  EXPECT_EQ(train.name(), pair.train.name);
  EXPECT_EQ(train.labels(), pair.train.labels);
  EXPECT_EQ(train.mean(), pair.train.mean);
  EXPECT_EQ(train.stddev(), pair.train.stddev);
  EXPECT_EQ(train.classes(), 3);
  EXPECT_EQ(train.Origin(7), "synthetic/train: image 7");
  ImageSource::Buffer buffer;
  for (int64_t i = 0; i < train.count(); ++i) {
    const ImageView image = *train.Decode(i, buffer);
    const auto expected = pair.train.image(i);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), image.pixels));
    EXPECT_EQ(image.height * image.width * image.channels, static_cast<int64_t>(expected.size()));
  }
}

// The same images as the split of the set in memory.
TEST(SplitTrainValidation, OfASource) {
  const DatasetPair pair = *LoadDataset("synthetic:N=103,size=4,classes=7");
  const TrainValidationSplit expected = *SplitTrainValidation(pair.train, 30, 5);
  const SourceSplit split = *SplitTrainValidation(InMemory(pair.train), 30, 5);
  ImageSource::Buffer buffer;
  for (const auto& [part, source] :
       {std::pair(&expected.train, split.train), {&expected.validation, split.validation}}) {
    ASSERT_EQ(source->count(), part->count);
    EXPECT_EQ(source->labels(), part->labels);
    EXPECT_EQ(source->name(), part->name);
    EXPECT_EQ(source->classes(), 7);
    EXPECT_EQ(source->mean(), part->mean);
    for (int64_t i = 0; i < part->count; ++i) {
      const auto image = part->image(i);
      EXPECT_TRUE(std::equal(image.begin(), image.end(), source->Decode(i, buffer)->pixels));
    }
  }
  const absl::Status status = SplitTrainValidation(InMemory(pair.train), 103, 5).status();
  EXPECT_NE(std::string(status.message()).find("103 validation images, expected 1 to 102"), std::string::npos);
}

}  // namespace
}  // namespace mathnas::supernet
