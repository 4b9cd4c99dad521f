#include "supernet/data/loader.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/random.h"

namespace mathnas::supernet {
namespace {

const ImageDataset& Data() {
  static const ImageDataset data = LoadDataset("synthetic:N=50,size=8,classes=5")->train;
  return data;
}

// A batch, kept.
struct Copy {
  int64_t epoch, index, size;
  std::vector<float> images;
  std::vector<int64_t> labels;
  std::vector<uint32_t> image_index;
  bool operator==(const Copy&) const = default;
};

Copy Keep(const Batch& b) {
  const auto images = b.images.as<float>();
  const auto labels = b.labels.as<int64_t>();
  return {b.epoch,
          b.index,
          b.size,
          {images.begin(), images.end()},
          {labels.begin(), labels.end()},
          {b.image_index.begin(), b.image_index.end()}};
}

// Up to `count` batches; `pause` lets the thread run ahead between some of them.
std::vector<Copy> Take(const ImageDataset& data, const LoaderOptions& options, int count, bool pause = false) {
  absl::StatusOr<std::unique_ptr<BatchLoader>> loader = BatchLoader::Create(data, options);
  EXPECT_TRUE(loader.ok()) << loader.status();
  std::vector<Copy> batches;
  for (int i = 0; i < count; ++i) {
    if (pause && i % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const Batch* batch = (*loader)->Next();
    if (batch == nullptr) break;
    batches.push_back(Keep(*batch));
  }
  return batches;
}

TEST(BatchLoader, EpochIsThePermutationAugmentedByTheTransform) {
  LoaderOptions options = LoaderOptions::Training(8, 11);
  const std::vector<Copy> batches = Take(Data(), options, 12);  // two epochs of six
  ASSERT_EQ(batches.size(), 12u);
  const ImageTransform transform = *ImageTransform::Create(*Referring(Data()), {.seed = 11});
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    std::vector<uint32_t> order(50);
    std::iota(order.begin(), order.end(), 0u);
    kernels::Random(11, kernels::Random::Stream(kShufflePurpose, static_cast<uint64_t>(epoch))).Shuffle(order);
    for (int64_t b = 0; b < 6; ++b) {
      const Copy& batch = batches[static_cast<size_t>(epoch * 6 + b)];
      EXPECT_EQ(batch.epoch, epoch);
      EXPECT_EQ(batch.index, b);
      EXPECT_EQ(batch.size, 8);
      for (size_t i = 0; i < 8; ++i) {
        const uint32_t image = order[static_cast<size_t>(b) * 8 + i];
        EXPECT_EQ(batch.image_index[i], image);
        EXPECT_EQ(batch.labels[i], Data().labels[image]);
        std::vector<float> expected(Data().image_bytes());
        transform.Apply(Data().image(image), transform.Draw(epoch, image), expected);
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), batch.images.begin() + static_cast<long>(i * 192)));
      }
    }
  }
  EXPECT_NE(batches[0].image_index, batches[6].image_index);
}

TEST(BatchLoader, SameBitsWhateverTheTiming) {
  LoaderOptions options = LoaderOptions::Training(7, 5);
  const std::vector<Copy> reference = Take(Data(), options, 30);
  for (int ring : {2, 3, 9}) {
    options.ring = ring;
    EXPECT_EQ(Take(Data(), options, 30), reference) << ring;
    EXPECT_EQ(Take(Data(), options, 30, /*pause=*/true), reference) << ring;
  }
  options.seed = 6;
  EXPECT_NE(Take(Data(), options, 1)[0], reference[0]);
}

TEST(BatchLoader, ResumesAnywhere) {
  LoaderOptions options = LoaderOptions::Training(7, 5);
  const std::vector<Copy> reference = Take(Data(), options, 21);  // three epochs of seven
  for (size_t begin = 0; begin < 21; ++begin) {
    options.first_epoch = static_cast<int64_t>(begin / 7);
    options.first_batch = static_cast<int64_t>(begin % 7);
    const std::vector<Copy> resumed = Take(Data(), options, static_cast<int>(21 - begin));
    EXPECT_TRUE(
        std::equal(resumed.begin(), resumed.end(), reference.begin() + static_cast<long>(begin), reference.end()))
        << begin;
  }
  // After the last batch of an epoch comes the next epoch.
  options.first_epoch = 0;
  options.first_batch = 7;
  EXPECT_EQ(Take(Data(), options, 1)[0], reference[7]);
}

