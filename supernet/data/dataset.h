// Labelled images in memory, and where they come from.
#ifndef MATHNAS_SUPERNET_DATA_DATASET_H_
#define MATHNAS_SUPERNET_DATA_DATASET_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/data/decode.h"

namespace mathnas::supernet {

// Purposes of kernels::Random::Stream that the data code draws from. Whoever shares a seed with it stays out of
// 0xD0 .. 0xDF.
enum StreamPurpose : uint8_t {
  kShufflePurpose = 0xD0,       // index_a: epoch
  kAugmentPurpose = 0xD1,       // index_a: epoch, index_b: image
  kSplitPurpose = 0xD2,         // index_a: class
  kSyntheticPurpose = 0xD3,     // index_a: 0 patterns, 1 train, 2 test; index_b: class or image
  kResizingPurpose = 0xD4,      // index_a: epoch, index_b: image
  kElasticPurpose = 0xD5,       // index_a: epoch, index_b: batch
  kTextPurpose = 0xD6,          // index_a: epoch, index_b: 0 batches, 1 + bucket of lengths (text/token_loader.h)
  kRandAugmentPurpose = 0xD7,   // index_a: epoch, index_b: image
  kErasingPurpose = 0xD8,       // the same: what is erased
  kErasingNoisePurpose = 0xD9,  // the same: what takes its place
  kMixingPurpose = 0xDA,        // index_a: epoch, index_b: batch
};

// One part (training, validation, test) of a set of images.
struct ImageDataset {
  std::string name;  // "fashion-mnist/train"
  int64_t count = 0, height = 0, width = 0, channels = 0;
  int classes = 0;
  std::vector<uint8_t> images;  // {count, height, width, channels}, row-major
  std::vector<int32_t> labels;  // {count}, each in 0 .. classes-1
  // Per channel, on the scale 0 .. 255, always of the training part: published constants or computed from it
  // (population standard deviation; 1 for a channel that is constant).
  std::vector<double> mean, stddev;

  size_t image_bytes() const { return static_cast<size_t>(height * width * channels); }
  // Pixels of one image, {height, width, channels}.
  std::span<const uint8_t> image(int64_t index) const {
    return {images.data() + static_cast<size_t>(index) * image_bytes(), image_bytes()};
  }
};

struct DatasetPair {
  ImageDataset train, test;
};

struct DatasetOptions {
  std::string fashion_mnist_folder = "/usr/share/datasets/fashion-mnist";
  // Most bytes that images and labels of one part may take. What a header promises is checked against this, and
  // against the size of the file, before it is allocated.
  int64_t max_bytes = int64_t{4} << 30;
  // Most pixels of an image of a folder (see LoadImages).
  int64_t max_image_pixels = kMaxImagePixels;
  // Of the synthetic images, unless their own "seed=" says otherwise.
  uint64_t seed = 0;
};

// `spec` is one of
//   fashion-mnist              IDX files in options.fashion_mnist_folder
//   fashion-mnist:FOLDER       {train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or with .gz; ten classes
//   FOLDER                     the same
//   cifar10:FOLDER             data_batch_*.bin and train*.bin in order of their names, test*.bin: records of one label
//                              byte and 3 x 32 x 32 bytes; mean and deviation are the published ones
//   arrays:FILE.safetensors    "images" U8 {N, H, W, C} and "labels" I64 {N}; the held-out part is "test_images" and
//                              "test_labels" or, without them, of every class the last tenth in the order of the file
//                              (rounded down, but one image of a class that has two to nineteen). Classes: the metadata
//                              entry "classes", otherwise the largest label plus one.
//   synthetic[:KEY=VALUE,...]  made up, learnable, the same everywhere: N=2048 training and test=N/4 test images,
//                              size=16, channels=3, classes=10, noise=40 (standard deviation, grey levels), seed
// All images of such a set have one size. LoadImages (image_source.h) takes these too, and folders of image files:
//   folder:FOLDER              {train,test,val}/CLASS/*.{jpg,jpeg,png}, images of any size; refused here
// InvalidArgument names file, field and what was expected; NotFound a file that is missing.
absl::StatusOr<DatasetPair> LoadDataset(std::string_view spec, const DatasetOptions& options = {});

// Sets mean and deviation of both parts to those of the pixels of `train`, as ImageDataset has them.
void SetStatistics(DatasetPair& pair);

struct TrainValidationSplit {
  ImageDataset train, validation;
};

// Holds `validation_count` images of the training part out. Every class gives in proportion to its size (largest
// remainders first); which of its images is drawn from (seed, class). Both parts keep the order of the images, the mean
// and the deviation of `dataset`. The argument is consumed, so that no image is held twice.
// InvalidArgument unless 1 <= validation_count < count.
absl::StatusOr<TrainValidationSplit> SplitTrainValidation(ImageDataset dataset, int64_t validation_count,
                                                          uint64_t seed);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_DATASET_H_
