// Random erasing (Zhong et al., 2020), as timm does it per pixel (spec/search-spaces.md 5.8): with some probability a
// rectangle of the normalised image becomes noise.
#ifndef MATHNAS_SUPERNET_DATA_RANDOM_ERASING_H_
#define MATHNAS_SUPERNET_DATA_RANDOM_ERASING_H_

#include <cstdint>
#include <span>

#include "supernet/data/resample.h"

namespace mathnas::supernet {

struct ErasingOptions {
  double probability = 0;
  // The rectangle has a share of the image's area, uniform in min_area .. max_area, and a ratio of height to width
  // whose logarithm is uniform in min_ratio .. 1 / min_ratio. One that is not smaller than the image both ways is drawn
  // anew, ten times at most.
  double min_area = 0.02, max_area = 1.0 / 3, min_ratio = 0.3;
  uint64_t seed = 0;
};

// What is erased of an image; height 0: nothing. Depends on (seed, epoch, index) and the image's size alone. 0 <= epoch
// < 2^24, 0 <= index < 2^32.
Rectangle DrawErasing(const ErasingOptions& options, int64_t epoch, int64_t index, int64_t height, int64_t width);

// Standard normal numbers, independent for every value, in the place of what is erased of image{height, width,
// channels}.
void Erase(const Rectangle& erased, uint64_t seed, int64_t epoch, int64_t index, int64_t width, int64_t channels,
           std::span<float> image);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_RANDOM_ERASING_H_
