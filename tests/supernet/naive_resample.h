// Bilinear resizing as its definition says it: every pixel of the result sums over all pixels of the source.
#ifndef MATHNAS_TESTS_SUPERNET_NAIVE_RESAMPLE_H_
#define MATHNAS_TESTS_SUPERNET_NAIVE_RESAMPLE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "supernet/data/resample.h"

namespace mathnas::supernet::testing {

// The weight that source pixel `x` of `in` has, before the sum is made 1, in result pixel `i` of `out`: a triangle of
// one pixel (enlarged) or in / out pixels (shrunk) on each side of the centre.
inline double TriangleWeight(int64_t x, int64_t i, int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double distance = (static_cast<double>(x) + 0.5) - (static_cast<double>(i) + 0.5) * scale;
  return std::max(0.0, 1 - std::abs(distance) / std::max(scale, 1.0));
}

// {window.height, window.width, channels}, as Resampler::Run.
inline std::vector<double> NaiveResample(const ImageView& image, const ResampleShape& shape) {
  std::vector<double> result;
  const Rectangle &s = shape.source, &w = shape.window;
  for (int64_t i = w.top; i < w.top + w.height; ++i) {
    for (int64_t k = 0; k < w.width; ++k) {
      const int64_t j = w.left + (shape.mirrored ? w.width - 1 - k : k);
      for (int64_t c = 0; c < image.channels; ++c) {
        double sum = 0, weights = 0;
        for (int64_t y = 0; y < s.height; ++y) {
          const double row = TriangleWeight(y, i, s.height, shape.height);
          for (int64_t x = 0; row > 0 && x < s.width; ++x) {
            const double weight = row * TriangleWeight(x, j, s.width, shape.width);
            sum += weight * image.pixels[((s.top + y) * image.width + s.left + x) * image.channels + c];
            weights += weight;
          }
        }
        result.push_back(sum / weights);
      }
    }
  }
  return result;
}

}  // namespace mathnas::supernet::testing

#endif  // MATHNAS_TESTS_SUPERNET_NAIVE_RESAMPLE_H_
