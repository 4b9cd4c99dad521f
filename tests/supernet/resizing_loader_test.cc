// Batches of any resolution, from files and from sets in memory.
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "image_files.h"
#include "kernels/random.h"
#include "supernet/data/loader.h"
#include "test_files.h"

namespace mathnas::supernet {
namespace {

using testing::Noise;
using testing::TempFolder;
using testing::Write;

struct Copy {
  int64_t epoch, index, size, replaced;
  kernels::Shape shape;
  std::vector<float> images;
  std::vector<int64_t> labels;
  std::vector<uint32_t> image_index;
  bool operator==(const Copy&) const = default;
};

struct Taken {
  std::vector<Copy> batches;
  absl::Status status;
  std::vector<DamagedImage> damaged;
};

Taken Take(const ImageSourcePtr& source, const LoaderOptions& options, const ResolutionOptions& resolution, int count,
           bool pause = false) {
  absl::StatusOr<std::unique_ptr<BatchLoader>> loader = BatchLoader::Create(source, options, resolution);
  EXPECT_TRUE(loader.ok()) << loader.status();
  Taken taken;
  for (int i = 0; i < count; ++i) {
    if (pause && i % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
    const Batch* b = (*loader)->Next();
    if (b == nullptr) break;
    const auto images = b->images.as<float>();
    const auto labels = b->labels.as<int64_t>();
    taken.batches.push_back({b->epoch,
                             b->index,
                             b->size,
                             b->replaced,
                             b->images.desc.shape,
                             {images.begin(), images.end()},
                             {labels.begin(), labels.end()},
                             {b->image_index.begin(), b->image_index.end()}});
  }
  taken.status = (*loader)->status();
  taken.damaged = (*loader)->damaged();
  return taken;
}

// A folder of 30 PNG and JPEG files of different sizes in three classes.
class ResizingLoader : public ::testing::Test {
 protected:
  ResizingLoader() {
    for (int i = 0; i < 30; ++i) {
      const int width = 20 + i * 7 % 31, height = 18 + i * 5 % 23;
      const std::vector<uint8_t> pixels = Noise(static_cast<size_t>(width * height * 3), static_cast<uint64_t>(i));
      std::filesystem::create_directories(folder_ / fmt::format("train/c{}", i / 10));
      Write(Path(i),
            i % 2 == 0 ? testing::EncodePng(width, height, pixels) : testing::EncodeJpeg(width, height, pixels));
    }
    std::filesystem::create_directories(folder_ / "test/c0");
    Write(folder_ / "test/c0/1.png", testing::EncodePng(4, 4, Noise(48, 1)));
    source_ = LoadImages("folder:" + folder_.str())->train;
  }

  std::string Path(int i) const { return folder_ / fmt::format("train/c{}/{:02}.png", i / 10, i); }
  void Damage(int i) const { Write(Path(i), testing::Read(Path(i)).substr(0, 200)); }

  TempFolder folder_;
  ImageSourcePtr source_;
};

ResolutionOptions Fixed(int64_t size) {
  ResolutionOptions r;
  r.largest = size;
  return r;
}

// Every image of two epochs is what decoding and the transform make of it, at the size asked for.
TEST_F(ResizingLoader, ImagesInTheOrderOfTheEpoch) {
  LoaderOptions options = LoaderOptions::Training(7, 11);
  options.threads = 3;
  ResolutionOptions resolution = Fixed(40);
  resolution.size = [](int64_t epoch, int64_t batch) { return 16 + 12 * epoch + 4 * batch; };
  resolution.resizing.saturation = 0.2;
  const std::vector<Copy> batches = Take(source_, options, resolution, 8).batches;
  ASSERT_EQ(batches.size(), 8u);
  ResizingOptions resizing = resolution.resizing;
  resizing.seed = 11;
  const ResizingTransform transform = *ResizingTransform::Create(*source_, resizing);
  ImageSource::Buffer buffer;
  Resampler resampler;
  for (size_t n = 0; n < batches.size(); ++n) {
    const Copy& batch = batches[n];
    const auto epoch = static_cast<int64_t>(n / 4), index = static_cast<int64_t>(n % 4);
    EXPECT_EQ(batch.epoch, epoch);
    EXPECT_EQ(batch.index, index);
    const int64_t size = 16 + 12 * epoch + 4 * index;
    ASSERT_EQ(batch.shape, (kernels::Shape{7, size, size, 3}));
    std::vector<uint32_t> order(30);
    std::iota(order.begin(), order.end(), 0u);
    kernels::Random(11, kernels::Random::Stream(kShufflePurpose, static_cast<uint64_t>(epoch))).Shuffle(order);
    const auto values = static_cast<size_t>(size * size * 3);
    for (size_t i = 0; i < 7; ++i) {
      const uint32_t image = order[static_cast<size_t>(index) * 7 + i];
      ASSERT_EQ(batch.image_index[i], image);
      ASSERT_EQ(batch.labels[i], image / 10);
      const ImageView view = *source_->Decode(image, buffer);
      std::vector<float> expected(values);
      transform.Apply(view, transform.Draw(epoch, image, view.height, view.width), size, resampler, expected);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), batch.images.begin() + static_cast<long>(i * values)));
    }
  }
}

