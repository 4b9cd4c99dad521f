// How the loader makes the input of one image: from a set whose images have one size, or from a source of any sizes.
// Private to supernet/data.
#ifndef MATHNAS_SUPERNET_DATA_INPUT_MAKER_H_
#define MATHNAS_SUPERNET_DATA_INPUT_MAKER_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "kernels/tensor.h"
#include "supernet/data/augment.h"
#include "supernet/data/image_source.h"
#include "supernet/data/resizing.h"

namespace mathnas::supernet {

class InputMaker {
 public:
  // What one thread works in.
  struct Scratch {
    ImageSource::Buffer buffer;
    Resampler resampler;
  };

  virtual ~InputMaker() = default;
  // {height, width, channels} of the input made with `size`.
  virtual kernels::Shape InputShape(int64_t size) const = 0;
  // The input of image `index` in `epoch`. Errors are those of ImageSource::Decode.
  virtual absl::Status Make(int64_t epoch, uint32_t index, int64_t size, Scratch& scratch,
                            std::span<float> out) const = 0;
};

// Sizes are that of the images, whatever is asked for; `source` must have one_size().
std::unique_ptr<InputMaker> FixedSizeMaker(ImageSourcePtr source, ImageTransform transform, bool augment);
std::unique_ptr<InputMaker> ResizingMaker(ImageSourcePtr source, ResizingTransform transform, bool augment);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_INPUT_MAKER_H_