TEST(BatchLoader, EvaluationGivesEveryImageOnceInOrder) {
  const std::vector<Copy> batches = Take(Data(), LoaderOptions::Evaluation(16), 100);
  ASSERT_EQ(batches.size(), 4u);
  EXPECT_EQ(batches[3].size, 2);
  EXPECT_EQ(batches[3].images.size(), 2u * 192);
  const ImageTransform transform = *ImageTransform::Create(*Referring(Data()), {});
  uint32_t next = 0;
  for (const Copy& batch : batches) {
    for (size_t i = 0; i < batch.image_index.size(); ++i, ++next) {
      EXPECT_EQ(batch.image_index[i], next);
      std::vector<float> expected(192);
      transform.Normalise(Data().image(next), expected);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), batch.images.begin() + static_cast<long>(i * 192)));
    }
  }
  EXPECT_EQ(next, 50u);
}

TEST(BatchLoader, EndAndIncompleteBatches) {
  LoaderOptions options = LoaderOptions::Training(20, 1);
  options.end_epoch = 2;
  EXPECT_EQ(Take(Data(), options, 100).size(), 4u);
  options.drop_last = false;
  const std::vector<Copy> batches = Take(Data(), options, 100);
  ASSERT_EQ(batches.size(), 6u);
  EXPECT_EQ(batches[2].size, 10);
  EXPECT_EQ(batches[3].size, 20);
  options.first_epoch = 2;
  EXPECT_TRUE(Take(Data(), options, 100).empty());
  options = LoaderOptions::Evaluation(50);
  absl::StatusOr<std::unique_ptr<BatchLoader>> loader = BatchLoader::Create(Data(), options);
  EXPECT_EQ((*loader)->batches_per_epoch(), 1);
  EXPECT_NE((*loader)->Next(), nullptr);
  EXPECT_EQ((*loader)->Next(), nullptr);
  EXPECT_EQ((*loader)->Next(), nullptr) << "again";
}

// What Next() gave stays untouched until the following call, however long the thread runs ahead.
TEST(BatchLoader, BatchHoldsUntilTheNextCall) {
  LoaderOptions options = LoaderOptions::Training(5, 1);
  options.ring = 2;
  absl::StatusOr<std::unique_ptr<BatchLoader>> loader = BatchLoader::Create(Data(), options);
  for (int i = 0; i < 10; ++i) {
    const Batch* batch = (*loader)->Next();
    const Copy before = Keep(*batch);
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    EXPECT_EQ(Keep(*batch), before);
  }
}

TEST(BatchLoader, StopsWhenDestroyedAtAnyMoment) {
  for (int taken = 0; taken < 20; ++taken) {
    absl::StatusOr<std::unique_ptr<BatchLoader>> loader = BatchLoader::Create(Data(), LoaderOptions::Training(5, 1));
    ASSERT_TRUE(loader.ok());
    for (int i = 0; i < taken; ++i) (*loader)->Next();
    if (taken % 2 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the ring is full: it waits
  }
}

TEST(BatchLoader, CountsWaitingAndBuffers) {
  absl::StatusOr<std::unique_ptr<BatchLoader>> loader = BatchLoader::Create(Data(), LoaderOptions::Training(50, 1));
  ASSERT_TRUE(loader.ok());
  EXPECT_EQ((*loader)->wait_seconds(), 0);
  for (int i = 0; i < 200; ++i) (*loader)->Next();
  EXPECT_GT((*loader)->wait_seconds(), 0);  // nothing to do between calls: the consumer is the faster one
  EXPECT_EQ((*loader)->buffer_bytes(), 4 * 50 * (192 * 4 + 8 + 4));
}

TEST(BatchLoader, Refuses) {
  auto message = [](const ImageDataset& data, const LoaderOptions& options) {
    return std::string(BatchLoader::Create(data, options).status().message());
  };
  EXPECT_NE(message(Data(), LoaderOptions::Training(51, 1)).find("batch 51, expected 1 to 50"), std::string::npos);
  EXPECT_NE(message(Data(), LoaderOptions::Training(0, 1)).find("batch 0, expected 1 to 50"), std::string::npos);
  LoaderOptions options = LoaderOptions::Training(10, 1);
  options.first_batch = 6;
  EXPECT_NE(message(Data(), options).find("first batch 6, expected 0 to 5"), std::string::npos);
  options.first_batch = 0;
  options.first_epoch = -1;
  EXPECT_NE(message(Data(), options).find("first epoch -1"), std::string::npos);
  options.first_epoch = 0;
  options.ring = 1;
  EXPECT_NE(message(Data(), options).find("ring of 1"), std::string::npos);
  options.ring = 2;
  options.crop_padding = 8;
  EXPECT_NE(message(Data(), options).find("crop padding 8"), std::string::npos);
  EXPECT_NE(message(ImageDataset(), LoaderOptions::Training(1, 1)).find("no images"), std::string::npos);
}

}  // namespace
}  // namespace mathnas::supernet
