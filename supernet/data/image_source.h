// Labelled images of any size, in memory or in files: what batches of any resolution are made from.
#ifndef MATHNAS_SUPERNET_DATA_IMAGE_SOURCE_H_
#define MATHNAS_SUPERNET_DATA_IMAGE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/data/dataset.h"
#include "supernet/data/decode.h"

namespace mathnas::supernet {

// Pixels in memory that somebody else owns.
struct ImageView {
  int64_t height = 0, width = 0, channels = 0;
  const uint8_t* pixels = nullptr;  // {height, width, channels}, row-major
};

struct ImageSize {
  int64_t height = 0, width = 0;
};

// One part (training, validation, test) of a set of images. Immutable: threads share it.
class ImageSource {
 public:
  // What one thread decodes into; reused from image to image.
  struct Buffer {
    std::vector<uint8_t> file;
    RgbImage image;
  };

  virtual ~ImageSource() = default;
  ImageSource(const ImageSource&) = delete;
  ImageSource& operator=(const ImageSource&) = delete;

  const std::string& name() const { return name_; }  // "folder/train"
  int64_t count() const { return static_cast<int64_t>(labels_.size()); }
  int classes() const { return classes_; }
  int64_t channels() const { return channels_; }
  // {count}, each in 0 .. classes-1.
  const std::vector<int32_t>& labels() const { return labels_; }
  // Per channel, on the scale 0 .. 255, as in ImageDataset.
  const std::vector<double>& mean() const { return mean_; }
  const std::vector<double>& stddev() const { return stddev_; }
  // That of every image, where all have the same and it is known without decoding them.
  virtual std::optional<ImageSize> one_size() const { return std::nullopt; }

  // Where image `index` comes from, for messages: a path, or "cifar10/train: image 7".
  virtual std::string Origin(int64_t index) const = 0;
  // The pixels, valid as long as the source and until `buffer` is used again. Errors name the file:
  // InvalidArgument, NotFound and PermissionDenied are its own, the same every time unless the file changes; others,
  // as ResourceExhausted, are of the moment.
  virtual absl::StatusOr<ImageView> Decode(int64_t index, Buffer& buffer) const = 0;

 protected:
  ImageSource() = default;
  // With the name and the labels of a part of `of` and all else as there.
  ImageSource(const ImageSource& of, std::string name, std::vector<int32_t> labels)
      : name_(std::move(name)),
        classes_(of.classes_),
        channels_(of.channels_),
        labels_(std::move(labels)),
        mean_(of.mean_),
        stddev_(of.stddev_) {}

  std::string name_;
  int classes_ = 0;
  int64_t channels_ = 0;
  std::vector<int32_t> labels_;
  std::vector<double> mean_, stddev_;
};

using ImageSourcePtr = std::shared_ptr<const ImageSource>;

// A set in memory as a source; it takes the set over.
ImageSourcePtr InMemory(ImageDataset dataset);
// The same, but it refers to the set, which must outlive it. Labels are copied.
ImageSourcePtr Referring(const ImageDataset& dataset);

// InvalidArgument, which begins with `name`, unless there are a finite mean and a finite deviation above 0 for each of
// so many channels.
absl::Status CheckNormalisation(std::string_view name, int64_t channels, std::span<const double> mean,
                                std::span<const double> stddev);

// A copy of pixels {images, height, width, channels}, whose labels nobody asks for: what statistics are recalibrated
// on. `mean` and `stddev` have an entry for each channel. Errors of CheckNormalisation; InvalidArgument: the pixels are
// not those of whole images.
absl::StatusOr<ImageSourcePtr> Unlabelled(std::string name, std::span<const uint8_t> pixels, ImageSize size,
                                          int classes, std::vector<double> mean, std::vector<double> stddev);

struct ImageSources {
  ImageSourcePtr train, test;
  ImageSourcePtr validation;  // null unless the set has a part of its own for it
};

// `spec` is one of
//   folder:FOLDER   FOLDER/train/CLASS/* and FOLDER/test/CLASS/* or FOLDER/val/CLASS/*: files that end in .jpg,
//                   .jpeg or .png in any case; others, and what begins with '.', are not looked at. The classes are
//                   the names of the folders in train, in order of their bytes; the other parts have no class besides.
//                   With both test and val, val is the validation part, otherwise what there is is the test part.
//                   Images are decoded when they are asked for; always three channels; mean and deviation are
//                   ImageNet's (search-spaces.md 3.7).
//   anything else   as LoadDataset, InMemory.
// InvalidArgument names folder and what was expected; NotFound a folder that is missing.
absl::StatusOr<ImageSources> LoadImages(std::string_view spec, const DatasetOptions& options = {});

struct SourceSplit {
  ImageSourcePtr train, validation;
};

// As SplitTrainValidation of an ImageDataset, the same images for the same labels and seed; both parts refer to
// `source`.
absl::StatusOr<SourceSplit> SplitTrainValidation(const ImageSourcePtr& source, int64_t validation_count, uint64_t seed);

// What a network is trained on and what its blocks are scored on. Of a set with a validation part of its own, all of
// the training part, and `validation_count` images of the validation part or all of it, where it has no more; otherwise
// as SplitTrainValidation. kUsualHoldOut: 5000 images, of a training part below 50,000 a tenth.
inline constexpr int64_t kUsualHoldOut = 0;
absl::StatusOr<SourceSplit> HoldOut(const ImageSources& images, int64_t validation_count, uint64_t seed);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_IMAGE_SOURCE_H_
