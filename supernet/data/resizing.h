// From an image of any size to network input of a given one (search-spaces.md 3.7). Training: random resized crop,
// horizontal flip with probability 1/2, colour jitter. Evaluation: short side to ceil(size / 0.875), centre crop. Both
// end with (x - mean) / stddev. The rules are those of torchvision's RandomResizedCrop, ColorJitter, Resize and
// CenterCrop on Pillow images; results differ from theirs by their rounding between the steps.
#ifndef MATHNAS_SUPERNET_DATA_RESIZING_H_
#define MATHNAS_SUPERNET_DATA_RESIZING_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/data/image_source.h"
#include "supernet/data/rand_augment.h"
#include "supernet/data/resample.h"

namespace mathnas::supernet {

// Largest side of network input.
inline constexpr int64_t kMaxInputSize = 4096;

struct ResizingOptions {
  // The crop has a share of the image's area, uniform in min_area .. max_area, and a ratio of width to height whose
  // logarithm is uniform.
  double min_area = 0.08, max_area = 1;
  double min_ratio = 3.0 / 4, max_ratio = 4.0 / 3;
  // Colours are multiplied by, and taken from their grey to, a factor uniform in 1 - x .. 1 + x; 0 = as they are. These
  // are OFA's colour jitter "tf". Saturation needs three channels.
  double brightness = 32.0 / 255, saturation = 0.5;
  // Of the crop, after all else; its levels are rounded to whole ones for it.
  RandAugmentOptions rand_augment = {};
  // Evaluation: the side of the crop as a share of the image's short side.
  double evaluation_crop = 0.875;
  // Three times the channel of grey images; others must have three.
  bool repeat_grey = false;
  bool flip = true;
  uint64_t seed = 0;
};

// What was drawn for one image.
struct ResizingDraw {
  Rectangle crop;
  bool flip = false;
  float brightness = 1, saturation = 1;  // factors
  bool saturation_first = false;
  std::vector<PixelOperationDraw> operations = {};  // of RandAugment
};

// Immutable, shared between threads.
class ResizingTransform {
 public:
  // Takes channels, mean and deviation of `source` and keeps no reference to it. InvalidArgument: mean or stddev not of
  // one entry per channel or stddev not positive and finite, areas not 0 < min <= max <= 1, ratios not 0 < min <= max,
  // brightness or saturation not in 0 .. 1, evaluation_crop not in 0.1 .. 1, repeat_grey with channels other than 1
  // and 3, what Check of RandAugment refuses.
  static absl::StatusOr<ResizingTransform> Create(const ImageSource& source, const ResizingOptions& options);

  // Channels of the result.
  int64_t channels() const { return static_cast<int64_t>(mean_.size()); }

  // Depends on (seed, epoch, index) and the size of the image alone, not on that of the result. 0 <= epoch < 2^24,
  // 0 <= index < 2^32.
  ResizingDraw Draw(int64_t epoch, int64_t index, int64_t height, int64_t width) const;
  // out: {size, size, channels()}; 1 <= size <= kMaxInputSize.
  void Apply(const ImageView& image, const ResizingDraw& draw, int64_t size, Resampler& resampler,
             std::span<float> out) const;
  // As evaluation sees it.
  void ApplyEvaluation(const ImageView& image, int64_t size, Resampler& resampler, std::span<float> out) const;

 private:
  ResizingTransform() = default;
  void Operate(const std::vector<PixelOperationDraw>& operations, int64_t channels, int64_t size,
               std::span<float> pixels) const;
  void Normalise(int64_t image_channels, int64_t pixels, std::span<float> out) const;

  ResizingOptions options_;
  std::vector<float> mean_, scale_;  // {channels()}: x becomes (x - mean) * scale
  std::vector<uint8_t> fill_;        // {channels()}: the mean in whole levels, for what comes from outside of an image
};

// Sizes for batches of elastic resolution: least, least + step, .. most with equal probability, drawn from (seed,
// epoch, batch) alone. As given, OFA's list; with step = 4 its continuous_size. (OFA draws with Python's generator: the
// distribution is the same, the sequence is not.)
struct ElasticSize {
  int64_t least = 128, most = 224, step = 32;  // most - least is a multiple of step
  uint64_t seed = 0;

  int64_t operator()(int64_t epoch, int64_t batch) const;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_RESIZING_H_