TEST_F(ResizingLoader, SameBitsWhateverTheThreadsAndTheirTiming) {
  Damage(3);
  Damage(14);
  Damage(15);
  LoaderOptions options = LoaderOptions::Training(4, 5);
  ResolutionOptions resolution = Fixed(224);
  resolution.size = ElasticSize{.least = 16, .most = 40, .step = 4, .seed = 5};
  const Taken reference = Take(source_, options, resolution, 40);
  ASSERT_EQ(reference.batches.size(), 40u);
  ASSERT_EQ(reference.damaged.size(), 3u);
  for (const int threads : {1, 2, 5, 16}) {
    for (const int ring : {2, 3, 9}) {
      options.threads = threads;
      options.ring = ring;
      const Taken taken = Take(source_, options, resolution, 40, /*pause=*/threads == 5);
      EXPECT_EQ(taken.batches, reference.batches) << threads << " " << ring;
      EXPECT_EQ(taken.damaged, reference.damaged) << threads << " " << ring;
    }
  }
  // And from any batch on.
  options.first_epoch = 2;
  options.first_batch = 3;
  const std::vector<Copy> resumed = Take(source_, options, resolution, 23).batches;
  EXPECT_TRUE(std::equal(resumed.begin(), resumed.end(), reference.batches.begin() + 17, reference.batches.end()));
}

TEST_F(ResizingLoader, EvaluationGivesEveryImageOnceInOrder) {
  LoaderOptions options = LoaderOptions::Evaluation(8);
  options.threads = 4;
  const std::vector<Copy> batches = Take(source_, options, Fixed(20), 100).batches;
  ASSERT_EQ(batches.size(), 4u);
  EXPECT_EQ(batches[3].shape, (kernels::Shape{6, 20, 20, 3}));
  const ResizingTransform transform = *ResizingTransform::Create(*source_, {});
  ImageSource::Buffer buffer;
  Resampler resampler;
  uint32_t next = 0;
  for (const Copy& batch : batches) {
    for (size_t i = 0; i < batch.image_index.size(); ++i, ++next) {
      ASSERT_EQ(batch.image_index[i], next);
      std::vector<float> expected(1200);
      transform.ApplyEvaluation(*source_->Decode(next, buffer), 20, resampler, expected);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), batch.images.begin() + static_cast<long>(i * 1200)));
    }
  }
  EXPECT_EQ(next, 30u);
}

// The image behind it stands for one that cannot be decoded, with its own label and its own draw.
TEST_F(ResizingLoader, DamagedImagesAreReplacedAndCounted) {
  for (const int i : {9, 10, 29}) Damage(i);
  const Taken taken = Take(source_, LoaderOptions::Evaluation(10), Fixed(16), 100);
  EXPECT_TRUE(taken.status.ok()) << taken.status;
  ASSERT_EQ(taken.batches.size(), 3u);
  EXPECT_EQ(taken.batches[0].image_index, (std::vector<uint32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 11}));
  EXPECT_EQ(taken.batches[0].labels[9], 1);
  EXPECT_EQ(taken.batches[0].replaced, 1);
  EXPECT_EQ(taken.batches[1].image_index[0], 11u);
  EXPECT_EQ(taken.batches[2].image_index[9], 0u) << "after the last comes the first";
  ASSERT_EQ(taken.damaged.size(), 3u) << "each once, though image 10 was met twice";
  EXPECT_EQ(taken.damaged[1].index, 10u);
  EXPECT_NE(taken.damaged[1].message.find(Path(10) + ": damaged PNG: "), std::string::npos);
  EXPECT_EQ(taken.damaged[2].index, 29u);

  // Only of the batches that were taken, however far the threads have run ahead.
  absl::StatusOr<std::unique_ptr<BatchLoader>> loader =
      BatchLoader::Create(source_, LoaderOptions::Evaluation(5), Fixed(16));
  (*loader)->Next();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE((*loader)->damaged().empty());
  (*loader)->Next();
  EXPECT_EQ((*loader)->damaged().size(), 2u);
}

