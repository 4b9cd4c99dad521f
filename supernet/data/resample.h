// Bilinear resizing. Enlarged, a pixel is interpolated between its neighbours (pixel centres at 0.5); shrunk, the
// triangle is as wide as `scale` pixels on each side, so that no pixel is passed over. The rule is that of Pillow's
// resize with BILINEAR, without its rounding to whole grey levels between the two axes.
#ifndef MATHNAS_SUPERNET_DATA_RESAMPLE_H_
#define MATHNAS_SUPERNET_DATA_RESAMPLE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "supernet/data/image_source.h"

namespace mathnas::supernet {

// Pixels of an image.
struct Rectangle {
  int64_t top = 0, left = 0, height = 0, width = 0;
  bool operator==(const Rectangle&) const = default;
};

struct ResampleShape {
  Rectangle source;               // what is resized; what lies around it has no influence
  int64_t height = 0, width = 0;  // what `source` becomes
  Rectangle window;               // the part of that which is wanted
  bool mirrored = false;          // the columns of the window in reverse
};

// Holds tables and rows from call to call: one for each thread.
class Resampler {
 public:
  // `source` lies in the image and `window` in height x width, all of at least one pixel. out: {window.height,
  // window.width, channels}, grey levels 0 .. 255, not rounded.
  void Run(const ImageView& image, const ResampleShape& shape, std::span<float> out);

 private:
  // The pixels of one axis that make a pixel of the result, and their weights, whose sum is 1.
  struct Axis {
    struct Taps {
      int64_t first, count;
      size_t weights;  // where they begin
    };
    std::vector<Taps> taps;
    std::vector<float> weights;

    // `in` pixels become `out`, of which those from `begin` on are wanted.
    void Set(int64_t in, int64_t out, int64_t begin, int64_t count);
  };

  Axis rows_, columns_;
  std::vector<float> row_;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_RESAMPLE_H_
