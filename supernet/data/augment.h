// From stored pixels to network input (search-spaces.md 2.8): horizontal flip with probability 1/2, random crop out of
// the image padded with zeros, then (x - mean) / stddev. Evaluation: normalisation alone.
#ifndef MATHNAS_SUPERNET_DATA_AUGMENT_H_
#define MATHNAS_SUPERNET_DATA_AUGMENT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/data/image_source.h"

namespace mathnas::supernet {

struct AugmentOptions {
  bool flip = true;
  // Zeros on every side that the crop can reach; 0 = no crop, -1 = DefaultCropPadding(height).
  int crop_padding = -1;
  uint64_t seed = 0;
};

// 4 pixels for images of 28 and more, 2 below (ImageNet16 uses 2).
int DefaultCropPadding(int64_t size);

// What was drawn for one image.
struct AugmentDraw {
  bool flip = false;
  int top = 0, left = 0;  // corner of the crop in the padded image, 0 .. 2 * padding
};

// Immutable, shared between threads.
class ImageTransform {
 public:
  // Takes the size, mean and deviation of `images` and keeps no reference to it. InvalidArgument: images that do not
  // all have one size, mean or stddev not of one entry per channel, stddev not positive and finite, a padding below -1
  // or not smaller than the image.
  static absl::StatusOr<ImageTransform> Create(const ImageSource& images, const AugmentOptions& options);

  // Depends on (seed, epoch, index) alone. 0 <= epoch < 2^24, 0 <= index < 2^32.
  AugmentDraw Draw(int64_t epoch, int64_t index) const;
  // pixels, out: {height, width, channels}. The zeros of the padding are pixels of value 0, normalised like others.
  void Apply(std::span<const uint8_t> pixels, const AugmentDraw& draw, std::span<float> out) const;
  // Normalises only.
  void Normalise(std::span<const uint8_t> pixels, std::span<float> out) const;

 private:
  ImageTransform() = default;

  int64_t height_ = 0, width_ = 0, channels_ = 0;
  AugmentOptions options_;
  std::vector<float> table_;        // {channels, 256}: the normalised value of every pixel value
  std::vector<float> padding_row_;  // {width, channels}: a normalised row of zeros
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_AUGMENT_H_