TEST_F(ResizingLoader, DamageEndsTheSequenceWhenAsked) {
  for (const int i : {17, 18, 25}) Damage(i);
  ResolutionOptions resolution = Fixed(16);
  resolution.stop_at_damage = true;
  for (const int threads : {1, 4}) {
    LoaderOptions options = LoaderOptions::Evaluation(5);
    options.threads = threads;
    options.ring = 8;
    const Taken taken = Take(source_, options, resolution, 100);
    EXPECT_EQ(taken.batches.size(), 3u) << "all batches before the one with image 17";
    EXPECT_EQ(taken.status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(taken.status.message()).find(Path(17) + ": damaged"), std::string::npos) << taken.status;
  }
}

TEST_F(ResizingLoader, NothingToReplaceWith) {
  for (int i = 0; i < 30; ++i) Damage(i);
  absl::StatusOr<std::unique_ptr<BatchLoader>> loader =
      BatchLoader::Create(source_, LoaderOptions::Training(5, 1), Fixed(16));
  ASSERT_TRUE(loader.ok());
  EXPECT_EQ((*loader)->Next(), nullptr);
  EXPECT_EQ((*loader)->Next(), nullptr) << "again";
  EXPECT_NE(std::string((*loader)->status().message()).find("30 images in a row that cannot be decoded"),
            std::string::npos)
      << (*loader)->status();
}

TEST_F(ResizingLoader, SizesOutOfRangeEndTheSequence) {
  for (const int64_t wrong : {int64_t{0}, int64_t{25}, int64_t{-4}}) {
    ResolutionOptions resolution = Fixed(24);
    resolution.size = [&](int64_t epoch, int64_t batch) { return epoch == 1 && batch == 1 ? wrong : 24; };
    const Taken taken = Take(source_, LoaderOptions::Training(10, 1), resolution, 100);
    EXPECT_EQ(taken.batches.size(), 4u);
    EXPECT_EQ(taken.status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(taken.status.message())
                  .find(fmt::format("size {} for batch 1 of epoch 1, expected 1 to 24", wrong)),
              std::string::npos)
        << taken.status;
  }
}

TEST_F(ResizingLoader, Refuses) {
  auto message = [&](const LoaderOptions& options, const ResolutionOptions& resolution) {
    return std::string(BatchLoader::Create(source_, options, resolution).status().message());
  };
  EXPECT_NE(message(LoaderOptions::Training(31, 1), Fixed(8)).find("batch 31, expected 1 to 30"), std::string::npos);
  EXPECT_NE(message(LoaderOptions::Training(3, 1), Fixed(0)).find("largest size 0, expected 1 to 4096"),
            std::string::npos);
  EXPECT_NE(message(LoaderOptions::Training(3, 1), Fixed(4097)).find("largest size 4097"), std::string::npos);
  LoaderOptions options = LoaderOptions::Training(3, 1);
  options.threads = 0;
  EXPECT_NE(message(options, Fixed(8)).find("0 threads, expected 1 to 256"), std::string::npos);
  ResolutionOptions resolution = Fixed(8);
  resolution.resizing.brightness = 2;
  EXPECT_NE(message(LoaderOptions::Training(3, 1), resolution).find("brightness 2"), std::string::npos);
}

TEST_F(ResizingLoader, StopsWhenDestroyedAtAnyMoment) {
  for (int taken = 0; taken < 20; ++taken) {
    LoaderOptions options = LoaderOptions::Training(5, 1);
    options.threads = 1 + taken % 4;
    absl::StatusOr<std::unique_ptr<BatchLoader>> loader = BatchLoader::Create(source_, options, Fixed(16));
    ASSERT_TRUE(loader.ok());
    for (int i = 0; i < taken; ++i) ASSERT_NE((*loader)->Next(), nullptr);
  }
}

// A small grey set, enlarged for a network that wants three channels.
TEST(ResizingLoaderInMemory, EnlargesAndRepeatsGrey) {
  const ImageSourcePtr source = LoadImages("synthetic:N=40,size=12,channels=1,classes=4")->train;
  ResolutionOptions resolution = Fixed(32);
  resolution.resizing.repeat_grey = true;
  LoaderOptions options = LoaderOptions::Training(8, 3);
  options.threads = 2;
  const std::vector<Copy> batches = Take(source, options, resolution, 5).batches;
  ASSERT_EQ(batches.size(), 5u);
  ResizingOptions resizing{.repeat_grey = true, .seed = 3};
  const ResizingTransform transform = *ResizingTransform::Create(*source, resizing);
  ImageSource::Buffer buffer;
  Resampler resampler;
  for (const Copy& batch : batches) {
    ASSERT_EQ(batch.shape, (kernels::Shape{8, 32, 32, 3}));
    for (size_t i = 0; i < 8; ++i) {
      const uint32_t image = batch.image_index[i];
      EXPECT_EQ(batch.labels[i], source->labels()[image]);
      std::vector<float> expected(32 * 32 * 3);
      transform.Apply(*source->Decode(image, buffer), transform.Draw(0, image, 12, 12), 32, resampler, expected);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), batch.images.begin() + static_cast<long>(i * 3072)));
      for (size_t p = 0; p < 1024; ++p) ASSERT_EQ(expected[3 * p], expected[3 * p + 2]);
    }
  }
}

// Grey images of 4 x 4 that are decoded only when `together` threads are at it at once.
class MeetingImages : public ImageSource {
 public:
  MeetingImages(int64_t count, int together) : together_(together) {
    name_ = "meeting";
    classes_ = 1;
    channels_ = 1;
    labels_.resize(static_cast<size_t>(count));
    mean_ = {0};
    stddev_ = {1};
  }
  std::string Origin(int64_t index) const override { return fmt::format("meeting: image {}", index); }
  absl::StatusOr<ImageView> Decode(int64_t, Buffer&) const override {
    std::unique_lock lock(mutex_);
    const int meeting = arrived_++ / together_;
    if (arrived_ == (meeting + 1) * together_) {
      ++met_;
      changed_.notify_all();
    } else if (!changed_.wait_for(lock, std::chrono::seconds(60), [&] { return met_ > meeting; })) {
      return absl::DeadlineExceededError("the other threads did not come");
    }
    return ImageView{4, 4, 1, pixels_.data()};
  }

 private:
  const int together_;
  const std::vector<uint8_t> pixels_ = std::vector<uint8_t>(16, 7);
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable int arrived_ = 0, met_ = 0;
};

// All threads decode at the same time, within a batch and across the border of two.
TEST(ResizingLoaderThreads, DecodeTogether) {
  LoaderOptions options = LoaderOptions::Evaluation(3);
  options.threads = 4;
  ResolutionOptions resolution = Fixed(4);
  resolution.stop_at_damage = true;
  const Taken taken = Take(std::make_shared<MeetingImages>(24, 4), options, resolution, 100);
  EXPECT_TRUE(taken.status.ok()) << taken.status;
  EXPECT_EQ(taken.batches.size(), 8u);
}

// Image 5 cannot be had for want of memory.
class ExhaustedImages : public ImageSource {
 public:
  ExhaustedImages() {
    name_ = "exhausted";
    classes_ = 1;
    channels_ = 1;
    labels_.resize(12);
    mean_ = {0};
    stddev_ = {1};
  }
  std::string Origin(int64_t) const override { return ""; }
  absl::StatusOr<ImageView> Decode(int64_t index, Buffer&) const override {
    if (index == 5) return absl::ResourceExhaustedError("no memory for image 5");
    return ImageView{4, 4, 1, pixels_.data()};
  }

 private:
  const std::vector<uint8_t> pixels_ = std::vector<uint8_t>(16, 7);
};

// What lacks for the moment is no damage: another image would make the sequence depend on it.
TEST(ResizingLoaderThreads, WantOfMemoryEndsTheSequence) {
  const Taken taken = Take(std::make_shared<ExhaustedImages>(), LoaderOptions::Evaluation(2), Fixed(4), 100);
  EXPECT_EQ(taken.batches.size(), 2u);
  EXPECT_EQ(taken.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(taken.status.message(), "no memory for image 5");
  EXPECT_TRUE(taken.damaged.empty());
}

// Sets whose images have one size take several threads too.
TEST(FixedSizeLoader, SameBitsWithAnyThreads) {
  const ImageDataset data = LoadDataset("synthetic:N=50,size=8,classes=5")->train;
  auto take = [&](int threads) {
    LoaderOptions options = LoaderOptions::Training(7, 5);
    options.threads = threads;
    auto loader = BatchLoader::Create(data, options);
    std::vector<float> all;
    for (int i = 0; i < 30; ++i) {
      const auto images = (*loader)->Next()->images.as<float>();
      all.insert(all.end(), images.begin(), images.end());
    }
    return all;
  };
  const std::vector<float> reference = take(1);
  EXPECT_EQ(take(3), reference);
  EXPECT_EQ(take(8), reference);
}

}  // namespace
}  // namespace mathnas::supernet
